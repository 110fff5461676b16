#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::layer_norm(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &w = call.inputs[1], &bias = call.inputs[2], &y = call.outputs[0];
  const double eps = double{ref::attributes<LayerNormAttributes>(call).eps}, n = static_cast<double>(w.dims[0]);
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    double mean = 0, variance = 0;
    for (int64_t j = 0; j < w.dims[0]; ++j) mean += ref::at(x, i, j) / n;
    for (int64_t j = 0; j < w.dims[0]; ++j) variance += (ref::at(x, i, j) - mean) * (ref::at(x, i, j) - mean) / n;
    for (int64_t j = 0; j < w.dims[0]; ++j)
      ref::put(y, i, j,
               (ref::at(x, i, j) - mean) / std::sqrt(variance + eps) * ref::at(w, j) +
                   (ref::present(bias) ? ref::at(bias, j) : 0));
  }
  return HEARTH_OK;
}
