#include "operators/matrix/packed_factor.h"

namespace hearth::operators {

Result<std::unique_ptr<Prepared>> pack_constant_right(const Tensor& tensor, const Factor<float>& factor, int64_t depth,
                                                      int64_t columns) {
  // One row or column is multiplied without panels.
  if (tensor.dtype() != DType::F32 || depth == 0 || columns < 2) return nullptr;
  auto packed = std::make_unique<PackedFactor>();
  packed->extent = round_up(columns, panel_columns<float>);
  ASSIGN_OR_RETURN(packed->panels, Tensor::allocate(DType::F32, {depth, packed->extent}));
  pack_whole_right(factor, depth, columns, packed->panels.mutable_data<float>());
  return packed;
}

}  // namespace hearth::operators
