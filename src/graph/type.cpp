#include "graph/type.h"

#include <algorithm>
#include <array>

#include "graph/text_words.h"

namespace hearth::graph {

namespace {

struct ElementName {
  DType dtype;
  std::string_view name;
  int64_t number;  // TensorProto.DataType
};

// By the numbers of TensorProto.DataType, which ONNX keeps for ever.
constexpr ElementName kElementNames[] = {
    {DType::F32, "float", 1},
    {DType::U8, "uint8", 2},
    {DType::I8, "int8", 3},
    {DType::U16, "uint16", 4},
    {DType::I16, "int16", 5},
    {DType::I32, "int32", 6},
    {DType::I64, "int64", 7},
    {DType::String, "string", 8},
    {DType::Bool, "bool", 9},
    {DType::F16, "float16", 10},
    {DType::F64, "double", 11},
    {DType::U32, "uint32", 12},
    {DType::U64, "uint64", 13},
    {DType::C64, "complex64", 14},
    {DType::C128, "complex128", 15},
    {DType::BF16, "bfloat16", 16},
    {DType::F8E4M3FN, "float8e4m3fn", 17},
    {DType::F8E4M3FNUZ, "float8e4m3fnuz", 18},
    {DType::F8E5M2, "float8e5m2", 19},
    {DType::F8E5M2FNUZ, "float8e5m2fnuz", 20},
    {DType::U4, "uint4", 21},
    {DType::I4, "int4", 22},
    {DType::F4E2M1, "float4e2m1", 23},
    {DType::F8E8M0, "float8e8m0", 24},
    {DType::U2, "uint2", 25},
    {DType::I2, "int2", 26},
};

std::string_view element_name(const std::optional<DType>& dtype) {
  return dtype ? onnx_name(*dtype) : kUndefinedElement;
}

// "" for a scalar, "[]" when not even the rank is known.
std::string shape_text(const std::optional<Shape>& shape) {
  if (!shape) return "[]";
  return shape->empty() ? "" : to_string(*shape);
}

std::string inner_text(const Type& type, std::string (*text)(const Type&)) {
  return type.inner != nullptr ? text(*type.inner) : "?";
}

// False when they contradict. Of two symbols the first stays.
bool merge_into(Dimension& into, const Dimension& other) {
  if (into.known() && other.known()) return into.size == other.size;
  if (other.known() || (!into.known() && into.symbol.empty())) into = other;
  return true;
}

bool merge_into(Type& into, const Type& other) {
  if (other.kind == TypeKind::Unknown) return true;
  if (into.kind == TypeKind::Unknown) {
    into = other;
    return true;
  }
  if (into.kind != other.kind) return false;
  if (into.dtype && other.dtype && *into.dtype != *other.dtype) return false;
  if (!into.dtype) into.dtype = other.dtype;
  if (into.shape && other.shape) {
    if (into.shape->size() != other.shape->size()) return false;
    for (size_t i = 0; i < into.shape->size(); ++i)
      if (!merge_into((*into.shape)[i], (*other.shape)[i])) return false;
  } else if (other.shape) {
    into.shape = other.shape;
  }
  if (into.inner != nullptr && other.inner != nullptr) {
    Type inner = *into.inner;
    if (!merge_into(inner, *other.inner)) return false;
    into.inner = std::make_shared<const Type>(std::move(inner));
  } else if (other.inner != nullptr) {
    into.inner = other.inner;
  }
  return true;
}

}  // namespace

Type Type::tensor(DType dtype, std::optional<Shape> shape) {
  Type type;
  type.kind = TypeKind::Tensor;
  type.dtype = dtype;
  type.shape = std::move(shape);
  return type;
}

Type Type::sequence(Type element) {
  Type type;
  type.kind = TypeKind::Sequence;
  type.inner = std::make_shared<const Type>(std::move(element));
  return type;
}

Type Type::optional(Type element) {
  Type type;
  type.kind = TypeKind::Optional;
  type.inner = std::make_shared<const Type>(std::move(element));
  return type;
}

bool operator==(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.dtype != b.dtype || a.shape != b.shape) return false;
  if (a.inner == nullptr || b.inner == nullptr) return a.inner == b.inner;
  return *a.inner == *b.inner;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const Dimension& dim : shape) {
    if (text.size() > 1) text += ',';
    text += dim.known() ? fmt::format("{}", dim.size) : dim.symbol.empty() ? "?" : identifier_text(dim.symbol);
  }
  return text + "]";
}

std::string to_string(const Type& type) {
  const auto text = [](const Type& inner) { return to_string(inner); };
  switch (type.kind) {
    case TypeKind::Unknown:
      return "?";
    case TypeKind::Tensor:
      return fmt::format("{}{}", element_name(type.dtype), shape_text(type.shape));
    case TypeKind::SparseTensor:
      return fmt::format("sparse_tensor({}{})", element_name(type.dtype), shape_text(type.shape));
    case TypeKind::Sequence:
      return fmt::format("seq({})", inner_text(type, text));
    case TypeKind::Optional:
      return fmt::format("optional({})", inner_text(type, text));
    case TypeKind::Map:
      return fmt::format("map({},{})", element_name(type.dtype), inner_text(type, text));
  }
  return "?";
}

std::string ort_type_string(const Type& type) {
  const auto text = [](const Type& inner) { return ort_type_string(inner); };
  const std::string_view element = type.dtype ? onnx_name(*type.dtype) : "?";
  switch (type.kind) {
    case TypeKind::Unknown:
      return "?";
    case TypeKind::Tensor:
      return fmt::format("tensor({})", element);
    case TypeKind::SparseTensor:
      return fmt::format("sparse_tensor({})", element);
    case TypeKind::Sequence:
      return fmt::format("seq({})", inner_text(type, text));
    case TypeKind::Optional:
      return fmt::format("optional({})", inner_text(type, text));
    case TypeKind::Map:
      return fmt::format("map({},{})", element, inner_text(type, text));
  }
  return "?";
}

std::string_view onnx_name(DType dtype) {
  const auto* at = std::ranges::find(kElementNames, dtype, &ElementName::dtype);
  return at != std::end(kElementNames) ? at->name : to_string(dtype);
}

std::optional<DType> parse_onnx_name(std::string_view name) {
  const auto* at = std::ranges::find(kElementNames, name, &ElementName::name);
  return at != std::end(kElementNames) ? std::optional(at->dtype) : std::nullopt;
}

std::optional<DType> dtype_from_onnx(int64_t number) {
  const auto* at = std::ranges::find(kElementNames, number, &ElementName::number);
  return at != std::end(kElementNames) ? std::optional(at->dtype) : std::nullopt;
}

int64_t onnx_number(DType dtype) {
  const auto* at = std::ranges::find(kElementNames, dtype, &ElementName::dtype);
  CHECK(at != std::end(kElementNames));
  return at->number;
}

Result<Type> merge(const Type& a, const Type& b) {
  Type merged = a;
  if (!merge_into(merged, b))
    return fail(ErrorKind::Invalid, "[type] two descriptions of one value; got {} and {}, need agreement", to_string(a),
                to_string(b));
  return merged;
}

}  // namespace hearth::graph
