#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

constexpr int64_t kRows =
    8;  // rows of x summed side by side: eight sums in flight instead of one that waits for itself

}  // namespace

int hearth::ops::ref::matmul(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &w = call.inputs[1], &bias = call.inputs[2], &residual = call.inputs[3];
  const HearthTensor& y = call.outputs[0];
  const int64_t m = x.dims[0], k = x.dims[1], n = w.dims[0], blocks = (m + kRows - 1) / kRows;
  // x as [block of rows][k][kRows], zeros below the last row.
  std::vector<double> rows(static_cast<size_t>(blocks * k * kRows));
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      rows[static_cast<size_t>(((i / kRows) * k + p) * kRows + i % kRows)] = ref::at(x, i, p);
  std::vector<float> weights;
  for (int64_t j = 0; j < n; ++j) {
    ref::weight_row(w, j, weights);
    for (int64_t block = 0; block < blocks; ++block) {
      const double* values = rows.data() + block * k * kRows;
      double sums[kRows] = {};
      for (int64_t p = 0; p < k; ++p) {
        const double weight = double{weights[static_cast<size_t>(p)]};
        for (int64_t r = 0; r < kRows; ++r) sums[r] += values[p * kRows + r] * weight;
      }
      for (int64_t r = 0, i = block * kRows; r < kRows && i < m; ++r, ++i) {
        double sum = sums[r];
        if (ref::present(bias)) sum += ref::at(bias, j);
        if (ref::present(residual)) sum += ref::at(residual, i, j);
        ref::put(y, i, j, sum);
      }
    }
  }
  return HEARTH_OK;
}
