#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::softmax(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  const double temperature = double{ref::attributes<SoftmaxAttributes>(call).temperature};
  std::vector<double> e(static_cast<size_t>(x.dims[1]));
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const double peak = ref::row_peak(x, i);
    if (temperature <= 0) {
      bool found = false;
      for (int64_t j = 0; j < x.dims[1]; ++j) {
        const bool first = !found && ref::at(x, i, j) == peak;
        found = found || first;
        e[static_cast<size_t>(j)] = first ? 1.0 : 0.0;
      }
      for (int64_t j = 0; j < x.dims[1]; ++j) ref::put(y, i, j, e[static_cast<size_t>(j)]);
      continue;
    }
    double sum = 0;
    for (int64_t j = 0; j < x.dims[1]; ++j)
      sum += e[static_cast<size_t>(j)] = std::exp((ref::at(x, i, j) - peak) / temperature);
    for (int64_t j = 0; j < x.dims[1]; ++j) ref::put(y, i, j, e[static_cast<size_t>(j)] / sum);
  }
  return HEARTH_OK;
}
