// RNN: H = f(X·Wᵀ + H·Rᵀ + Wb + Rb).
#include "operators/matrix/kernels.h"
#include "operators/matrix/recurrent.h"

namespace hearth::operators {

namespace {

constexpr unsigned kAllGates = ~0u;

template <class C>
Result<> run_direction(Call& call, RecurrentData<C>& data, int d, C* h, C* sums) {
  const RecurrentShape& shape = data.shape;
  const int64_t hidden = shape.hidden;
  const Activation f = shape.activations_of(d)[0];
  TRY(data.multiply_inputs(call, d, kAllGates));
  ASSIGN_OR_RETURN(const auto recurrent, RecurrentFactor<C>::make(call, data, d, 0, hidden));
  data.load_state(data.initial_h, d, h);
  for (int64_t s = 0; s < shape.longest(); ++s) {
    TRY(call.check_cancelled());
    TRY(recurrent.multiply(call, shape, h, sums));
    call.parallel(shape.batch, 1 + 4096 / (hidden + 1), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        if (s >= shape.length(b)) continue;
        const int64_t t = shape.time(d, s, b);
        const C* from_x = data.x_products.data() + shape.x_row(t, b) * hidden;
        C* const to = h + b * hidden;
        for (int64_t i = 0; i < hidden; ++i) to[i] = sums[b * hidden + i] + from_x[i];
        f.apply(to, hidden, shape.clip);
        data.store_step(to, t, d, b);
      }
    });
  }
  data.store_state(h, d, data.y_h.data());
  return {};
}

template <class C>
Result<> rnn(Call& call, RecurrentShape read) {
  ASSIGN_OR_RETURN(auto data, RecurrentData<C>::make(call, std::move(read), 1));
  const RecurrentShape& shape = data.shape;
  ASSIGN_OR_RETURN(const auto h, Scratch<C>::make(call, {shape.batch, shape.hidden}));
  ASSIGN_OR_RETURN(const auto sums, Scratch<C>::make(call, {shape.batch, shape.hidden}));
  for (int d = 0; d < shape.directions; ++d) TRY(run_direction(call, data, d, h.data(), sums.data()));
  data.finish(call);
  return {};
}

}  // namespace

Result<> run_rnn(Call& call) {
  constexpr ActivationKind kDefaults[] = {ActivationKind::Tanh};
  ASSIGN_OR_RETURN(RecurrentShape shape, read_recurrent(call, 1, kDefaults));
  return in_working_float(call, call.input(0).dtype(), [&]<class C>() { return rnn<C>(call, std::move(shape)); });
}

Result<std::unique_ptr<Prepared>> prepare_rnn(const graph::Node&, int64_t, std::span<const Tensor* const> constants) {
  return pack_recurrent(constants, {1});
}

}  // namespace hearth::operators
