// Between the public types and the house's own. The public ones are C++17 and throw; nothing below them does.
#pragma once

#include "base/result.h"
#include "graph/graph.h"
#include "pyflame_rt/core/session.hpp"
#include "pyflame_rt/core/tensor.hpp"
#include "tensor/value.h"

namespace pyflame_rt {

struct Tensor::Impl {
  hearth::Tensor tensor;
  Shape shape;
};

[[noreturn]] void raise(const hearth::Error& error);

template <class T>
T value_or_raise(hearth::Result<T> result) {
  if (!result) raise(result.error());
  return std::move(*result);
}

hearth::DType dtype_of(DataType type);  // Undefined raises
DataType data_type_of(hearth::DType dtype);
hearth::Dims dims_of(const Shape& shape);  // too many or negative sizes raise

Tensor to_public(hearth::Tensor tensor);
Value to_public(const hearth::Value& value);
hearth::Value from_public(const Value& value);

}  // namespace pyflame_rt
