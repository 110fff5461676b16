#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::log_softmax(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const double peak = ref::row_peak(x, i);
    double sum = 0;
    for (int64_t j = 0; j < x.dims[1]; ++j) sum += std::exp(ref::at(x, i, j) - peak);
    for (int64_t j = 0; j < x.dims[1]; ++j) ref::put(y, i, j, ref::at(x, i, j) - peak - std::log(sum));
  }
  return HEARTH_OK;
}
