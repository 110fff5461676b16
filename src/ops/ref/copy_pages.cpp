#include <cstring>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::copy_pages(const HearthOpCall& call) {
  const HearthTensor &from = call.inputs[0], &to = call.inputs[1], &cache = call.outputs[0];
  const size_t bytes = static_cast<size_t>(ref::row_size(cache) * hearth::info(dtype_of(cache)).block_bytes);
  for (int64_t i = 0; i < from.dims[0]; ++i) {
    const int32_t source = ref::int_at(from, i), target = ref::int_at(to, i);
    if (source < 0 || source >= cache.dims[0] || target < 0 || target >= cache.dims[0]) return HEARTH_INVALID;
    if (source != target) std::memcpy(ref::row(cache, target), ref::row(cache, source), bytes);
  }
  return HEARTH_OK;
}
