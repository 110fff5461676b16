// GRU. Gates lie in the order update (z), reset (r), hidden (h).
#include "operators/matrix/kernels.h"
#include "operators/matrix/recurrent.h"

namespace hearth::operators {

namespace {

constexpr int64_t kGates = 3;
constexpr unsigned kAllGates = ~0u, kUpdateAndReset = 0b011;

// Scratch for a batch.
template <class C>
struct GruSpace {
  Scratch<C> h, gates, hidden_gate, reset_h;

  static Result<GruSpace> make(Call& call, const RecurrentShape& shape) {
    GruSpace made;
    ASSIGN_OR_RETURN(made.h, Scratch<C>::make(call, {shape.batch, shape.hidden}));
    ASSIGN_OR_RETURN(made.gates, Scratch<C>::make(call, {shape.batch, 2 * shape.hidden}));
    ASSIGN_OR_RETURN(made.hidden_gate, Scratch<C>::make(call, {shape.batch, shape.hidden}));
    ASSIGN_OR_RETURN(made.reset_h, Scratch<C>::make(call, {shape.batch, shape.hidden}));
    return made;
  }
};

template <class C>
Result<> run_direction(Call& call, RecurrentData<C>& data, int d, const GruSpace<C>& space) {
  const RecurrentShape& shape = data.shape;
  const int64_t hidden = shape.hidden, columns = kGates * hidden;
  const bool linear_first = call.node().int_or("linear_before_reset", 0) != 0;
  const auto activations = shape.activations_of(d);
  TRY(data.multiply_inputs(call, d, linear_first ? kUpdateAndReset : kAllGates));
  ASSIGN_OR_RETURN(const auto gate_factor, RecurrentFactor<C>::make(call, data, d, 0, 2 * hidden));
  ASSIGN_OR_RETURN(const auto hidden_factor, RecurrentFactor<C>::make(call, data, d, 2 * hidden, hidden));
  // R's bias of the hidden gate, which linear_before_reset puts under the reset gate.
  const C* reset_bias =
      linear_first && data.b.data() != nullptr ? data.b.data() + (d * 2 + 1) * columns + 2 * hidden : nullptr;
  data.load_state(data.initial_h, d, space.h.data());
  const auto for_each_sequence = [&](int64_t s, auto&& function) {
    call.parallel(shape.batch, 1 + 1024 / (hidden + 1), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        if (s < shape.length(b)) {
          const int64_t t = shape.time(d, s, b);
          function(t, b, data.x_products.data() + shape.x_row(t, b) * columns, space.gates.data() + b * 2 * hidden,
                   space.hidden_gate.data() + b * hidden, space.h.data() + b * hidden);
        }
    });
  };
  const auto update_and_reset = [&](int64_t, int64_t b, const C* from_x, C* gates, C*, const C* h) {
    for (int64_t i = 0; i < 2 * hidden; ++i) gates[i] += from_x[i];
    activations[0].apply(gates, 2 * hidden, shape.clip);
    for (int64_t i = 0; i < hidden; ++i) space.reset_h[b * hidden + i] = gates[hidden + i] * h[i];
  };
  const auto next_state = [&](int64_t t, int64_t b, const C* from_x, const C* gates, C* hidden_gate, C* h) {
    for (int64_t i = 0; i < hidden; ++i) {
      C from_h = hidden_gate[i];
      if (linear_first) from_h = gates[hidden + i] * (from_h + (reset_bias != nullptr ? reset_bias[i] : C{0}));
      hidden_gate[i] = from_x[2 * hidden + i] + from_h;
    }
    activations[1].apply(hidden_gate, hidden, shape.clip);
    for (int64_t i = 0; i < hidden; ++i) h[i] = (1 - gates[i]) * hidden_gate[i] + gates[i] * h[i];
    data.store_step(h, t, d, b);
  };
  for (int64_t s = 0; s < shape.longest(); ++s) {
    TRY(call.check_cancelled());
    TRY(gate_factor.multiply(call, shape, space.h.data(), space.gates.data()));
    for_each_sequence(s, update_and_reset);
    TRY(hidden_factor.multiply(call, shape, linear_first ? space.h.data() : space.reset_h.data(),
                               space.hidden_gate.data()));
    for_each_sequence(s, next_state);
  }
  data.store_state(space.h.data(), d, data.y_h.data());
  return {};
}

template <class C>
Result<> gru(Call& call, RecurrentShape read) {
  ASSIGN_OR_RETURN(auto data, RecurrentData<C>::make(call, std::move(read), kGates));
  ASSIGN_OR_RETURN(const auto space, GruSpace<C>::make(call, data.shape));
  // A sequence that has ended keeps what stood here; the product reads it all the same.
  std::fill_n(space.reset_h.data(), data.shape.batch * data.shape.hidden, C{});
  for (int d = 0; d < data.shape.directions; ++d) TRY(run_direction(call, data, d, space));
  data.finish(call);
  return {};
}

}  // namespace

Result<> run_gru(Call& call) {
  constexpr ActivationKind kDefaults[] = {ActivationKind::Sigmoid, ActivationKind::Tanh};
  ASSIGN_OR_RETURN(RecurrentShape shape, read_recurrent(call, kGates, kDefaults));
  return in_working_float(call, call.input(0).dtype(), [&]<class C>() { return gru<C>(call, std::move(shape)); });
}

Result<std::unique_ptr<Prepared>> prepare_gru(const graph::Node&, int64_t, std::span<const Tensor* const> constants) {
  return pack_recurrent(constants, {2, 1});
}

}  // namespace hearth::operators
