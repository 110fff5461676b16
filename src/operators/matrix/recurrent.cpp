#include "operators/matrix/recurrent.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "operators/elementwise/float_loops.h"

namespace hearth::operators {

namespace {

struct ActivationInfo {
  std::string_view name;  // compared without regard to case
  ActivationKind kind;
  std::optional<double> alpha, beta;  // defaults of those that it has
};

// Defaults are those of the operators of the same names; ScaledTanh's leave tanh as it is.
constexpr ActivationInfo kActivations[] = {
    {"relu", ActivationKind::Relu, {}, {}},
    {"tanh", ActivationKind::Tanh, {}, {}},
    {"sigmoid", ActivationKind::Sigmoid, {}, {}},
    {"affine", ActivationKind::Affine, 1.0, 0.0},
    {"leakyrelu", ActivationKind::LeakyRelu, 0.01, {}},
    {"thresholdedrelu", ActivationKind::ThresholdedRelu, 1.0, {}},
    {"scaledtanh", ActivationKind::ScaledTanh, 1.0, 1.0},
    {"hardsigmoid", ActivationKind::HardSigmoid, 0.2, 0.5},
    {"elu", ActivationKind::Elu, 1.0, {}},
    {"softsign", ActivationKind::Softsign, {}, {}},
    {"softplus", ActivationKind::Softplus, {}, {}},
};

const ActivationInfo* find_activation(std::string_view name) {
  std::string lower(name);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto* found = std::ranges::find(kActivations, lower, &ActivationInfo::name);
  return found != std::end(kActivations) ? found : nullptr;
}

const ActivationInfo& info_of(ActivationKind kind) {
  return *std::ranges::find(kActivations, kind, &ActivationInfo::kind);
}

// activation_alpha or activation_beta. They are consumed in the order of the functions that have such a number; a list
// with one for every function, also those that have none, is read by position.
Result<> read_parameters(const Call& call, std::string_view attribute, std::optional<double> ActivationInfo::* which,
                         double Activation::* to, std::vector<Activation>& activations) {
  const auto given = call.node().floats(attribute);
  const auto takes = [&](const Activation& a) { return (info_of(a.kind).*which).has_value(); };
  const auto takers = static_cast<size_t>(std::ranges::count_if(activations, takes));
  const bool by_position = given.size() == activations.size();
  if (given.size() > takers && !by_position)
    return call.invalid("attribute '{}'; got {} numbers, need at most {} for these activations", attribute,
                        given.size(), takers);
  size_t next = 0;
  for (size_t i = 0; i < activations.size(); ++i) {
    if (!takes(activations[i])) continue;
    const size_t at = by_position ? i : next++;
    activations[i].*to = at < given.size() ? static_cast<double>(given[at]) : *(info_of(activations[i].kind).*which);
  }
  return {};
}

Result<std::vector<Activation>> read_activations(const Call& call, int directions,
                                                 std::span<const ActivationKind> defaults) {
  std::vector<Activation> activations;
  const auto names = call.node().strings("activations");
  const size_t need = defaults.size() * static_cast<size_t>(directions);
  // RNN's own default names two for any direction.
  if (!names.empty() && names.size() < need)
    return call.invalid("attribute 'activations'; got {} names, need {}", names.size(), need);
  for (size_t i = 0; i < need; ++i) {
    if (names.empty()) {
      activations.push_back({defaults[i % defaults.size()]});
      continue;
    }
    const ActivationInfo* found = find_activation(names[i]);
    if (found == nullptr) return call.invalid("attribute 'activations'; got '{}', which is no activation", names[i]);
    activations.push_back({found->kind});
  }
  if (names.size() > need && !(defaults.size() == 1 && names.size() == 2))
    return call.invalid("attribute 'activations'; got {} names, need {}", names.size(), need);
  TRY(read_parameters(call, "activation_alpha", &ActivationInfo::alpha, &Activation::alpha, activations));
  TRY(read_parameters(call, "activation_beta", &ActivationInfo::beta, &Activation::beta, activations));
  return activations;
}

Result<> read_direction(const Call& call, RecurrentShape& shape) {
  const std::string_view text = call.node().string_or("direction", "forward");
  if (text == "forward") {
    shape.direction = Direction::Forward;
  } else if (text == "reverse") {
    shape.direction = Direction::Reverse;
  } else if (text == "bidirectional") {
    shape.direction = Direction::Bidirectional;
    shape.directions = 2;
  } else {
    return call.invalid("attribute 'direction'; got '{}', need forward, reverse or bidirectional", text);
  }
  return {};
}

Result<> read_lengths(const Call& call, RecurrentShape& shape) {
  if (!call.has(4)) return {};
  ASSIGN_OR_RETURN(const Tensor* lengths, call.tensor(4));
  if (lengths->dtype() != DType::I32 || lengths->size() != shape.batch)
    return call.invalid("sequence_lens; got {}{}, need i32[{}]", to_string(lengths->dtype()),
                        to_string(lengths->dims()), shape.batch);
  for (int64_t b = 0; b < shape.batch; ++b) {
    const int64_t length = lengths->data<int32_t>()[b];
    if (length < 0 || length > shape.steps)
      return call.invalid("sequence_lens, element {}; got {}, need [0, {}]", b, length, shape.steps);
    shape.lengths.push_back(length);
  }
  return {};
}

template <class C, class Function>
void map(C* values, int64_t count, Function function) {
  for (int64_t i = 0; i < count; ++i) values[i] = function(values[i]);
}

}  // namespace

Dims RecurrentShape::y_dims() const {
  return batch_first ? Dims{batch, steps, directions, hidden} : Dims{steps, directions, batch, hidden};
}
Dims RecurrentShape::state_dims() const {
  return batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
}

template <class C>
void Activation::apply(C* values, int64_t count, double clip) const {
  if (clip > 0) {
    const C limit = static_cast<C>(clip);
    map(values, count, [limit](C x) { return x > limit ? limit : x < -limit ? -limit : x; });
  }
  if constexpr (std::is_same_v<C, float>) {
    if (kind == ActivationKind::Tanh) return float_loops().tanh(nullptr, values, values, count);
    if (kind == ActivationKind::Sigmoid) return float_loops().sigmoid(nullptr, values, values, count);
  }
  const C a = static_cast<C>(alpha), b = static_cast<C>(beta);
  switch (kind) {
    case ActivationKind::Relu:
      return map(values, count, [](C x) { return x < 0 ? C{0} : x; });
    case ActivationKind::Tanh:
      return map(values, count, [](C x) { return std::tanh(x); });
    case ActivationKind::Sigmoid:
      return map(values, count, [](C x) { return 1 / (1 + std::exp(-x)); });
    case ActivationKind::Affine:
      return map(values, count, [a, b](C x) { return a * x + b; });
    case ActivationKind::LeakyRelu:
      return map(values, count, [a](C x) { return x < 0 ? a * x : x; });
    case ActivationKind::ThresholdedRelu:
      return map(values, count, [a](C x) { return x < a ? C{0} : x; });
    case ActivationKind::ScaledTanh:
      return map(values, count, [a, b](C x) { return a * std::tanh(b * x); });
    case ActivationKind::HardSigmoid:
      return map(values, count, [a, b](C x) { return std::min(std::max(a * x + b, C{0}), C{1}); });
    case ActivationKind::Elu:
      return map(values, count, [a](C x) { return x < 0 ? a * std::expm1(x) : x; });
    case ActivationKind::Softsign:
      return map(values, count, [](C x) { return x / (1 + std::abs(x)); });
    case ActivationKind::Softplus:
      return map(values, count, [](C x) { return std::max(x, C{0}) + std::log1p(std::exp(-std::abs(x))); });
  }
}

const Tensor* PackedRecurrent::recurrent(int d, int64_t first) const {
  for (const Part& part : r[static_cast<size_t>(d)])
    if (part.first == first) return &part.panels;
  return nullptr;
}

Result<std::unique_ptr<Prepared>> pack_recurrent(std::span<const Tensor* const> constants,
                                                 std::initializer_list<int64_t> parts) {
  const Tensor* w = constants.size() > 1 ? constants[1] : nullptr;
  const Tensor* r = constants.size() > 2 ? constants[2] : nullptr;
  if (w == nullptr || r == nullptr || w->dtype() != DType::F32 || r->dtype() != DType::F32 || w->rank() != 3 ||
      r->rank() != 3 || w->size() == 0 || r->size() == 0 || w->dim(0) > 2)
    return nullptr;
  int64_t gates = 0;
  for (const int64_t part : parts) gates += part;
  const int64_t hidden = r->dim(2), inputs = w->dim(2);
  if (w->dim(1) % gates != 0 || w->dim(1) / gates != hidden || r->dims() != Dims{w->dim(0), w->dim(1), hidden})
    return nullptr;
  auto packed = std::make_unique<PackedRecurrent>();
  packed->w_dims = w->dims();
  packed->r_dims = r->dims();
  packed->replaces = 1u << 1 | 1u << 2;
  const int64_t columns = gates * hidden;
  for (int64_t d = 0; d < w->dim(0); ++d) {
    ASSIGN_OR_RETURN(Tensor panels, pack_matrix(w->data<float>() + d * columns * inputs, 1, inputs, inputs, columns));
    packed->bytes += panels.bytes();
    packed->w.push_back(std::move(panels));
    auto& held = packed->r.emplace_back();
    int64_t first = 0;
    for (const int64_t part : parts) {
      const float* from = r->data<float>() + (d * columns + first) * hidden;
      ASSIGN_OR_RETURN(panels, pack_matrix(from, 1, hidden, hidden, part * hidden));
      packed->bytes += panels.bytes();
      held.push_back({first, std::move(panels)});
      first += part * hidden;
    }
  }
  return packed;
}

Result<RecurrentShape> read_recurrent(Call& call, int64_t gates, std::span<const ActivationKind> defaults) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const auto* packed = static_cast<const PackedRecurrent*>(call.prepared());
  if (packed == nullptr) TRY(call.tensor(1));
  if (packed == nullptr) TRY(call.tensor(2));
  if (packed != nullptr && x->dtype() != DType::F32)
    return call.invalid("element types; got {} and f32, need one", to_string(x->dtype()));
  const Dims w = packed != nullptr ? packed->w_dims : call.input(1).dims();
  const Dims r = packed != nullptr ? packed->r_dims : call.input(2).dims();
  RecurrentShape shape;
  TRY(read_direction(call, shape));
  shape.batch_first = call.node().int_or("layout", 0) != 0;
  if (x->rank() != 3 || r.rank() != 3)
    return call.invalid("X and R; got {} and {}, need three dimensions each", to_string(x->dims()), to_string(r));
  shape.steps = x->dim(shape.batch_first ? 1 : 0);
  shape.batch = x->dim(shape.batch_first ? 0 : 1);
  shape.inputs = x->dim(2);
  shape.hidden = r[2];
  const int64_t given = call.node().int_or("hidden_size", shape.hidden);
  if (given != shape.hidden) return call.invalid("attribute 'hidden_size'; got {}, need R's {}", given, shape.hidden);
  const Dims w_dims{shape.directions, gates * shape.hidden, shape.inputs};
  const Dims r_dims{shape.directions, gates * shape.hidden, shape.hidden};
  if (w != w_dims || r != r_dims)
    return call.invalid("W and R; got {} and {}, need {} and {}", to_string(w), to_string(r), to_string(w_dims),
                        to_string(r_dims));
  for (const int i : {1, 2, 3, 5}) {
    if (!call.has(i)) continue;
    ASSIGN_OR_RETURN(const Tensor* other, call.tensor(i));
    if (other->dtype() != x->dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(other->dtype()));
  }
  if (call.node().has("clip")) {
    shape.clip = static_cast<double>(call.node().float_or("clip", 0));
    if (!(shape.clip > 0)) return call.invalid("attribute 'clip'; got {}, need more than 0", shape.clip);
  }
  TRY(read_lengths(call, shape));
  ASSIGN_OR_RETURN(shape.activations, read_activations(call, shape.directions, defaults));
  return shape;
}

