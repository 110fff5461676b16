// CausalConvWithState: a depthwise convolution along time whose left context comes from the step before.
#include <algorithm>
#include <cmath>

#include "operators/matrix/convolve.h"
#include "operators/matrix/kernels.h"

namespace hearth::operators {

namespace {

template <class C>
Result<> causal_conv(Call& call, const Tensor& x, const Tensor& w, bool silu) {
  if (x.rank() != 3 || w.rank() != 3 || w.dim(0) != x.dim(1) || w.dim(1) != 1 || w.dim(2) < 1)
    return call.invalid("input and weight; got {} and {}, need [batch, channels, length] and [channels, 1, k]",
                        to_string(x.dims()), to_string(w.dims()));
  const int64_t batch = x.dim(0), channels = x.dim(1), length = x.dim(2), taps = w.dim(2), kept = taps - 1;
  ASSIGN_OR_RETURN(const auto bias, read_bias<C>(call, 2, channels));
  Wide<C> past;
  if (call.has(3)) {
    ASSIGN_OR_RETURN(const Tensor* state, call.tensor(3));
    if (state->dims() != Dims{batch, channels, kept} || state->dtype() != x.dtype())
      return call.invalid("past_state; got {}{}, need {}{}", to_string(state->dtype()), to_string(state->dims()),
                          to_string(x.dtype()), to_string(Dims{batch, channels, kept}));
    ASSIGN_OR_RETURN(past, Wide<C>::make(call, *state));
  }
  ASSIGN_OR_RETURN(const auto input, Wide<C>::make(call, x));
  ASSIGN_OR_RETURN(const auto weight, Wide<C>::make(call, w));
  WideOutput<C> y, present;
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(y, WideOutput<C>::make(call, 0, x.dtype(), x.dims()));
  }
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(present, WideOutput<C>::make(call, 1, x.dtype(), {batch, channels, kept}));
  }
  // Each row: what came before, then the input.
  ASSIGN_OR_RETURN(const auto rows, Scratch<C>::make(call, {batch, channels, kept + length}));
  const double cost = static_cast<double>(length) * static_cast<double>(taps) + 1;
  call.parallel(batch * channels, 1 + static_cast<int64_t>(65536 / cost), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      C* const line = rows.data() + row * (kept + length);
      if (past.data() != nullptr)
        std::copy_n(past.data() + row * kept, kept, line);
      else
        std::fill_n(line, kept, C{});
      std::copy_n(input.data() + row * length, length, line + kept);
      if (present.data() != nullptr) std::copy_n(line + length, kept, present.data() + row * kept);
      if (y.data() == nullptr) continue;
      const int64_t channel = row % channels;
      C* const to = y.data() + row * length;
      std::fill_n(to, length, bias.data() != nullptr ? bias[channel] : C{});
      for (int64_t k = 0; k < taps; ++k) {
        const C factor = weight[channel * taps + k];
        for (int64_t t = 0; t < length; ++t) to[t] += factor * line[t + k];
      }
      if (silu)
        for (int64_t t = 0; t < length; ++t) to[t] = to[t] / (1 + std::exp(-to[t]));
    }
  });
  if (call.wants(0)) y.finish(call);
  if (call.wants(1)) present.finish(call);
  return {};
}

}  // namespace

Result<> run_causal_conv_with_state(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
  if (x->dtype() != w->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(w->dtype()));
  const std::string_view activation = call.node().string_or("activation", "none");
  const bool silu = activation == "silu" || activation == "swish";
  if (!silu && activation != "none")
    return call.invalid("attribute 'activation'; got '{}', need none, silu or swish", activation);
  return in_working_float(call, x->dtype(), [&]<class C>() { return causal_conv<C>(call, *x, *w, silu); });
}

}  // namespace hearth::operators
