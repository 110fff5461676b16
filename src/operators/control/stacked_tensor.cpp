#include "operators/control/stacked_tensor.h"

#include <algorithm>

#include "operators/arguments.h"
#include "operators/convert.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

constexpr int64_t kFirstBytes = 1 << 12;  // asked for at first, when nobody knows how many tensors will come

void copy_elements(DType dtype, const void* from, int64_t count, void* to) {
  with_storage(dtype, [&]<class T>() { std::copy_n(static_cast<const T*>(from), count, static_cast<T*>(to)); });
}

}  // namespace

Result<> StackedTensor::make_room(int64_t count) {
  if (count <= room_) return {};
  Dims dims = dims_;
  if (!Dims::fits(dims.size() + 1))
    return call_->unsupported("dimensions of a stacked output; got {}, need at most {}", dims.size() + 1,
                              HEARTH_MAX_RANK);
  ASSIGN_OR_RETURN(const int64_t elements, count_elements(dims));
  const int64_t each = std::max<int64_t>(1, bytes_of(stack_.dtype(), elements));
  if (count > kMaxStackedBytes / each)
    return call_->invalid("stacked output; got {} tensors of {}{}, need at most {} bytes", count,
                          to_string(stack_.dtype()), to_string(dims), kMaxStackedBytes);
  int64_t room = std::max(2 * room_, kFirstBytes / each);
  if (most_ >= 0) room = certain_ ? most_ : std::min(room, most_);
  room = std::max(count, std::min(room, kMaxStackedBytes / each));
  dims.insert(0, room);
  ASSIGN_OR_RETURN(Tensor grown, Tensor::allocate(stack_.dtype(), dims, call_->memory()));
  if (count_ > 0) copy_elements(stack_.dtype(), stack_.raw(), count_ * elements, grown.mutable_raw());
  stack_ = std::move(grown);
  room_ = room;
  return {};
}

Result<> StackedTensor::add(const Value& value) {
  const Tensor* tensor = value.tensor();
  if (tensor == nullptr) return call_->invalid("output of the body; got no tensor, need one to stack");
  if (count_ == 0) {
    dims_ = tensor->dims();
    ASSIGN_OR_RETURN(stack_, Tensor::allocate(tensor->dtype(), {0}, call_->memory()));
  }
  if (tensor->dtype() != stack_.dtype() || !(tensor->dims() == dims_))
    return call_->invalid("output of the body; got {}{} after {}{}, need the same in every iteration",
                          to_string(tensor->dtype()), to_string(tensor->dims()), to_string(stack_.dtype()),
                          to_string(dims_));
  TRY(make_room(count_ + 1));
  copy_elements(stack_.dtype(), tensor->raw(), tensor->size(),
                element_at(stack_.dtype(), stack_.mutable_raw(), count_ * tensor->size()));
  ++count_;
  return {};
}

Result<> StackedTensor::pad_to(int64_t count) {
  CHECK(count_ > 0 && count >= count_);
  TRY(make_room(count));
  ASSIGN_OR_RETURN(const int64_t each, count_elements(dims_));
  with_storage(stack_.dtype(), [&]<class T>() {
    std::fill(stack_.mutable_data<T>() + count_ * each, stack_.mutable_data<T>() + count * each, T{});
  });
  count_ = count;
  return {};
}

Result<Tensor> StackedTensor::finish(int64_t given_axis, bool reversed, const graph::Type& element) {
  DType dtype = stack_.dtype();
  if (count_ == 0) {
    ASSIGN_OR_RETURN(DeclaredTensor declared, declared_tensor(*call_, element));
    dtype = declared.dtype;
    dims_ = declared.dims;
  }
  if (!Dims::fits(dims_.size() + 1))
    return call_->unsupported("dimensions of a stacked output; got {}, need at most {}", dims_.size() + 1,
                              HEARTH_MAX_RANK);
  ASSIGN_OR_RETURN(const int axis, normalise_axis(*call_, given_axis, dims_.rank() + 1));
  if (axis == 0 && !reversed && count_ == room_ && count_ > 0) return std::move(stack_);
  Dims dims = dims_;
  dims.insert(axis, count_);
  ASSIGN_OR_RETURN(Tensor result, Tensor::allocate(dtype, dims, call_->memory()));
  if (result.size() == 0) return result;
  const AxisView view = around_axis(dims, axis);
  const int64_t each = view.outer * view.inner;
  StridedCopy box;
  box.add(view.outer, view.size * view.inner, view.inner);
  box.add(view.size, view.inner, reversed ? -each : each);
  box.add(view.inner, 1, 1);
  copy_strided(*call_, dtype, box, result.mutable_raw(),
               element_at(dtype, stack_.raw(), reversed ? (count_ - 1) * each : 0));
  stack_ = Tensor();
  return result;
}

Result<Tensor> take_position(Call& call, const Tensor& tensor, int axis, int64_t position) {
  Dims dims = tensor.dims();
  dims.erase(axis);
  ASSIGN_OR_RETURN(Tensor taken, Tensor::allocate(tensor.dtype(), dims, call.memory()));
  if (taken.size() == 0) return taken;
  const AxisView view = around_axis(tensor.dims(), axis);
  StridedCopy box;
  box.add(view.outer, view.inner, view.size * view.inner);
  box.add(view.inner, 1, 1);
  copy_strided(call, tensor.dtype(), box, taken.mutable_raw(),
               element_at(tensor.dtype(), tensor.raw(), position * view.inner));
  return taken;
}

Result<DeclaredTensor> declared_tensor(const Call& call, const graph::Type& type) {
  if (type.kind != graph::TypeKind::Tensor || !type.dtype)
    return call.invalid("output of the body; got type {} and no iterations, need a tensor's type", to_string(type));
  DeclaredTensor declared{*type.dtype, {}};
  if (!type.shape) return declared;
  if (!Dims::fits(type.shape->size()))
    return call.unsupported("dimensions of the body's output; got {}, need at most {}", type.shape->size(),
                            HEARTH_MAX_RANK);
  for (const graph::Dimension& dimension : *type.shape) declared.dims.push_back(dimension.known() ? dimension.size : 0);
  return declared;
}

}  // namespace hearth::operators
