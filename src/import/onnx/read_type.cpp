#include "import/onnx/read_type.h"

#include <memory>
#include <utility>

#include "base/quote_bytes.h"
#include "import/onnx/context.h"
#include "import/onnx/wire.h"

namespace hearth::import::onnx {

using graph::Dimension;
using graph::Shape;
using graph::Type;
using graph::TypeKind;

namespace {

Result<Dimension> read_dimension(std::string_view bytes) {
  Dimension dimension;
  Message message(bytes, "TensorShapeProto.Dimension");
  while (message.next()) {
    if (message.field() == 1) {
      dimension = Dimension(std::max<int64_t>(message.integer(), -1));
    } else if (message.field() == 2) {
      const std::string_view symbol = message.bytes();
      if (symbol.size() > kMaxSymbolBytes)
        return fail(ErrorKind::Limit, "[onnx] dim_param; got {} bytes, need at most {}", symbol.size(),
                    kMaxSymbolBytes);
      dimension = Dimension(std::string(symbol));
    }
  }
  TRY(message.end());
  return dimension;
}

Result<Shape> read_shape(std::string_view bytes) {
  Shape shape;
  Message message(bytes, "TensorShapeProto");
  while (message.next()) {
    if (message.field() != 1) continue;
    if (shape.size() == kMaxTypeRank)
      return fail(ErrorKind::Limit, "[onnx] rank of a type; got more, need at most {}", kMaxTypeRank);
    ASSIGN_OR_RETURN(shape.emplace_back(), read_dimension(message.bytes()));
  }
  TRY(message.end());
  return shape;
}

Result<std::optional<DType>> read_element_type(int64_t number) {
  if (number == 0) return std::nullopt;
  const auto dtype = graph::dtype_from_onnx(number);
  if (!dtype) return fail(ErrorKind::Unsupported, "[onnx] elem_type; got {}, need a type of ONNX 1.22", number);
  return dtype;
}

// TypeProto.Tensor and TypeProto.SparseTensor have the same fields.
Result<Type> read_tensor_type(std::string_view bytes, TypeKind kind) {
  Type type{.kind = kind};
  Message message(bytes, "TypeProto.Tensor");
  while (message.next()) {
    if (message.field() == 1) {
      ASSIGN_OR_RETURN(type.dtype, read_element_type(message.integer32()));
    } else if (message.field() == 2) {
      ASSIGN_OR_RETURN(type.shape, read_shape(message.bytes()));
    }
  }
  TRY(message.end());
  return type;
}

// TypeProto.Sequence and TypeProto.Optional: field 1 is the element.
Result<Type> read_container_type(std::string_view bytes, TypeKind kind, int depth) {
  Type element;
  Message message(bytes, kind == TypeKind::Sequence ? "TypeProto.Sequence" : "TypeProto.Optional");
  while (message.next()) {
    if (message.field() == 1) {
      ASSIGN_OR_RETURN(element, read_type(message.bytes(), depth + 1));
    }
  }
  TRY(message.end());
  return Type{.kind = kind, .inner = std::make_shared<const Type>(std::move(element))};
}

Result<Type> read_map_type(std::string_view bytes, int depth) {
  Type type{.kind = TypeKind::Map}, value;
  Message message(bytes, "TypeProto.Map");
  while (message.next()) {
    if (message.field() == 1) {
      ASSIGN_OR_RETURN(type.dtype, read_element_type(message.integer32()));
    } else if (message.field() == 2) {
      ASSIGN_OR_RETURN(value, read_type(message.bytes(), depth + 1));
    }
  }
  TRY(message.end());
  type.inner = std::make_shared<const Type>(std::move(value));
  return type;
}

}  // namespace

Result<Type> read_type(std::string_view bytes, int depth) {
  if (depth > kMaxTypeDepth)
    return fail(ErrorKind::Limit, "[onnx] types within types; got more, need at most {}", kMaxTypeDepth);
  Type type;
  Message message(bytes, "TypeProto");
  while (message.next()) {
    switch (message.field()) {
      case 1: {
        ASSIGN_OR_RETURN(type, read_tensor_type(message.bytes(), TypeKind::Tensor));
        break;
      }
      case 4: {
        ASSIGN_OR_RETURN(type, read_container_type(message.bytes(), TypeKind::Sequence, depth));
        break;
      }
      case 5: {
        ASSIGN_OR_RETURN(type, read_map_type(message.bytes(), depth));
        break;
      }
      case 8: {
        ASSIGN_OR_RETURN(type, read_tensor_type(message.bytes(), TypeKind::SparseTensor));
        break;
      }
      case 9: {
        ASSIGN_OR_RETURN(type, read_container_type(message.bytes(), TypeKind::Optional, depth));
        break;
      }
      default:
        break;
    }
  }
  TRY(message.end());
  return type;
}

Result<NamedType> read_value_info(std::string_view bytes) {
  NamedType value;
  std::string_view type;
  Message message(bytes, "ValueInfoProto");
  while (message.next()) {
    if (message.field() == 1) value.name = message.bytes();
    if (message.field() == 2) type = message.bytes();
  }
  TRY(message.end());
  auto read = read_type(type);
  if (!read) return inside("value " + quote_bytes(value.name), std::move(read).error());
  value.type = std::move(*read);
  return value;
}

}  // namespace hearth::import::onnx
