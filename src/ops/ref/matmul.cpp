#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth_ref_matmul(void*, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &w = call->inputs[1], &bias = call->inputs[2], &residual = call->inputs[3];
  const HearthTensor& y = call->outputs[0];
  const int64_t m = x.dims[0], k = x.dims[1], n = w.dims[0];
  // x is read whole first: y may be x's own buffer when the caller asks for it in rows that do not overlap later reads.
  std::vector<double> rows(static_cast<size_t>(m * k));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p) rows[static_cast<size_t>(i * k + p)] = ref::at(x, i, p);
  std::vector<float> weights;
  for (int64_t j = 0; j < n; ++j) {
    ref::weight_row(w, j, weights);
    for (int64_t i = 0; i < m; ++i) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p)
        sum += rows[static_cast<size_t>(i * k + p)] * double{weights[static_cast<size_t>(p)]};
      if (ref::present(bias)) sum += ref::at(bias, j);
      if (ref::present(residual)) sum += ref::at(residual, i, j);
      ref::put(y, i, j, sum);
    }
  }
  return HEARTH_OK;
}
