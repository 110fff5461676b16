// Weights to panels and back; the layouts are described in panel_format.h. Any thread may call these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "ops/cpu/panel_format.h"
#include "ops/device.h"
#include "tensor/tensor.h"

namespace hearth::ops::cpu {

inline constexpr int64_t kWidePanel = 32, kNarrowPanel = 8;  // rows of a panel: CpuPanel32, CpuPanel8

constexpr int64_t panel_rows(Layout layout) {
  return layout == Layout::CpuPanel32 ? kWidePanel : kNarrowPanel;
}

// Of a block-quantised weight type; nullptr for the others.
const PanelFormat* panel_format(DType dtype);

// What a matrix [n, k] of `dtype` takes in panels of `layout`; Plain when the type has no panels.
PackedForm packed_form(Layout layout, DType dtype, int64_t n, int64_t k);

// Stacks `sources` along n in `destination` (packed_form(...).bytes, 64-byte aligned), on `threads` threads. The bytes
// depend on the sources only.
Result<> pack(Layout layout, std::span<const TensorView> sources, void* destination, int threads);

// Row `row` of a packed matrix of k columns, as floats.
void unpack_row(Layout layout, DType dtype, const void* packed, int64_t k, int64_t row, float* out);

}  // namespace hearth::ops::cpu