template <class C>
Result<Wide<C>> read_weights(Call& call, int input, const Dims& dims) {
  if (!call.has(input)) return Wide<C>();
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(input));
  if (tensor->dims() != dims)
    return call.invalid("input {}; got {}, need {}", input, to_string(tensor->dims()), to_string(dims));
  return Wide<C>::make(call, *tensor);
}

template <class C>
Result<Wide<C>> read_state(Call& call, int input, const RecurrentShape& shape) {
  return read_weights<C>(call, input, shape.state_dims());
}

template <class C>
Result<RecurrentData<C>> RecurrentData<C>::make(Call& call, RecurrentShape shape, int64_t gates) {
  RecurrentData made;
  made.gates = gates;
  const DType dtype = call.input(0).dtype();
  ASSIGN_OR_RETURN(made.x, Wide<C>::make(call, call.input(0)));
  if (call.prepared() == nullptr) {
    ASSIGN_OR_RETURN(made.w, Wide<C>::make(call, call.input(1)));
    ASSIGN_OR_RETURN(made.r, Wide<C>::make(call, call.input(2)));
  }
  ASSIGN_OR_RETURN(made.b, read_weights<C>(call, 3, {shape.directions, 2 * gates * shape.hidden}));
  ASSIGN_OR_RETURN(made.initial_h, read_state<C>(call, 5, shape));
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(made.y, WideOutput<C>::make(call, 0, dtype, shape.y_dims()));
    std::fill_n(made.y.data(), made.y.size(), C{});  // what lies past the end of a sequence
  }
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(made.y_h, WideOutput<C>::make(call, 1, dtype, shape.state_dims()));
  }
  ASSIGN_OR_RETURN(made.x_products, Scratch<C>::make(call, {shape.steps, shape.batch, gates * shape.hidden}));
  made.shape = std::move(shape);
  return made;
}

