#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::gated_silu(const HearthOpCall& call) {
  return ref::gated(call, [](double v) { return v / (1.0 + std::exp(-v)); });
}
