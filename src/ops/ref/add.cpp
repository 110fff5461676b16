#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::add(const HearthOpCall& call) {
  return ref::each_element(
      call, [&](int64_t i, int64_t j) { return ref::at(call.inputs[0], i, j) + ref::at(call.inputs[1], i, j); });
}
