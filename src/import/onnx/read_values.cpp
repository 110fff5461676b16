// SequenceProto, OptionalProto, MapProto: values as test data and tools store them.
#include <algorithm>
#include <cstring>

#include "graph/type.h"
#include "import/onnx/context.h"
#include "import/onnx/read_onnx.h"
#include "import/onnx/read_tensor.h"
#include "import/onnx/wire.h"

namespace hearth::import {

namespace onnx {
namespace {

constexpr int kMaxValueDepth = 32;

// SequenceProto.DataType and OptionalProto.DataType; the field with the values is two further.
enum ValueKind : int32_t { kNothing = 0, kTensor = 1, kSparse = 2, kSequence = 3, kMap = 4, kOptional = 5 };
constexpr uint32_t field_of(int32_t kind) {
  return static_cast<uint32_t>(kind) + 2;
}

TensorSource copying() {
  return {.max_string_bytes = OnnxLimits().max_string_bytes};
}

struct NamedValue {
  std::string_view name;
  Value value;
};
Result<NamedValue> read_sequence(std::string_view bytes, int depth);
Result<NamedValue> read_optional(std::string_view bytes, int depth);
Result<NamedValue> read_map(std::string_view bytes, int depth);

Result<NamedValue> read_value(std::string_view bytes, int32_t kind, int depth) {
  if (depth > kMaxValueDepth)
    return fail(ErrorKind::Limit, "[onnx] values within values; got more, need at most {}", kMaxValueDepth);
  switch (kind) {
    case kTensor: {
      ASSIGN_OR_RETURN(auto read, read_tensor(bytes, copying()));
      return NamedValue{read.name, std::move(read.tensor)};
    }
    case kSequence:
      return read_sequence(bytes, depth);
    case kMap:
      return read_map(bytes, depth);
    case kOptional:
      return read_optional(bytes, depth);
    default:
      return fail(ErrorKind::Unsupported,
                  "[onnx] value; got a sparse tensor, need a tensor, sequence, map or optional");
  }
}

// Sequences and optionals alike: `elem_type` names the field that holds the values.
struct Held {
  std::string_view name;
  int32_t kind = kNothing;
  std::vector<std::string_view> values;
};
Result<Held> read_held(std::string_view bytes, std::string_view type) {
  Held held;
  uint32_t present = 0;
  Message message(bytes, type);
  while (message.next()) {
    if (message.field() == 1) held.name = message.bytes();
    if (message.field() == 2) held.kind = message.integer32();
    if (message.field() < field_of(kTensor) || message.field() > field_of(kOptional)) continue;
    if (present != 0 && present != message.field())
      return fail(ErrorKind::Invalid, "[onnx] {}; got values of two kinds, need one kind", type);
    present = message.field();
    held.values.push_back(message.bytes());
  }
  TRY(message.end());
  if (held.kind < kNothing || held.kind > kOptional ||
      (present != 0 && held.kind != kNothing && present != field_of(held.kind)))
    return fail(ErrorKind::Invalid, "[onnx] elem_type of {}; got {}, need that of its values", type, held.kind);
  if (present != 0) held.kind = static_cast<int32_t>(present) - 2;
  return held;
}

Result<NamedValue> read_sequence(std::string_view bytes, int depth) {
  ASSIGN_OR_RETURN(const Held held, read_held(bytes, "SequenceProto"));
  auto sequence = std::make_shared<Sequence>();
  for (size_t i = 0; i < held.values.size(); ++i) {
    auto item = read_value(held.values[i], held.kind, depth + 1);
    if (!item) return inside(fmt::format("item {}", i), std::move(item).error());
    sequence->items.push_back(std::move(item->value));
  }
  if (!sequence->items.empty())
    if (const Tensor* first = sequence->items.front().tensor()) sequence->dtype = first->dtype();
  return NamedValue{held.name, std::shared_ptr<const Sequence>(std::move(sequence))};
}

Result<NamedValue> read_optional(std::string_view bytes, int depth) {
  ASSIGN_OR_RETURN(const Held held, read_held(bytes, "OptionalProto"));
  if (held.values.size() > 1)
    return fail(ErrorKind::Invalid, "[onnx] optional; got {} values, need at most one", held.values.size());
  if (held.values.empty()) return NamedValue{held.name, Value()};
  ASSIGN_OR_RETURN(auto inner, read_value(held.values.front(), held.kind, depth + 1));
  return NamedValue{held.name, std::move(inner.value)};
}

// The values of a map are a sequence of single numbers or strings of one type.
Result<Tensor> join(const Sequence& sequence) {
  const auto count = static_cast<int64_t>(sequence.items.size());
  ASSIGN_OR_RETURN(Tensor joined, Tensor::allocate(sequence.dtype, {count}));
  for (int64_t i = 0; i < count; ++i) {
    const Tensor* item = sequence.items[static_cast<size_t>(i)].tensor();
    if (item == nullptr || item->size() != 1 || item->dtype() != sequence.dtype)
      return fail(ErrorKind::Unsupported, "[onnx] value {} of a map; got another, need a single {}", i,
                  to_string(sequence.dtype));
    const int64_t width = info(sequence.dtype).block_bytes;
    if (sequence.dtype == DType::String)
      joined.mutable_data<std::string>()[i] = item->strings()[0];
    else
      std::memcpy(joined.mutable_data<char>() + i * width, item->raw(), static_cast<size_t>(width));
  }
  return joined;
}

Result<NamedValue> read_map(std::string_view bytes, int depth) {
  std::string_view name, values;
  int64_t key_type = 0;
  std::vector<int64_t> numbers;
  std::vector<std::string> strings;
  Message message(bytes, "MapProto");
  while (message.next()) {
    if (message.field() == 1) name = message.bytes();
    if (message.field() == 2) key_type = message.integer32();
    if (message.field() == 3) message.varints([&](uint64_t key) { numbers.push_back(static_cast<int64_t>(key)); });
    if (message.field() == 4) strings.emplace_back(message.bytes());
    if (message.field() == 5) values = message.bytes();
  }
  TRY(message.end());
  ASSIGN_OR_RETURN(const auto items, read_value(values, kSequence, depth + 1));
  auto map = std::make_shared<Map>();
  ASSIGN_OR_RETURN(map->values, join(*items.value.sequence()));
  const bool by_string = graph::dtype_from_onnx(key_type) == DType::String;
  const size_t keys = by_string ? strings.size() : numbers.size();
  if (keys != static_cast<size_t>(map->values.size()) || (by_string ? !numbers.empty() : !strings.empty()))
    return fail(ErrorKind::Invalid, "[onnx] map; got {} keys of its type and {} values, need as many", keys,
                map->values.size());
  if (by_string)
    map->keys = std::move(strings);
  else
    map->keys = std::move(numbers);
  return NamedValue{name, std::shared_ptr<const Map>(std::move(map))};
}

Result<Value> read_named(std::span<const std::byte> bytes, int32_t kind, std::string* name) {
  ASSIGN_OR_RETURN(auto read, read_value({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, kind, 0));
  if (name != nullptr) *name = read.name;
  return std::move(read.value);
}

}  // namespace
}  // namespace onnx

Result<Value> read_onnx_tensor(std::span<const std::byte> bytes, std::string* name) {
  return onnx::read_named(bytes, onnx::kTensor, name);
}
Result<Value> read_onnx_sequence(std::span<const std::byte> bytes, std::string* name) {
  return onnx::read_named(bytes, onnx::kSequence, name);
}
Result<Value> read_onnx_optional(std::span<const std::byte> bytes, std::string* name) {
  return onnx::read_named(bytes, onnx::kOptional, name);
}

}  // namespace hearth::import
