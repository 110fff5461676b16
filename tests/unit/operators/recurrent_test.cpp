#include "matrix_reference.h"

namespace hearth::operators {
namespace {

using Vector = std::vector<double>;

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// One direction over one sequence, written from the equations. Weights [gates * hidden, …], bias [2 * gates * hidden].
struct Cell {
  size_t inputs, hidden, gates;
  Vector w, r, b, peepholes;
  double clip = 1e30;

  // Sum of gate g, unit i; h may be scaled unit by unit (GRU).
  double gate(size_t g, size_t i, const Vector& x, const Vector& h, bool with_recurrent_bias = true) const {
    const size_t row = g * hidden + i;
    double sum = b[row] + (with_recurrent_bias ? b[gates * hidden + row] : 0);
    for (size_t p = 0; p < inputs; ++p) sum += w[row * inputs + p] * x[p];
    for (size_t p = 0; p < hidden; ++p) sum += r[row * hidden + p] * h[p];
    return sum;
  }
  double clipped(double x) const { return std::min(std::max(x, -clip), clip); }
};

constexpr int64_t kSteps = 5, kBatch = 6, kInputs = 3, kHidden = 4;

struct Problem {
  int64_t gates, directions;
  Tensor x, w, r, b, h0, c0, p;

  Problem(int64_t gate_count, int64_t direction_count, bool batch_first = false)
      : gates(gate_count), directions(direction_count) {
    const auto make = [&](const Dims& dims, uint32_t seed) { return random_tensor<float>(dims, seed, 8, 16); };
    x = make(batch_first ? Dims{kBatch, kSteps, kInputs} : Dims{kSteps, kBatch, kInputs}, 1);
    w = make({directions, gates * kHidden, kInputs}, 2);
    r = make({directions, gates * kHidden, kHidden}, 3);
    b = make({directions, 2 * gates * kHidden}, 4);
    const Dims state = batch_first ? Dims{kBatch, directions, kHidden} : Dims{directions, kBatch, kHidden};
    h0 = make(state, 5);
    c0 = make(state, 6);
    p = make({directions, 3 * kHidden}, 7);
  }
  Cell cell(int64_t d) const {
    const auto part = [&](const Tensor& tensor) {
      const Vector all = doubles<float>(tensor);
      const auto size = static_cast<int64_t>(all.size()) / directions;
      return Vector(all.begin() + d * size, all.begin() + (d + 1) * size);
    };
    return {kInputs, kHidden, static_cast<size_t>(gates), part(w), part(r), part(b), part(p)};
  }
};

Vector slice(const Tensor& tensor, int64_t row, int64_t size) {
  const Vector all = doubles<float>(tensor);
  return Vector(all.begin() + row * size, all.begin() + (row + 1) * size);
}

// step(x, h, c) → the next h; outputs by [time][direction][batch] and last states, for both layouts.
using Step = std::function<Vector(const Cell&, const Vector& x, const Vector& h, Vector& c)>;
void check(TestCall& call, const Problem& problem, const std::vector<int>& lengths, bool reverse_only, bool batch_first,
           bool has_cell, const Step& step, double clip = 1e30) {
  ASSERT_EQ(call.error(), "");
  for (int64_t d = 0; d < problem.directions; ++d)
    for (int64_t b = 0; b < kBatch; ++b) {
      Cell cell = problem.cell(d);
      cell.clip = clip;
      const int64_t state = batch_first ? b * problem.directions + d : d * kBatch + b;
      Vector h = slice(problem.h0, state, kHidden), c = slice(problem.c0, state, kHidden);
      const bool reversed = reverse_only || d == 1;
      const int64_t length = lengths[static_cast<size_t>(b)];
      for (int64_t s = 0; s < kSteps; ++s) {
        const int64_t t = s < length && reversed ? length - 1 - s : s;
        const int64_t x_row = batch_first ? b * kSteps + t : t * kBatch + b;
        const int64_t y_row =
            batch_first ? (b * kSteps + t) * problem.directions + d : (t * problem.directions + d) * kBatch + b;
        if (s < length) h = step(cell, slice(problem.x, x_row, kInputs), h, c);
        SCOPED_TRACE(fmt::format("direction {} batch {} step {}", d, b, s));
        expect_near(slice(call.out(0), y_row, kHidden), s < length ? h : Vector(kHidden, 0), 1e-5);
      }
      expect_near(slice(call.out(1), state, kHidden), h, 1e-5);
      if (has_cell) expect_near(slice(call.out(2), state, kHidden), c, 1e-5);
    }
}

const std::vector<int> kAll(kBatch, kSteps), kUneven{5, 3, 0, 1, 4, 2};
Tensor lengths_tensor() {
  return tensor<int32_t>({kBatch}, {5, 3, 0, 1, 4, 2});
}

Vector rnn_step(const Cell& cell, const Vector& x, const Vector& h, Vector&) {
  Vector next;
  for (size_t i = 0; i < kHidden; ++i) next.push_back(std::tanh(cell.gate(0, i, x, h)));
  return next;
}

TEST(Rnn, DirectionsLayoutsAndLengths) {
  for (const bool batch_first : {false, true})
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      const Problem p(1, std::string_view(direction) == "bidirectional" ? 2 : 1, batch_first);
      TestCall call("RNN", 14, {p.x, p.w, p.r, p.b, lengths_tensor(), p.h0}, 2);
      call.with("direction", std::string(direction)).with("layout", int64_t{batch_first});
      check(call, p, kUneven, std::string_view(direction) == "reverse", batch_first, false, rnn_step);
    }
}

TEST(Rnn, EveryActivation) {
  const Problem p(1, 1);
  struct Case {
    const char* name;
    std::vector<float> alpha, beta;
    std::function<double(double)> f;
  };
  const Case cases[] = {
      {"Relu", {}, {}, [](double x) { return std::max(x, 0.0); }},
      {"Sigmoid", {}, {}, sigmoid},
      {"affine", {2}, {0.5f}, [](double x) { return 2 * x + 0.5; }},
      {"LeakyRelu", {}, {}, [](double x) { return x < 0 ? 0.01 * x : x; }},
      {"LeakyRelu", {0.25f}, {}, [](double x) { return x < 0 ? 0.25 * x : x; }},
      {"ThresholdedRelu", {0.5f}, {}, [](double x) { return x >= 0.5 ? x : 0; }},
      {"ScaledTanh", {2}, {0.5f}, [](double x) { return 2 * std::tanh(0.5 * x); }},
      {"HardSigmoid", {}, {}, [](double x) { return std::min(std::max(0.2 * x + 0.5, 0.0), 1.0); }},
      {"Elu", {}, {}, [](double x) { return x < 0 ? std::exp(x) - 1 : x; }},
      {"Softsign", {}, {}, [](double x) { return x / (1 + std::abs(x)); }},
      {"Softplus", {}, {}, [](double x) { return std::log(1 + std::exp(x)); }},
  };
  for (const Case& c : cases) {
    TestCall call("RNN", 14, {p.x, p.w, p.r, p.b, Value(), p.h0}, 2);
    call.with("activations", std::vector<std::string>{c.name});
    if (!c.alpha.empty()) call.with("activation_alpha", c.alpha);
    if (!c.beta.empty()) call.with("activation_beta", c.beta);
    SCOPED_TRACE(c.name);
    check(call, p, kAll, false, false, false, [&](const Cell& cell, const Vector& x, const Vector& h, Vector&) {
      Vector next;
      for (size_t i = 0; i < kHidden; ++i) next.push_back(c.f(cell.gate(0, i, x, h)));
      return next;
    });
  }
}

struct LstmOptions {
  bool coupled = false;
};
Step lstm_step(LstmOptions options) {
  return [options](const Cell& cell, const Vector& x, const Vector& h, Vector& c) {
    Vector next;
    const Vector before = c;
    for (size_t i = 0; i < kHidden; ++i) {
      const double input = sigmoid(cell.clipped(cell.gate(0, i, x, h) + cell.peepholes[i] * before[i]));
      const double forget =
          options.coupled ? 1 - input
                          : sigmoid(cell.clipped(cell.gate(2, i, x, h) + cell.peepholes[2 * kHidden + i] * before[i]));
      const double candidate = std::tanh(cell.clipped(cell.gate(3, i, x, h)));
      c[i] = forget * before[i] + input * candidate;
      const double output = sigmoid(cell.clipped(cell.gate(1, i, x, h) + cell.peepholes[kHidden + i] * c[i]));
      next.push_back(output * std::tanh(cell.clipped(c[i])));
    }
    return next;
  };
}

TEST(Lstm, PeepholesLengthsDirectionsAndLayouts) {
  for (const bool batch_first : {false, true})
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      const Problem p(4, std::string_view(direction) == "bidirectional" ? 2 : 1, batch_first);
      TestCall call("LSTM", 14, {p.x, p.w, p.r, p.b, lengths_tensor(), p.h0, p.c0, p.p}, 3);
      call.with("direction", std::string(direction)).with("layout", int64_t{batch_first});
      check(call, p, kUneven, std::string_view(direction) == "reverse", batch_first, true, lstm_step({}));
    }
}

