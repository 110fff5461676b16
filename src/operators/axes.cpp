#include "operators/axes.h"

namespace hearth::operators {

Result<int> normalise_axis(const Call& call, int64_t axis, int rank, std::string_view what) {
  if (axis < -rank || axis >= rank)
    return call.invalid("{}; got {}, need at least {} and less than {}", what, axis, -rank, rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Result<AxisSet> normalise_axes(const Call& call, std::span<const int64_t> axes, int rank) {
  AxisSet set;
  for (const int64_t axis : axes) {
    ASSIGN_OR_RETURN(const int normal, normalise_axis(call, axis, rank));
    if (set[normal]) return call.invalid("axes; got {} twice, need each once", axis);
    set.bits |= 1u << normal;
    ++set.count;
  }
  return set;
}

Result<std::vector<int64_t>> int_list(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
  if (tensor->rank() > 1) return call.invalid("input {}; got rank {}, need at most 1", i, tensor->rank());
  if (tensor->size() > kMaxListInput)
    return call.invalid("input {}; got {} elements, need at most {}", i, tensor->size(), kMaxListInput);
  if (tensor->dtype() == DType::I64)
    return std::vector<int64_t>(tensor->data<int64_t>(), tensor->data<int64_t>() + tensor->size());
  if (tensor->dtype() == DType::I32)
    return std::vector<int64_t>(tensor->data<int32_t>(), tensor->data<int32_t>() + tensor->size());
  return call.invalid("input {}; got {}, need i64 or i32", i, to_string(tensor->dtype()));
}

Result<int64_t> one_int(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
  if (tensor->size() != 1) return call.invalid("input {}; got {} elements, need 1", i, tensor->size());
  if (tensor->dtype() == DType::I64) return *tensor->data<int64_t>();
  if (tensor->dtype() == DType::I32) return *tensor->data<int32_t>();
  return call.invalid("input {}; got {}, need i64 or i32", i, to_string(tensor->dtype()));
}

AxisView around_axis(const Dims& dims, int axis) {
  AxisView view;
  for (int d = 0; d < dims.rank(); ++d) {
    const int64_t size = dims[static_cast<size_t>(d)];
    if (d < axis)
      view.outer *= size;
    else if (d == axis)
      view.size = size;
    else
      view.inner *= size;
  }
  return view;
}

}  // namespace hearth::operators