template <class C>
Result<> RecurrentData<C>::multiply_inputs(Call& call, int d, unsigned recurrent_bias) {
  const int64_t rows = shape.steps * shape.batch, columns = gates * shape.hidden;
  bool done = rows == 0 || columns == 0;
  if constexpr (std::is_same_v<C, float>)
    if (const auto* packed = static_cast<const PackedRecurrent*>(call.prepared());
        !done && shape.inputs > 0 && (packed != nullptr || rows >= kPackedRows)) {
      Tensor made;
      if (packed == nullptr) {
        ASSIGN_OR_RETURN(made, pack_matrix(w.data() + d * columns * shape.inputs, 1, shape.inputs, shape.inputs,
                                           columns, call.memory()));
      }
      TRY(run_matmul_job(call, {.m = rows,
                                .n = columns,
                                .k = shape.inputs,
                                .a = x.data(),
                                .lda = shape.inputs,
                                .b = packed != nullptr ? packed->w[static_cast<size_t>(d)].raw() : made.raw(),
                                .c = x_products.data(),
                                .ldc = columns}));
      done = true;
    }
  if (!done) {
    const Product<C> one{
        {x.data(), shape.inputs, 1}, {w.data() + d * columns * shape.inputs, 1, shape.inputs}, x_products.data()};
    TRY(multiply_all<C>(call, 1, rows, columns, shape.inputs, [&](int64_t) { return one; }));
  }
  if (b.data() == nullptr) return {};
  const C* bias = b.data() + d * 2 * columns;
  ASSIGN_OR_RETURN(const auto sums, Scratch<C>::make(call, {columns}));
  for (int64_t i = 0; i < columns; ++i)
    sums[i] = bias[i] + ((recurrent_bias >> (i / shape.hidden) & 1u) != 0 ? bias[columns + i] : C{0});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < columns; ++i) x_products[row * columns + i] += sums[i];
  return {};
}

