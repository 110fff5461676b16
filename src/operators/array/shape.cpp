#include <algorithm>

#include "operators/array/array_kernels.h"

namespace hearth::operators {

Result<> run_shape(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  const int64_t rank = data->rank();
  // Counted from the back when negative; what lies outside is clamped, not refused.
  const auto clamp = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const int64_t start = clamp(call.node().int_or("start", 0));
  const int64_t end = std::max(start, clamp(call.node().int_or("end", rank)));
  ASSIGN_OR_RETURN(Tensor * shape, call.output(0, DType::I64, {end - start}));
  std::copy(data->dims().begin() + start, data->dims().begin() + end, shape->mutable_data<int64_t>());
  return {};
}

Result<> run_size(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(Tensor * size, call.output(0, DType::I64, {}));
  *size->mutable_data<int64_t>() = data->size();
  return {};
}

}  // namespace hearth::operators
