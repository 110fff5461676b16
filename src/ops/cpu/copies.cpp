// Ops that only move rows: embedding lookup from plain or packed tables, whole pages.
#include <cstring>

#include "ops/cpu/kernels.h"
#include "ops/cpu/pack.h"
#include "ops/cpu/stream.h"
#include "tensor/float16.h"
#include "tensor/quant_blocks.h"

using namespace hearth;
using namespace hearth::ops;
using namespace hearth::ops::cpu;

int hearth_cpu_gather_rows(void* stream_, const HearthOpCall* call) {
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const HearthTensor &table = call->inputs[0], &ids = call->inputs[1], &y = call->outputs[0];
  static constexpr GatherRowsAttributes kDefaults{};
  const float scale =
      (call->attributes != nullptr ? static_cast<const GatherRowsAttributes*>(call->attributes) : &kDefaults)->scale;
  const int64_t m = y.dims[0], n = y.dims[1];
  const DType type = dtype_of(table), to = dtype_of(y);
  auto* values = static_cast<float*>(scratch(stream, kScratchRows, static_cast<size_t>(n) * sizeof(float) + 64));
  if (values == nullptr) return HEARTH_NO_MEMORY;
  for (int64_t i = 0; i < m; ++i) {
    const int32_t id = data_of<int32_t>(ids)[i * ids.strides[0]];
    if (id < 0 || id >= table.dims[0]) return HEARTH_INVALID;
    if (layout_of(table) == Layout::Plain)
      dequantise_row(type, data_of<char>(table) + bytes_of(type, id * table.strides[0]), values, n);
    else
      unpack_row(layout_of(table), type, table.data, n, id, values);
    if (to == DType::F32) {
      float* row = data_of<float>(y) + i * y.strides[0];
      for (int64_t j = 0; j < n; ++j) row[j] = scale * values[j];
    } else {
      auto* row = data_of<uint16_t>(y) + i * y.strides[0];
      for (int64_t j = 0; j < n; ++j)
        row[j] = to == DType::F16 ? f32_to_f16(scale * values[j]) : f32_to_bf16(scale * values[j]);
    }
  }
  return HEARTH_OK;
}

int hearth_cpu_copy_pages(void*, const HearthOpCall* call) {
  const HearthTensor &from = call->inputs[0], &to = call->inputs[1], &cache = call->outputs[0];
  const int64_t page = cache.dims[1] * cache.dims[2] * cache.dims[3];
  for (int64_t i = 0; i < from.dims[0]; ++i) {
    const int32_t a = data_of<int32_t>(from)[i], b = data_of<int32_t>(to)[i];
    if (a < 0 || b < 0 || a >= cache.dims[0] || b >= cache.dims[0]) return HEARTH_INVALID;
    const DType type = dtype_of(cache);
    std::memmove(data_of<char>(cache) + bytes_of(type, b * cache.strides[0]),
                 data_of<char>(cache) + bytes_of(type, a * cache.strides[0]),
                 static_cast<size_t>(bytes_of(type, page)));
  }
  return HEARTH_OK;
}
