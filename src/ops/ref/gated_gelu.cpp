#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::gated_gelu(const HearthOpCall& call) {
  constexpr double kRootTwoOverPi = 0.79788456080286535588;
  return ref::gated(call,
                    [](double v) { return 0.5 * v * (1.0 + std::tanh(kRootTwoOverPi * (v + 0.044715 * v * v * v))); });
}
