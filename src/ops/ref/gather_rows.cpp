#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::gather_rows(const HearthOpCall& call) {
  const HearthTensor &table = call.inputs[0], &ids = call.inputs[1], &y = call.outputs[0];
  const auto& a = ref::attributes<GatherRowsAttributes>(call);
  std::vector<float> values;
  for (int64_t i = 0; i < y.dims[0]; ++i) {
    const int32_t id = ref::int_at(ids, i);
    if (id < 0 || id >= table.dims[0]) return HEARTH_INVALID;
    ref::weight_row(table, id, values);
    for (int64_t j = 0; j < y.dims[1]; ++j) ref::put(y, i, j, double{a.scale} * values[static_cast<size_t>(j)]);
  }
  return HEARTH_OK;
}
