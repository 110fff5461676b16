#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::entropy(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const double peak = ref::row_peak(x, i);
    double sum = 0, weighted = 0;  // H = log Z - sum(e * d) / Z with d = x - peak, e = exp(d), Z = sum(e)
    for (int64_t j = 0; j < x.dims[1]; ++j) {
      const double d = ref::at(x, i, j) - peak, e = std::exp(d);
      sum += e;
      if (e > 0) weighted += e * d;
    }
    ref::put(y, i, std::log(sum) - weighted / sum);
  }
  return HEARTH_OK;
}
