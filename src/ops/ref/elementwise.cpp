#include <cmath>
#include <limits>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

template <class Function>
int each(const HearthOpCall* call, Function value) {
  const HearthTensor& y = call->outputs[0];
  for (int64_t i = 0; i < y.dims[0]; ++i)
    for (int64_t j = 0; j < y.dims[1]; ++j) ref::put(y, i, j, value(i, j));
  return HEARTH_OK;
}

}  // namespace

int hearth_ref_add(void*, const HearthOpCall* call) {
  return each(call,
              [&](int64_t i, int64_t j) { return ref::at(call->inputs[0], i, j) + ref::at(call->inputs[1], i, j); });
}

int hearth_ref_softcap(void*, const HearthOpCall* call) {
  const double cap = double{ref::attributes<SoftcapAttributes>(call).cap};
  return each(call, [&](int64_t i, int64_t j) { return cap * std::tanh(ref::at(call->inputs[0], i, j) / cap); });
}

int hearth_ref_mask_logits(void*, const HearthOpCall* call) {
  const HearthTensor& mask = call->inputs[1];
  return each(call, [&](int64_t i, int64_t j) {
    const uint32_t word = data_of<uint32_t>(mask)[i * mask.strides[0] + j / 32];
    return ((word >> (j % 32)) & 1) != 0 ? ref::at(call->inputs[0], i, j) : -std::numeric_limits<double>::infinity();
  });
}

int hearth_ref_convert(void*, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  std::vector<float> values;
  for (int64_t i = 0; i < y.dims[0]; ++i) {
    ref::weight_row(x, i, values);
    for (int64_t j = 0; j < y.dims[1]; ++j) ref::put(y, i, j, double{values[static_cast<size_t>(j)]});
  }
  return HEARTH_OK;
}

int hearth_ref_copy_pages(void*, const HearthOpCall* call) {
  const HearthTensor &from = call->inputs[0], &to = call->inputs[1], &cache = call->outputs[0];
  const size_t bytes = static_cast<size_t>(ref::row_size(cache) * hearth::info(dtype_of(cache)).block_bytes);
  for (int64_t i = 0; i < from.dims[0]; ++i) {
    const int32_t source = ref::int_at(from, i), target = ref::int_at(to, i);
    if (source < 0 || source >= cache.dims[0] || target < 0 || target >= cache.dims[0]) return HEARTH_INVALID;
    if (source != target) std::memcpy(ref::row(cache, target), ref::row(cache, source), bytes);
  }
  return HEARTH_OK;
}
