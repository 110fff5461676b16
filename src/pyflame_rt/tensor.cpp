#include <cstring>

#include "graph/type.h"
#include "pyflame_rt/convert.h"

namespace pyflame_rt {

namespace {

ErrorCode code_of(hearth::ErrorKind kind) {
  switch (kind) {
    case hearth::ErrorKind::Usage:
    case hearth::ErrorKind::Invalid:
      return ErrorCode::InvalidArgument;
    case hearth::ErrorKind::NotFound:
      return ErrorCode::NotFound;
    case hearth::ErrorKind::Unsupported:
      return ErrorCode::Unsupported;
    case hearth::ErrorKind::Limit:
      return ErrorCode::Limit;
    case hearth::ErrorKind::Io:
      return ErrorCode::Io;
    case hearth::ErrorKind::Cancelled:
      return ErrorCode::Cancelled;
    case hearth::ErrorKind::Internal:
      return ErrorCode::Internal;
  }
  return ErrorCode::Internal;
}

const Tensor::Impl& held(const std::shared_ptr<Tensor::Impl>& impl) {
  if (impl == nullptr) throw Error(ErrorCode::InvalidArgument, "[Tensor] there is no tensor in this handle");
  return *impl;
}

}  // namespace

void raise(const hearth::Error& error) {
  throw Error(code_of(error.kind), error.message);
}

hearth::DType dtype_of(DataType type) {
  const auto found = hearth::graph::dtype_from_onnx(static_cast<int64_t>(type));
  if (!found)
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[DataType] number {} names no element type", static_cast<int>(type)));
  return *found;
}

DataType data_type_of(hearth::DType dtype) {
  return static_cast<DataType>(hearth::graph::onnx_number(dtype));
}

hearth::Dims dims_of(const Shape& shape) {
  if (!hearth::Dims::fits(shape.size()))
    throw Error(ErrorCode::Limit, fmt::format("[Tensor] rank; got {}, need at most {}", shape.size(), HEARTH_MAX_RANK));
  value_or_raise(hearth::count_elements(shape));
  return hearth::Dims(std::span<const int64_t>(shape));
}

std::string to_string(DataType type) {
  return type == DataType::Undefined ? "undefined" : std::string(hearth::graph::onnx_name(dtype_of(type)));
}

size_t element_size(DataType type) {
  return static_cast<size_t>(hearth::info(dtype_of(type)).block_bytes);
}

Tensor::Tensor(DataType type, const Shape& shape) {
  auto made = value_or_raise(hearth::Tensor::allocate(dtype_of(type), dims_of(shape)));
  if (type != DataType::String && made.bytes() > 0) std::memset(made.mutable_raw(), 0, made.bytes());
  impl_ = std::make_shared<Impl>(Impl{std::move(made), shape});
}

Tensor Tensor::view(DataType type, const Shape& shape, const void* data, std::shared_ptr<const void> owner) {
  const hearth::Dims dims = dims_of(shape);
  return Tensor(
      std::make_shared<Impl>(Impl{hearth::Tensor::borrow(data, dtype_of(type), dims, std::move(owner)), shape}));
}

DataType Tensor::type() const {
  return data_type_of(held(impl_).tensor.dtype());
}
const Shape& Tensor::shape() const {
  return held(impl_).shape;
}
size_t Tensor::size() const {
  return static_cast<size_t>(held(impl_).tensor.size());
}
size_t Tensor::bytes() const {
  return held(impl_).tensor.bytes();
}
const void* Tensor::raw() const {
  return held(impl_).tensor.raw();
}
void* Tensor::raw() {
  held(impl_);
  return impl_->tensor.mutable_raw();
}

void Tensor::check_type(DataType wanted) const {
  if (wanted != type())
    throw Error(ErrorCode::InvalidArgument,
                fmt::format("[Tensor] element type; got {}, need {}", to_string(wanted), to_string(type())));
}

Tensor to_public(hearth::Tensor tensor) {
  Shape shape(tensor.dims().begin(), tensor.dims().end());
  return Tensor(std::make_shared<Tensor::Impl>(Tensor::Impl{std::move(tensor), std::move(shape)}));
}

Value to_public(const hearth::Value& value) {
  if (const hearth::Tensor* tensor = value.tensor()) return to_public(*tensor);
  if (const hearth::Sequence* sequence = value.sequence()) {
    Sequence items;
    for (const hearth::Value& item : sequence->items) items.push_back(to_public(item));
    return items;
  }
  if (const hearth::Map* map = value.map()) return Map{map->keys, to_public(map->values)};
  return {};
}

hearth::Value from_public(const Value& value) {
  if (const auto* tensor = std::get_if<Tensor>(&value.data)) return held(tensor->impl()).tensor;
  if (const auto* sequence = std::get_if<Sequence>(&value.data)) {
    auto made = std::make_shared<hearth::Sequence>();
    for (const Value& item : *sequence) made->items.push_back(from_public(item));
    if (!made->items.empty() && made->items[0].tensor() != nullptr) made->dtype = made->items[0].tensor()->dtype();
    return std::shared_ptr<const hearth::Sequence>(std::move(made));
  }
  if (const auto* map = std::get_if<Map>(&value.data))
    return std::make_shared<const hearth::Map>(hearth::Map{map->keys, held(map->values.impl()).tensor});
  return {};
}

}  // namespace pyflame_rt