template <class C>
void RecurrentData<C>::load_state(const Wide<C>& initial, int d, C* state) const {
  for (int64_t i = 0; i < shape.batch; ++i, state += shape.hidden)
    if (initial.data() != nullptr)
      std::copy_n(initial.data() + shape.state_row(d, i) * shape.hidden, shape.hidden, state);
    else
      std::fill_n(state, shape.hidden, C{});
}

template <class C>
void RecurrentData<C>::store_state(const C* state, int d, C* to) const {
  if (to == nullptr) return;
  for (int64_t i = 0; i < shape.batch; ++i, state += shape.hidden)
    std::copy_n(state, shape.hidden, to + shape.state_row(d, i) * shape.hidden);
}

template <class C>
void RecurrentData<C>::store_step(const C* h_row, int64_t t, int d, int64_t b_index) const {
  if (y.data() != nullptr) std::copy_n(h_row, shape.hidden, y.data() + shape.y_row(t, d, b_index) * shape.hidden);
}

template <class C>
void RecurrentData<C>::finish(Call& call) {
  if (y.data() != nullptr) y.finish(call);
  if (y_h.data() != nullptr) y_h.finish(call);
}

template <class C>
Result<RecurrentFactor<C>> RecurrentFactor<C>::make(Call& call, const RecurrentData<C>& data, int d, int64_t first,
                                                    int64_t columns) {
  const RecurrentShape& shape = data.shape;
  RecurrentFactor made;
  made.columns_ = columns;
  if (const auto* packed = static_cast<const PackedRecurrent*>(call.prepared()); packed != nullptr) {
    const Tensor* panels = packed->recurrent(d, first);
    CHECK(panels != nullptr);
    made.dense_ = *panels;
    return made;
  }
  const C* r = data.r.data() + (d * data.gates * shape.hidden + first) * shape.hidden;
  made.factor_ = {r, 1, shape.hidden};
  if constexpr (std::is_same_v<C, float>) {
    if (shape.batch * shape.longest() >= kPackedRows && columns > 0) {
      ASSIGN_OR_RETURN(made.dense_, pack_matrix(r, 1, shape.hidden, shape.hidden, columns, call.memory()));
    }
    return made;
  }
  if (shape.batch < kPanelRows) return made;
  ASSIGN_OR_RETURN(made.panels_, Scratch<C>::make(call, {right_panels_size<C>(shape.hidden, columns)}));
  pack_whole_right(made.factor_, shape.hidden, columns, made.panels_.data());
  made.factor_.panels = made.panels_.data();
  made.factor_.panel_extent = round_up(columns, panel_columns<C>);
  return made;
}

template <class C>
Result<> RecurrentFactor<C>::multiply(Call& call, const RecurrentShape& shape, const C* h, C* sums) const {
  if constexpr (std::is_same_v<C, float>)
    if (dense_)
      return run_matmul_job(call, {.m = shape.batch,
                                   .n = columns_,
                                   .k = shape.hidden,
                                   .a = h,
                                   .lda = shape.hidden,
                                   .b = dense_.raw(),
                                   .c = sums,
                                   .ldc = columns_});
  const Product<C> one{{h, shape.hidden, 1}, factor_, sums};
  return multiply_all<C>(call, 1, shape.batch, columns_, shape.hidden, [&](int64_t) { return one; });
}

#define HEARTH_RECURRENT(C)                                                  \
  template void Activation::apply<C>(C*, int64_t, double) const;             \
  template Result<Wide<C>> read_weights<C>(Call&, int, const Dims&);         \
  template Result<Wide<C>> read_state<C>(Call&, int, const RecurrentShape&); \
  template struct RecurrentData<C>;                                          \
  template class RecurrentFactor<C>;
HEARTH_RECURRENT(float)
HEARTH_RECURRENT(double)
#undef HEARTH_RECURRENT

}  // namespace hearth::operators