TEST(Lstm, ClipAndCoupledGates) {
  const Problem p(4, 1);
  TestCall clipped("LSTM", 14, {p.x, p.w, p.r, p.b, Value(), p.h0, p.c0, p.p}, 3);
  clipped.with("clip", 0.25f);
  check(clipped, p, kAll, false, false, true, lstm_step({}), 0.25);
  TestCall coupled("LSTM", 14, {p.x, p.w, p.r, p.b, Value(), p.h0, p.c0, p.p}, 3);
  coupled.with("input_forget", int64_t{1});
  check(coupled, p, kAll, false, false, true, lstm_step({.coupled = true}));
}

Step gru_step(bool linear_before_reset) {
  return [linear_before_reset](const Cell& cell, const Vector& x, const Vector& h, Vector&) {
    Vector update, reset, reset_h, next;
    for (size_t i = 0; i < kHidden; ++i) {
      update.push_back(sigmoid(cell.gate(0, i, x, h)));
      reset.push_back(sigmoid(cell.gate(1, i, x, h)));
      reset_h.push_back(reset[i] * h[i]);
    }
    for (size_t i = 0; i < kHidden; ++i) {
      double sum = cell.gate(2, i, x, reset_h);
      if (linear_before_reset) {
        const size_t row = 2 * kHidden + i;
        double from_h = cell.b[3 * kHidden + row];
        for (size_t p = 0; p < kHidden; ++p) from_h += cell.r[row * kHidden + p] * h[p];
        sum = cell.gate(2, i, x, Vector(kHidden, 0), false) + reset[i] * from_h;
      }
      next.push_back((1 - update[i]) * std::tanh(sum) + update[i] * h[i]);
    }
    return next;
  };
}

