// Constant float32 factors, packed into panels once.
#pragma once

#include "operators/matrix/multiply.h"

namespace hearth::operators {

struct PackedFactor final : Prepared {
  Tensor panels;
  int64_t extent = 0;  // rounded-up rows of a left factor, columns of a right one
};

// nullptr when packing does not pay or the tensor is not float32.
Result<std::unique_ptr<Prepared>> pack_constant_right(const Tensor& tensor, const Factor<float>& factor, int64_t depth,
                                                      int64_t columns);

// The factor with the panels that were prepared for it, when there are any. They belong to the call's only constant
// factor, so its sizes are theirs.
template <class C>
Factor<C> packed_right(const Call& call, Factor<C> factor, int64_t columns) {
  if constexpr (std::is_same_v<C, float>) {
    const auto* packed = static_cast<const PackedFactor*>(call.prepared());
    if (packed != nullptr && packed->extent == round_up(columns, panel_columns<float>)) {
      factor.panels = packed->panels.data<float>();
      factor.panel_extent = packed->extent;
    }
  }
  return factor;
}

}  // namespace hearth::operators
