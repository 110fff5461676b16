// Types of the values in a graph: element type and symbolic sizes of tensors, sequences, optionals, maps.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace hearth::graph {

// A known size, a symbol ("batch": the same symbol has the same size everywhere in a model), or neither.
struct Dimension {
  int64_t size = -1;   // >= 0: known
  std::string symbol;  // only when the size is unknown
  Dimension() = default;
  Dimension(int64_t known) : size(known) {}  // NOLINT: a number is a size
  explicit Dimension(std::string name) : symbol(std::move(name)) {}
  bool known() const { return size >= 0; }
  friend bool operator==(const Dimension&, const Dimension&) = default;
};
using Shape = std::vector<Dimension>;

enum class TypeKind : uint8_t { Unknown, Tensor, SparseTensor, Sequence, Optional, Map };

struct Type {
  TypeKind kind = TypeKind::Unknown;
  std::optional<DType> dtype;  // Tensor, SparseTensor: element type; Map: key type
  std::optional<Shape> shape;  // Tensor, SparseTensor; nullopt: not even the rank is known
  std::shared_ptr<const Type>
      inner;  // Sequence, Optional: element; Map: value. Shared: types are copied freely, inner ones never change

  static Type tensor(DType dtype, std::optional<Shape> shape = std::nullopt);
  static Type sequence(Type element);
  static Type optional(Type element);
  friend bool operator==(const Type& a, const Type& b);  // by content
};

// "float[N,3,?]", "seq(float[?])", "optional(seq(int64))", "map(int64,float)": as the text form writes them, so "float"
// is a scalar and "float[]" of unknown rank; "?" for unknown, "undefined[2]" for a tensor of unknown element type.
std::string to_string(const Type& type);
std::string to_string(const Shape& shape);  // "[N,3,?]"; "[]" for a scalar
// The names of the text form: float, double, float16, bfloat16, int8, bool, string, complex64, float8e4m3fn, int4 ...
std::string_view onnx_name(DType dtype);
std::optional<DType> parse_onnx_name(std::string_view name);
// ONNX Runtime's spelling: tensor(float), seq(tensor(int64)), map(string,tensor(float)) ...
std::string ort_type_string(const Type& type);
// TensorProto.DataType numbers of ONNX; nullopt for numbers that name no type here, -1... for block-quantised types.
std::optional<DType> dtype_from_onnx(int64_t number);
int64_t onnx_number(DType dtype);  // CHECKs that ONNX has it

// Two descriptions of one value in one: known beats unknown. Invalid when they contradict.
Result<Type> merge(const Type& a, const Type& b);

}  // namespace hearth::graph