TEST(Gru, BothPlacesOfTheResetGate) {
  for (const int64_t linear : {int64_t{0}, int64_t{1}})
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      const Problem p(3, std::string_view(direction) == "bidirectional" ? 2 : 1);
      TestCall call("GRU", 14, {p.x, p.w, p.r, p.b, lengths_tensor(), p.h0}, 2);
      call.with("direction", std::string(direction)).with("linear_before_reset", linear);
      check(call, p, kUneven, std::string_view(direction) == "reverse", false, false, gru_step(linear != 0));
    }
}

TEST(Gru, OtherTypesAndAbsentOutputs) {
  const Problem p(3, 1);
  TestCall reference("GRU", 14, {p.x, p.w, p.r, p.b}, 2);
  ASSERT_EQ(reference.error(), "");
  const auto as_half = [](const Tensor& t) { return tensor_of<Half>(t.dims(), doubles<float>(t)); };
  TestCall half("GRU", 14, {as_half(p.x), as_half(p.w), as_half(p.r), as_half(p.b)}, 2);
  half.without_output(0);
  ASSERT_EQ(half.error(), "");
  expect_near(doubles<Half>(half.out(1)), doubles<float>(reference.out(1)), 1e-3);
  const auto as_double = [](const Tensor& t) { return tensor_of<double>(t.dims(), doubles<float>(t)); };
  TestCall wide("GRU", 14, {as_double(p.x), as_double(p.w), as_double(p.r), as_double(p.b)}, 2);
  ASSERT_EQ(wide.error(), "");
  expect_near(doubles<double>(wide.out(0)), doubles<float>(reference.out(0)), 1e-6);
}

TEST(Recurrent, RefusesWhatDoesNotFit) {
  const Problem p(1, 1);
  const auto error = [&](std::string_view attribute, graph::Attribute::Data value) {
    TestCall call("RNN", 14, {p.x, p.w, p.r}, 1);
    call.with(attribute, std::move(value));
    return call.error();
  };
  EXPECT_EQ(error("direction", std::string("up")),
            "[RNN] attribute 'direction'; got 'up', need forward, reverse or bidirectional");
  EXPECT_EQ(error("activations", std::vector<std::string>{"Tanhh"}),
            "[RNN] attribute 'activations'; got 'Tanhh', which is no activation");
  EXPECT_EQ(error("activation_alpha", std::vector<float>{1, 2}),
            "[RNN] attribute 'activation_alpha'; got 2 numbers, need at most 0 for these activations");
  EXPECT_EQ(error("hidden_size", int64_t{5}), "[RNN] attribute 'hidden_size'; got 5, need R's 4");
  EXPECT_EQ(error("clip", -1.0f), "[RNN] attribute 'clip'; got -1, need more than 0");
  EXPECT_NE(error("direction", std::string("bidirectional")).find("[RNN] W and R; got"), std::string::npos);
  TestCall lengths("RNN", 14, {p.x, p.w, p.r, Value(), tensor<int32_t>({kBatch}, {0, 0, 0, 0, 0, 6})}, 1);
  EXPECT_EQ(lengths.error(), "[RNN] sequence_lens, element 5; got 6, need [0, 5]");
  TestCall cancelled("RNN", 14, {p.x, p.w, p.r}, 1);
  cancelled.cancelled = true;
  EXPECT_EQ(cancelled.error(), "[test] cancelled");
}

TEST(Recurrent, EmptyBatchEndsAtOnce) {
  // A sequence without end of nothing.
  const Tensor x = Tensor::borrow(nullptr, DType::F32, {int64_t{1} << 30, 0, kInputs}, nullptr);
  const Problem p(1, 1);
  TestCall call("RNN", 14, {x, p.w, p.r}, 2);
  call.without_output(0);
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(call.out(1).dims(), (Dims{1, 0, kHidden}));
}

}  // namespace
}  // namespace hearth::operators
