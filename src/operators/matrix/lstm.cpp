// LSTM. Gates lie in the order input, output, forget, cell; peepholes in the order input, output, forget.
#include "operators/matrix/kernels.h"
#include "operators/matrix/recurrent.h"

namespace hearth::operators {

namespace {

constexpr int64_t kGates = 4;
constexpr unsigned kAllGates = ~0u;

template <class C>
struct LstmData {
  RecurrentData<C> common;
  Wide<C> initial_c, peepholes;
  WideOutput<C> y_c;
  bool input_forget = false;
};

// One sequence's step: gate sums (4 × hidden, destroyed) and states.
template <class C>
void step_cell(const LstmData<C>& data, int d, C* gates, C* h, C* c) {
  const RecurrentShape& shape = data.common.shape;
  const int64_t hidden = shape.hidden;
  const auto activations = shape.activations_of(d);
  C *const input = gates, *const output = gates + hidden, *const forget = gates + 2 * hidden,
           *const cell = gates + 3 * hidden;
  const C* p = data.peepholes.data() != nullptr ? data.peepholes.data() + d * 3 * hidden : nullptr;
  if (p != nullptr)
    for (int64_t i = 0; i < hidden; ++i) {
      input[i] += p[i] * c[i];
      forget[i] += p[2 * hidden + i] * c[i];
    }
  activations[0].apply(input, hidden, shape.clip);
  if (data.input_forget)
    for (int64_t i = 0; i < hidden; ++i) forget[i] = 1 - input[i];
  else
    activations[0].apply(forget, hidden, shape.clip);
  activations[1].apply(cell, hidden, shape.clip);
  for (int64_t i = 0; i < hidden; ++i) c[i] = forget[i] * c[i] + input[i] * cell[i];
  if (p != nullptr)
    for (int64_t i = 0; i < hidden; ++i) output[i] += p[hidden + i] * c[i];
  activations[0].apply(output, hidden, shape.clip);
  std::copy_n(c, hidden, h);
  activations[2].apply(h, hidden, shape.clip);
  for (int64_t i = 0; i < hidden; ++i) h[i] *= output[i];
}

template <class C>
Result<> run_direction(Call& call, LstmData<C>& data, int d, C* h, C* c, C* sums) {
  const RecurrentShape& shape = data.common.shape;
  const int64_t hidden = shape.hidden, columns = kGates * hidden;
  TRY(data.common.multiply_inputs(call, d, kAllGates));
  ASSIGN_OR_RETURN(const auto recurrent, RecurrentFactor<C>::make(call, data.common, d, 0, columns));
  data.common.load_state(data.common.initial_h, d, h);
  data.common.load_state(data.initial_c, d, c);
  for (int64_t s = 0; s < shape.longest(); ++s) {
    TRY(call.check_cancelled());
    TRY(recurrent.multiply(call, shape, h, sums));
    call.parallel(shape.batch, 1 + 1024 / (hidden + 1), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        if (s >= shape.length(b)) continue;
        const int64_t t = shape.time(d, s, b);
        const C* from_x = data.common.x_products.data() + shape.x_row(t, b) * columns;
        C* const gates = sums + b * columns;
        for (int64_t i = 0; i < columns; ++i) gates[i] += from_x[i];
        step_cell(data, d, gates, h + b * hidden, c + b * hidden);
        data.common.store_step(h + b * hidden, t, d, b);
      }
    });
  }
  data.common.store_state(h, d, data.common.y_h.data());
  data.common.store_state(c, d, data.y_c.data());
  return {};
}

template <class C>
Result<> lstm(Call& call, RecurrentShape read) {
  LstmData<C> data;
  ASSIGN_OR_RETURN(data.common, RecurrentData<C>::make(call, std::move(read), kGates));
  const RecurrentShape& shape = data.common.shape;
  ASSIGN_OR_RETURN(data.initial_c, read_state<C>(call, 6, shape));
  ASSIGN_OR_RETURN(data.peepholes, read_weights<C>(call, 7, {shape.directions, 3 * shape.hidden}));
  data.input_forget = call.node().int_or("input_forget", 0) != 0;
  if (call.wants(2)) {
    ASSIGN_OR_RETURN(data.y_c, WideOutput<C>::make(call, 2, call.input(0).dtype(), shape.state_dims()));
  }
  ASSIGN_OR_RETURN(const auto h, Scratch<C>::make(call, {shape.batch, shape.hidden}));
  ASSIGN_OR_RETURN(const auto c, Scratch<C>::make(call, {shape.batch, shape.hidden}));
  ASSIGN_OR_RETURN(const auto sums, Scratch<C>::make(call, {shape.batch, kGates * shape.hidden}));
  for (int d = 0; d < shape.directions; ++d) TRY(run_direction(call, data, d, h.data(), c.data(), sums.data()));
  data.common.finish(call);
  if (call.wants(2)) data.y_c.finish(call);
  return {};
}

}  // namespace

Result<> run_lstm(Call& call) {
  constexpr ActivationKind kDefaults[] = {ActivationKind::Sigmoid, ActivationKind::Tanh, ActivationKind::Tanh};
  ASSIGN_OR_RETURN(RecurrentShape shape, read_recurrent(call, kGates, kDefaults));
  return in_working_float(call, call.input(0).dtype(), [&]<class C>() { return lstm<C>(call, std::move(shape)); });
}

Result<std::unique_ptr<Prepared>> prepare_lstm(const graph::Node&, int64_t, std::span<const Tensor* const> constants) {
  return pack_recurrent(constants, {kGates});
}

}  // namespace hearth::operators
