#include <cmath>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

// As a number of int64; what does not fit is outside every depth.
template <class T>
int64_t to_index(T value) {
  using C = ComputeType<T>;
  if constexpr (std::is_floating_point_v<C>) {
    const double wide = static_cast<double>(static_cast<C>(value));
    return std::abs(wide) < 0x1p62 ? static_cast<int64_t>(wide) : INT64_MIN;
  } else if constexpr (std::is_same_v<T, uint64_t>) {
    return value <= static_cast<uint64_t>(INT64_MAX) ? static_cast<int64_t>(value) : INT64_MIN;
  } else {
    return static_cast<int64_t>(value);
  }
}

}  // namespace

Result<> run_one_hot(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* indices, call.tensor(0));
  ASSIGN_OR_RETURN(const double given_depth, read_number(call, 1));
  ASSIGN_OR_RETURN(const Tensor* values, call.tensor(2));
  if (values->size() != 2) return call.invalid("values; got {} of them, need 2", values->size());
  if (!(given_depth >= 0 && given_depth <= static_cast<double>(kMaxTensorElements)))
    return call.invalid("depth; got {}, need 0 to {}", given_depth, kMaxTensorElements);
  const auto depth = static_cast<int64_t>(given_depth);
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", -1), indices->rank() + 1));
  std::vector<int64_t> sizes(indices->dims().begin(), indices->dims().end());
  sizes.insert(sizes.begin() + axis, depth);
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, values->dtype(), dims));
  if (output->size() == 0) return {};
  fill(*output, values->raw());
  int64_t inner = 1;
  for (int i = axis; i < indices->rank(); ++i) inner *= indices->dim(i);

  ASSIGN_OR_RETURN(Tensor places, Tensor::allocate(DType::I64, {indices->size()}, call.memory()));
  auto* place = places.mutable_data<int64_t>();  // in the output; -1: nowhere
  if (!with_type(NumericTypes{}, indices->dtype(), [&]<class T>() {
        const T* index = indices->data<T>();
        for (int64_t i = 0; i < indices->size(); ++i) {
          int64_t at = to_index(index[i]);
          if (at < 0 && at >= -depth) at += depth;
          place[i] = at >= 0 && at < depth ? (i / inner * depth + at) * inner + i % inner : -1;
        }
      }))
    return call.invalid("indices; got {}, need numbers", to_string(indices->dtype()));
  with_storage(values->dtype(), [&]<class T>() {
    const T& on = values->data<T>()[1];
    T* to = output->mutable_data<T>();
    for (int64_t i = 0; i < indices->size(); ++i)
      if (place[i] >= 0) to[place[i]] = on;
  });
  return {};
}

}  // namespace hearth::operators
