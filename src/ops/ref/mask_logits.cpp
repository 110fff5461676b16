#include <limits>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::mask_logits(const HearthOpCall& call) {
  const HearthTensor& mask = call.inputs[1];
  return ref::each_element(call, [&](int64_t i, int64_t j) {
    const uint32_t word = data_of<uint32_t>(mask)[i * mask.strides[0] + j / 32];
    return ((word >> (j % 32)) & 1) != 0 ? ref::at(call.inputs[0], i, j) : -std::numeric_limits<double>::infinity();
  });
}
