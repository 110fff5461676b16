#include "operators/arguments.h"

#include "operators/convert.h"

namespace hearth::operators {

Result<double> read_number(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
  if (tensor->size() != 1)
    return call.invalid("input {}; got shape {}, need one element", i, to_string(tensor->dims()));
  if (!is_integer(tensor->dtype()) && !is_float(tensor->dtype()))
    return call.invalid("input {}; got {}, need a number", i, to_string(tensor->dtype()));
  double value = 0;
  to_doubles(tensor->dtype(), tensor->raw(), &value, 1);
  return value;
}

Result<std::vector<int>> resolve_axes(const Call& call, std::span<const int64_t> axes, int rank) {
  std::vector<int> resolved;
  uint64_t seen = 0;
  for (const int64_t given : axes) {
    ASSIGN_OR_RETURN(const int axis, normalise_axis(call, given, rank));
    if ((seen >> axis & 1) != 0) return call.invalid("axes; got axis {} twice", axis);
    seen |= uint64_t{1} << axis;
    resolved.push_back(axis);
  }
  return resolved;
}

Result<int64_t> resolve_index(const Call& call, int64_t index, int64_t size) {
  if (index < -size || index >= size) return call.invalid("index; got {}, need {} to {}", index, -size, size - 1);
  return index < 0 ? index + size : index;
}

Result<int64_t> multiply_sizes(const Call& call, int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return call.invalid("size; got {} times {}, which is no size", a, b);
  return product;
}

Result<int64_t> add_sizes(const Call& call, int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return call.invalid("size; got {} plus {}, which is no size", a, b);
  return sum;
}

Result<Dims> to_dims(const Call& call, std::span<const int64_t> sizes) {
  if (!Dims::fits(sizes.size()))
    return call.unsupported("dimensions of a tensor; got {}, need at most {}", sizes.size(), HEARTH_MAX_RANK);
  for (const int64_t size : sizes)
    if (size < 0) return call.invalid("size of a dimension; got {}, need at least 0", size);
  return Dims(sizes);
}

Result<DType> read_dtype(const Call& call, std::string_view attribute, DType otherwise) {
  if (!call.node().has(attribute)) return otherwise;
  const int64_t number = call.node().int_or(attribute, 0);
  const auto dtype = graph::dtype_from_onnx(number);
  if (!dtype) return call.invalid("attribute {}; got {}, which is no element type", attribute, number);
  return *dtype;
}

}  // namespace hearth::operators
