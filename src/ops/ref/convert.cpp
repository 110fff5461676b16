#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::convert(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  std::vector<float> values;
  for (int64_t i = 0; i < y.dims[0]; ++i) {
    ref::weight_row(x, i, values);
    for (int64_t j = 0; j < y.dims[1]; ++j) ref::put(y, i, j, double{values[static_cast<size_t>(j)]});
  }
  return HEARTH_OK;
}
