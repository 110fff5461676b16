#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::rms_norm(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &w = call.inputs[1], &y = call.outputs[0];
  const auto& a = ref::attributes<RmsNormAttributes>(call);
  const int64_t n = w.dims[0];
  if (n == 0) return HEARTH_OK;
  for (int64_t i = 0; i < x.dims[0]; ++i)
    for (int64_t first = 0; first < ref::row_size(x); first += n) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j) sum += ref::at(x, i, first + j) * ref::at(x, i, first + j);
      const double scale = 1.0 / std::sqrt(sum / static_cast<double>(n) + double{a.eps});
      for (int64_t j = 0; j < n; ++j)
        ref::put(y, i, first + j, ref::at(x, i, first + j) * scale * (ref::at(w, j) + double{a.weight_offset}));
    }
  return HEARTH_OK;
}
