#include <algorithm>
#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/descending.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::top_k(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &values = call.outputs[0], &indices = call.outputs[1];
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const std::vector<double> all = ref::row_values(x, i);
    if (std::any_of(all.begin(), all.end(), [](double v) { return std::isnan(v); })) return HEARTH_INVALID;
    const std::vector<int32_t> order = ref::descending_order(all);
    for (int64_t j = 0; j < values.dims[1]; ++j) {
      ref::put(values, i, j, all[static_cast<size_t>(order[static_cast<size_t>(j)])]);
      data_of<int32_t>(indices)[i * indices.strides[0] + j] = order[static_cast<size_t>(j)];
    }
  }
  return HEARTH_OK;
}
