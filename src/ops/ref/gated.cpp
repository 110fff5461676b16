#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

template <class Function>
int gated(const HearthOpCall* call, Function activation) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  const int64_t n = y.dims[1];
  for (int64_t i = 0; i < y.dims[0]; ++i)
    for (int64_t j = 0; j < n; ++j) ref::put(y, i, j, activation(ref::at(x, i, j)) * ref::at(x, i, n + j));
  return HEARTH_OK;
}

}  // namespace

int hearth_ref_gated_silu(void*, const HearthOpCall* call) {
  return gated(call, [](double v) { return v / (1.0 + std::exp(-v)); });
}

int hearth_ref_gated_gelu(void*, const HearthOpCall* call) {
  constexpr double kRootTwoOverPi = 0.79788456080286535588;
  return gated(call, [](double v) { return 0.5 * v * (1.0 + std::tanh(kRootTwoOverPi * (v + 0.044715 * v * v * v))); });
}
