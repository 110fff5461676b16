// Tensors, sequences and maps as they cross the interface. C++17.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pyflame_rt/core/error.hpp"

namespace pyflame_rt {

// Numbers of ONNX's TensorProto.DataType.
enum class DataType : int32_t {
  Undefined = 0,
  Float32 = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Float64 = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  UInt4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  UInt2 = 25,
  Int2 = 26,
};

// "float", "int64", "string" …: the names of ONNX's text form.
std::string to_string(DataType type);
// Bytes of one element in memory: types narrower than a byte take one; a string its object.
size_t element_size(DataType type);

// DataType of a C++ type. The 16-bit and narrower float types have no C++ type here: use the raw interface.
template <class T>
constexpr DataType data_type_of() {
  if constexpr (std::is_same_v<T, float>)
    return DataType::Float32;
  else if constexpr (std::is_same_v<T, double>)
    return DataType::Float64;
  else if constexpr (std::is_same_v<T, bool>)
    return DataType::Bool;
  else if constexpr (std::is_same_v<T, int8_t>)
    return DataType::Int8;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DataType::UInt8;
  else if constexpr (std::is_same_v<T, int16_t>)
    return DataType::Int16;
  else if constexpr (std::is_same_v<T, uint16_t>)
    return DataType::UInt16;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DataType::Int32;
  else if constexpr (std::is_same_v<T, uint32_t>)
    return DataType::UInt32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DataType::Int64;
  else if constexpr (std::is_same_v<T, uint64_t>)
    return DataType::UInt64;
  else if constexpr (std::is_same_v<T, std::string>)
    return DataType::String;
  else
    return DataType::Undefined;
}

using Shape = std::vector<int64_t>;

// Dense, row-major, in host memory. A handle: copies share the elements.
class Tensor {
 public:
  Tensor() = default;  // no tensor

  // Zeroed elements (empty strings) of its own.
  Tensor(DataType type, const Shape& shape);
  // Copies `values`; as many as `shape` says, else InvalidArgument.
  template <class T>
  Tensor(const Shape& shape, const std::vector<T>& values) : Tensor(data_type_of<T>(), shape) {
    if (values.size() != size())
      throw Error(ErrorCode::InvalidArgument,
                  "[Tensor] values; got " + std::to_string(values.size()) + ", need " + std::to_string(size()));
    for (size_t i = 0; i < values.size(); ++i) data<T>()[i] = values[i];
  }
  // The caller's own memory, not copied: `owner` keeps it alive (null: it outlives every use). Runs only read it.
  static Tensor view(DataType type, const Shape& shape, const void* data, std::shared_ptr<const void> owner = nullptr);

  explicit operator bool() const { return impl_ != nullptr; }
  DataType type() const;
  const Shape& shape() const;
  size_t size() const;  // elements
  size_t bytes() const;
  const void* raw() const;
  void* raw();
  // InvalidArgument when T is not the type of the elements.
  template <class T>
  const T* data() const {
    check_type(data_type_of<T>());
    return static_cast<const T*>(raw());
  }
  template <class T>
  T* data() {
    check_type(data_type_of<T>());
    return static_cast<T*>(raw());
  }

  struct Impl;
  explicit Tensor(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  const std::shared_ptr<Impl>& impl() const { return impl_; }

 private:
  void check_type(DataType type) const;
  std::shared_ptr<Impl> impl_;
};

struct Value;
using Sequence = std::vector<Value>;
struct Map {
  std::variant<std::vector<int64_t>, std::vector<std::string>> keys;
  Tensor values;  // as many as keys
};

// What goes in and comes out: nothing (an absent optional), a tensor, a sequence or a map.
struct Value {
  std::variant<std::monostate, Tensor, Sequence, Map> data;
  Value() = default;
  Value(Tensor tensor) : data(std::move(tensor)) {}        // NOLINT: a tensor is a value
  Value(Sequence sequence) : data(std::move(sequence)) {}  // NOLINT
  Value(Map map) : data(std::move(map)) {}                 // NOLINT
  bool empty() const { return data.index() == 0; }
  // InvalidArgument when it is something else.
  const Tensor& tensor() const {
    if (const auto* held = std::get_if<Tensor>(&data)) return *held;
    throw Error(ErrorCode::InvalidArgument, "[Value] is no tensor");
  }
  const Sequence& sequence() const {
    if (const auto* held = std::get_if<Sequence>(&data)) return *held;
    throw Error(ErrorCode::InvalidArgument, "[Value] is no sequence");
  }
};

}  // namespace pyflame_rt
