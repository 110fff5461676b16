#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::kv_write(const HearthOpCall& call) {
  const HearthTensor &k = call.inputs[0], &v = call.inputs[1], &slots = call.inputs[2];
  const HearthTensor &k_cache = call.outputs[0], &v_cache = call.outputs[1];
  const int64_t heads = k.dims[1], d = k.dims[2], pages = k_cache.dims[0], page_size = k_cache.dims[2];
  for (int64_t i = 0; i < k.dims[0]; ++i) {
    const int64_t slot = ref::int_at(slots, i);
    if (slot < 0) continue;
    if (slot >= pages * page_size) return HEARTH_INVALID;
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t j = 0; j < d; ++j) {
        const int64_t element = (h * page_size + slot % page_size) * d + j;
        ref::put(k_cache, slot / page_size, element, ref::at(k, i, h * d + j));
        ref::put(v_cache, slot / page_size, element, ref::at(v, i, h * d + j));
      }
  }
  return HEARTH_OK;
}
