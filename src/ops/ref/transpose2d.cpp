#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::transpose2d(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  for (int64_t b = 0; b < x.dims[0]; ++b)
    for (int64_t i = 0; i < x.dims[1]; ++i)
      for (int64_t j = 0; j < x.dims[2]; ++j)
        ref::store(DType::F32, ref::address(y, {b, j}), i, ref::load(DType::F32, ref::address(x, {b, i}), j));
  return HEARTH_OK;
}
