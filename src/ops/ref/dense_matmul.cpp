#include "ops/ref/access.h"
#include "ops/ref/kernels.h"
#include "ops/ref/step.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::dense_matmul(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &w = call.inputs[1], &bias = call.inputs[2], &residual = call.inputs[3];
  const HearthTensor& y = call.outputs[0];
  const auto& a = ref::attributes<DenseMatmulAttributes>(call);
  const int64_t m = x.dims[0], k = x.dims[1], n = w.dims[1];
  std::vector<double> weights(static_cast<size_t>(k * n)), sums(static_cast<size_t>(n));
  for (int64_t p = 0; p < k; ++p)
    for (int64_t j = 0; j < n; ++j) weights[static_cast<size_t>(p * n + j)] = ref::factor(ref::at(w, p, j), a.factors);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) sums[static_cast<size_t>(j)] = ref::present(bias) ? ref::at(bias, j) : 0;
    for (int64_t p = 0; p < k; ++p) {
      const double value = ref::factor(ref::at(x, i, p), a.factors);
      const double* row = weights.data() + p * n;
      for (int64_t j = 0; j < n; ++j) sums[static_cast<size_t>(j)] += value * row[j];
    }
    for (int64_t j = 0; j < n; ++j) {
      const double rest = ref::present(residual) ? ref::at(residual, i, j) : 0;
      ref::put(y, i, j, ref::activation(a, sums[static_cast<size_t>(j)] + rest));
    }
  }
  return HEARTH_OK;
}
