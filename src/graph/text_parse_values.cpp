#include <algorithm>
#include <limits>
#include <utility>

#include "base/nearest_word.h"
#include "graph/attribute_type.h"
#include "graph/text_parse.h"
#include "graph/text_words.h"
#include "tensor/element.h"

namespace hearth::graph {

namespace {

constexpr int kMaxTypeDepth = 16;

using Data = Attribute::Data;

template <class T>
constexpr bool kIsAttributeData = []<size_t... kIndex>(std::index_sequence<kIndex...>) {
  return (std::is_same_v<std::variant_alternative_t<kIndex, Data>, T> || ...);
}(std::make_index_sequence<std::variant_size_v<Data>>{});

// A reference says nothing of its type: the operator's schema does. Any version will do: no attribute of an operator
// ever changed its type but by a new name.
std::optional<AttributeType> schema_type(const Node& node, std::string_view attribute) {
  const OperatorSchema* schema = find_schema(node.domain, node.op_type, newest_opset(node.domain));
  if (schema == nullptr) return std::nullopt;
  const auto at = std::ranges::find(schema->attributes, attribute, &AttributeSchema::name);
  return at != schema->attributes.end() ? std::optional(at->type) : std::nullopt;
}

// An integer of the text as an element of the type.
template <class T>
Result<> store_int(TextReader& reader, void* at, std::string_view digits, int64_t low, uint64_t high) {
  if (digits.starts_with('-') || high <= static_cast<uint64_t>(INT64_MAX)) {
    ASSIGN_OR_RETURN(const int64_t value, parse_int64(reader, digits));
    if (value < low || (value > 0 && static_cast<uint64_t>(value) > high))
      return reader.invalid("element; got {}, need {}..{}", value, low, high);
    *static_cast<T*>(at) = static_cast<T>(value);
  } else {
    ASSIGN_OR_RETURN(const uint64_t value, parse_uint64(reader, digits));
    *static_cast<T*>(at) = static_cast<T>(value);
  }
  return {};
}
template <class T>
Result<> store_int(TextReader& reader, void* at, std::string_view digits) {
  return store_int<T>(reader, at, digits, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
}

// One element: integers are the codes of floats narrower than 32 bits, as in ONNX; numbers with a point are values.
Result<> store(TextReader& reader, DType dtype, const TextReader::Literal& literal, void* at) {
  using Kind = TextReader::Literal::Kind;
  const std::string_view text = literal.text;
  if ((dtype == DType::String) != (literal.kind == Kind::String))
    return reader.invalid("element of {}; got {}", onnx_name(dtype), quote_bytes(text, 24));
  switch (dtype) {
    case DType::String:
      *static_cast<std::string*>(at) = literal.text;
      return {};
    case DType::F32: {
      ASSIGN_OR_RETURN(*static_cast<float*>(at), parse_float(reader, text));
      return {};
    }
    case DType::F64: {
      ASSIGN_OR_RETURN(*static_cast<double*>(at), parse_double(reader, text));
      return {};
    }
    case DType::F16:
    case DType::BF16:
      if (literal.kind == Kind::Float) {
        ASSIGN_OR_RETURN(const float value, parse_float(reader, text));
        *static_cast<uint16_t*>(at) = dtype == DType::F16 ? f32_to_f16(value) : f32_to_bf16(value);
        return {};
      }
      return store_int<uint16_t>(reader, at, text);
    default:
      break;
  }
  if (literal.kind == Kind::Float)
    return reader.invalid("element of {}; got {}, need an integer", onnx_name(dtype), quote_bytes(text, 24));
  switch (dtype) {
    case DType::I8:
      return store_int<int8_t>(reader, at, text);
    case DType::I16:
      return store_int<int16_t>(reader, at, text);
    case DType::I32:
      return store_int<int32_t>(reader, at, text);
    case DType::I64:
      return store_int<int64_t>(reader, at, text);
    case DType::U16:
      return store_int<uint16_t>(reader, at, text);
    case DType::U32:
      return store_int<uint32_t>(reader, at, text);
    case DType::U64:
      return store_int<uint64_t>(reader, at, text);
    case DType::I4:
      return store_int<int8_t>(reader, at, text, -8, 7);
    case DType::I2:
      return store_int<int8_t>(reader, at, text, -2, 1);
    case DType::U4:
    case DType::F4E2M1:
      return store_int<uint8_t>(reader, at, text, 0, 15);
    case DType::U2:
      return store_int<uint8_t>(reader, at, text, 0, 3);
    case DType::Bool:
      return store_int<uint8_t>(reader, at, text, 0, 1);
    default:  // U8 and the codes of floats of eight bits
      return store_int<uint8_t>(reader, at, text);
  }
}

}  // namespace

bool TextParser::next_is_type() {
  return reader_.peek() == '?' || starts_type(reader_.peek_identifier());
}

// float: a scalar; float[]: of unknown rank; float[N,3,?]; seq(…), optional(…), map(int64,…), sparse_tensor(float[3]);
// ?: unknown.
Result<Type> TextParser::type(int depth) {
  if (depth > kMaxTypeDepth) return reader_.limit("types within each other; need at most {}", kMaxTypeDepth);
  Type made;
  if (reader_.accept('?')) return made;
  const auto element = [this]() -> Result<std::optional<DType>> {
    const std::string_view word = reader_.peek_identifier();
    const auto dtype = parse_onnx_name(word);
    if (!dtype && word != kUndefinedElement)
      return reader_.invalid("got {}, need an element type (float, int64, …)", reader_.next_text());
    TRY(reader_.identifier());
    return dtype;
  };
  const std::string_view word = reader_.peek_identifier();
  if (word != "seq" && word != "optional" && word != "map" && word != "sparse_tensor") {
    made.kind = TypeKind::Tensor;
    ASSIGN_OR_RETURN(made.dtype, element());
    ASSIGN_OR_RETURN(made.shape, shape());
    return made;
  }
  ASSIGN_OR_RETURN(const std::string kind, reader_.identifier());
  TRY(reader_.expect('('));
  if (kind == "sparse_tensor") {
    made.kind = TypeKind::SparseTensor;
    ASSIGN_OR_RETURN(made.dtype, element());
    ASSIGN_OR_RETURN(made.shape, shape());
  } else {
    made.kind = kind == "seq" ? TypeKind::Sequence : kind == "map" ? TypeKind::Map : TypeKind::Optional;
    if (made.kind == TypeKind::Map) {
      ASSIGN_OR_RETURN(made.dtype, element());
      TRY(reader_.expect(','));
    }
    ASSIGN_OR_RETURN(Type inner, type(depth + 1));
    made.inner = std::make_shared<const Type>(std::move(inner));
  }
  TRY(reader_.expect(')'));
  return made;
}

Result<std::optional<Shape>> TextParser::shape() {
  if (!reader_.accept('[')) return Shape();
  if (reader_.accept(']')) return std::nullopt;
  Shape made;
  do {
    if (reader_.accept('?')) {
      made.emplace_back();
    } else if (reader_.peek() == '"' || !reader_.peek_identifier().empty()) {
      ASSIGN_OR_RETURN(std::string symbol, reader_.name());
      made.push_back(Dimension(std::move(symbol)));
    } else {
      ASSIGN_OR_RETURN(const int64_t size, reader_.integer());
      if (size < 0) return reader_.invalid("size of a dimension; got {}, need at least 0", size);
      made.emplace_back(size);
    }
  } while (reader_.accept(','));
  TRY(reader_.expect(']'));
  return made;
}

// {1, 2, 3} after a type with known sizes; elements of complex types are two numbers each.
Result<Tensor> TextParser::constant(const Type& type) {
  if (type.kind != TypeKind::Tensor || !type.dtype || !type.shape ||
      !std::ranges::all_of(*type.shape, &Dimension::known))
    return reader_.invalid("type of a constant; got {}, need a tensor with known sizes", to_string(type));
  const DType dtype = *type.dtype;
  if (!Dims::fits(type.shape->size()))
    return reader_.limit("dimensions of a constant; got {}, need at most {}", type.shape->size(), HEARTH_MAX_RANK);
  Dims dims;
  for (const Dimension& dim : *type.shape) dims.push_back(dim.size);
  auto count = count_elements(dims);
  if (!count) return reader_.limit("{}", count.error().message);
  const int64_t parts = info(dtype).kind == DTypeClass::Complex ? 2 : 1;
  TRY(reader_.expect('{'));
  // An element takes a digit and a comma, a string two quotes and a comma: memory only for what the text has room for.
  const int64_t letters = dtype == DType::String ? 3 : 2 * parts;
  if (*count > static_cast<int64_t>(reader_.rest() / static_cast<size_t>(letters)) + 1)
    return reader_.invalid("constant of {}; need {} elements", to_string(type), *count * parts);
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(dtype, dims));
  const int64_t part_bytes = info(dtype).block_bytes / parts;
  const DType part_type = dtype == DType::C64 ? DType::F32 : dtype == DType::C128 ? DType::F64 : dtype;
  int64_t found = 0;
  if (reader_.peek() != '}') do {
      ASSIGN_OR_RETURN(const TextReader::Literal literal, reader_.literal());
      if (found == *count * parts)
        return reader_.invalid("constant of {}; got more than {} elements", to_string(type), *count * parts);
      TRY(store(reader_, part_type, literal, static_cast<std::byte*>(made.mutable_raw()) + found * part_bytes));
      ++found;
    } while (reader_.accept(','));
  if (found != *count * parts)
    return reader_.invalid("constant of {}; got {} elements, need {}", to_string(type), found, *count * parts);
  TRY(reader_.expect('}'));
  return made;
}

// {float[2] {1.0, 2.0}, int64[2] {0, 3}}: values and where they stand.
Result<SparseTensor> TextParser::sparse_constant(const Type& of) {
  if (!of.shape || !std::ranges::all_of(*of.shape, &Dimension::known) || !Dims::fits(of.shape->size()))
    return reader_.invalid("type of a constant; got {}, need known sizes, at most {} of them", to_string(of),
                           HEARTH_MAX_RANK);
  SparseTensor made;
  for (const Dimension& dim : *of.shape) made.dims.push_back(dim.size);
  TRY(reader_.expect('{'));
  ASSIGN_OR_RETURN(const Type values, type());
  if (values.dtype != of.dtype) return reader_.invalid("values of a {}; got {}", to_string(of), to_string(values));
  ASSIGN_OR_RETURN(made.values, constant(values));
  TRY(reader_.expect(','));
  ASSIGN_OR_RETURN(const Type indices, type());
  ASSIGN_OR_RETURN(made.indices, constant(indices));
  TRY(reader_.expect('}'));
  return made;
}

Result<std::vector<Attribute>> TextParser::attributes(const Node& node, Scope* scope) {
  std::vector<Attribute> made;
  if (!reader_.accept('<')) return made;
  do {
    ASSIGN_OR_RETURN(std::string name, reader_.name());
    ASSIGN_OR_RETURN(Attribute one, attribute(std::move(name), &node, scope));
    made.push_back(std::move(one));
  } while (reader_.accept(','));
  TRY(reader_.expect('>'));
  return made;
}

// [: type] = value, [value, …] or @reference
Result<Attribute> TextParser::attribute(std::string name, const Node* node, Scope* scope) {
  Attribute made;
  made.name = std::move(name);
  std::optional<AttributeType> annotated;
  if (reader_.accept(':')) {
    ASSIGN_OR_RETURN(const std::string word, reader_.identifier());
    annotated = parse_attribute_type(word);
    if (!annotated) {
      const auto names = attribute_type_names();
      return reader_.invalid("type of attribute {}; got {}, need {}{}", quote_bytes(made.name), quote_bytes(word, 24),
                             fmt::join(names, ", "), suggestion(word, names));
    }
  }
  TRY(reader_.expect('='));
  if (reader_.accept('@')) {
    ASSIGN_OR_RETURN(made.reference, reader_.name());
    if (!annotated && node != nullptr) annotated = schema_type(*node, made.name);
    if (!annotated)
      return reader_.invalid("reference of attribute {}; need its type (\"{}: int = @{}\")", quote_bytes(made.name),
                             made.name, made.reference);
    made.data = empty_data(*annotated);
    return made;
  }
  if (reader_.accept('[')) {
    if (annotated && !is_list(*annotated))
      return reader_.invalid("attribute {}; got a list, need {}", quote_bytes(made.name), to_string(*annotated));
    ASSIGN_OR_RETURN(made.data, list(annotated, scope));
    return made;
  }
  ASSIGN_OR_RETURN(made.data, single(annotated, scope));
  if (annotated && type_of(made.data) != *annotated)
    return reader_.invalid("attribute {}; got {}, need {}", quote_bytes(made.name), to_string(type_of(made.data)),
                           to_string(*annotated));
  return made;
}

Result<Attribute::Data> TextParser::list(std::optional<AttributeType> expected, Scope* scope) {
  if (reader_.accept(']')) {
    if (!expected) return reader_.invalid("empty list; need its type (\"axes: ints = []\")");
    return empty_data(*expected);
  }
  const auto element = expected ? std::optional(element_of(*expected)) : std::nullopt;
  std::vector<Data> items;
  do {
    ASSIGN_OR_RETURN(Data item, single(element, scope));
    // [1, 2.5] without a type is a list of floats.
    if (!items.empty() && items[0].index() != item.index() && std::holds_alternative<float>(items[0]) &&
        std::holds_alternative<int64_t>(item))
      item = static_cast<float>(std::get<int64_t>(item));
    if (!items.empty() && std::holds_alternative<int64_t>(items[0]) && std::holds_alternative<float>(item) && !expected)
      for (Data& before : items) before = static_cast<float>(std::get<int64_t>(before));
    if (type_of(item) != (element ? *element : type_of(items.empty() ? item : items[0])))
      return reader_.invalid("element of a list; got {}, need {}", to_string(type_of(item)),
                             to_string(element ? *element : type_of(items[0])));
    items.push_back(std::move(item));
  } while (reader_.accept(','));
  TRY(reader_.expect(']'));
  return std::visit(
      [&](auto& first) -> Result<Data> {
        using Held = std::decay_t<decltype(first)>;
        if constexpr (kIsAttributeData<std::vector<Held>>) {
          std::vector<Held> made;
          made.reserve(items.size());
          for (Data& item : items) made.push_back(std::move(std::get<Held>(item)));
          return made;
        } else {
          return reader_.invalid("list of {}; need another type", to_string(type_of(items[0])));
        }
      },
      items[0]);
}

Result<Attribute::Data> TextParser::single(std::optional<AttributeType> expected, Scope* scope) {
  if (next_is_type()) {
    ASSIGN_OR_RETURN(Type made, type());
    const bool tensor_follows =
        reader_.peek() == '{' || reader_.peek() == '=' || reader_.peek() == '"' || !reader_.peek_identifier().empty();
    if (!tensor_follows) return made;
    // A tensor of an attribute may be named in ONNX; nothing can refer to it.
    if (reader_.peek() == '"' || !reader_.peek_identifier().empty()) TRY(reader_.name());
    reader_.accept('=');
    if (made.kind == TypeKind::SparseTensor) return sparse_constant(made);
    return constant(made);
  }
  if (!reader_.peek_identifier().empty() && !reader_.next_is_float_word()) return nested_graph(scope);
  TextReader before = reader_;
  ASSIGN_OR_RETURN(TextReader::Literal literal, reader_.literal());
  switch (literal.kind) {
    case TextReader::Literal::Kind::String:
      if (reader_.peek() == '(') {  // a graph whose name is no identifier
        reader_ = before;
        return nested_graph(scope);
      }
      return std::move(literal.text);
    case TextReader::Literal::Kind::Float:
      return parse_float(reader_, literal.text);
    case TextReader::Literal::Kind::Int:
      if (expected == AttributeType::Float) return parse_float(reader_, literal.text);
      return parse_int64(reader_, literal.text);
  }
  return reader_.invalid("value of an attribute");
}

Result<Attribute::Data> TextParser::nested_graph(Scope* scope) {
  auto made = std::make_unique<Graph>();
  TRY(graph(*made, scope));
  return made;
}

}  // namespace hearth::graph
