#include "llm/gguf_metadata.h"

namespace hearth::llm {
namespace {

constexpr uint64_t kMaxKeys = 1 << 16;
constexpr uint64_t kMaxArrayElements = uint64_t{1} << 24;  // of all arrays together

// GGUF's metadata value types.
enum class ValueType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64, kCount };
constexpr size_t kValueBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};  // least bytes of one value

template <class T>
Result<double> read_as_double(GgufCursor& cursor, std::string_view what) {
  ASSIGN_OR_RETURN(const T value, cursor.read<T>(what));
  return static_cast<double>(value);
}

Result<double> read_number(GgufCursor& cursor, ValueType type, std::string_view what) {
  switch (type) {
    case ValueType::U8:
      return read_as_double<uint8_t>(cursor, what);
    case ValueType::I8:
      return read_as_double<int8_t>(cursor, what);
    case ValueType::U16:
      return read_as_double<uint16_t>(cursor, what);
    case ValueType::I16:
      return read_as_double<int16_t>(cursor, what);
    case ValueType::U32:
      return read_as_double<uint32_t>(cursor, what);
    case ValueType::I32:
      return read_as_double<int32_t>(cursor, what);
    case ValueType::U64:
      return read_as_double<uint64_t>(cursor, what);
    case ValueType::I64:
      return read_as_double<int64_t>(cursor, what);
    case ValueType::F32:
      return read_as_double<float>(cursor, what);
    case ValueType::F64:
      return read_as_double<double>(cursor, what);
    case ValueType::Bool:
      return read_as_double<uint8_t>(cursor, what);
    default:
      return fail(ErrorKind::Internal, "[gguf] {} is not a number", what);
  }
}

// `elements_left` may still be in arrays.
Result<Metadata::Value> read_array(GgufCursor& cursor, std::string_view key, uint64_t& elements_left) {
  ASSIGN_OR_RETURN(const uint32_t type_number, cursor.read<uint32_t>(key));
  if (type_number >= static_cast<uint32_t>(ValueType::kCount) ||
      static_cast<ValueType>(type_number) == ValueType::Array)
    return fail(ErrorKind::Invalid, "[gguf] {}; got elements of type {}, need numbers, booleans or strings", key,
                type_number);
  const auto type = static_cast<ValueType>(type_number);
  ASSIGN_OR_RETURN(const uint64_t count, cursor.read<uint64_t>(key));
  if (count > elements_left || count > cursor.rest() / kValueBytes[type_number])
    return fail(ErrorKind::Invalid, "[gguf] {}; got {} elements, need at most {} (of {} in all arrays)", key, count,
                std::min<uint64_t>(elements_left, cursor.rest() / kValueBytes[type_number]), kMaxArrayElements);
  elements_left -= count;
  if (type == ValueType::String) {
    Metadata::Strings strings;
    strings.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(const std::string_view text, cursor.read_string(key, UINT64_MAX));
      strings.push_back(text);
    }
    return strings;
  }
  Metadata::Numbers numbers;
  numbers.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const double number, read_number(cursor, type, key));
    numbers.push_back(number);
  }
  return numbers;
}

Result<Metadata::Value> read_value(GgufCursor& cursor, ValueType type, std::string_view key, uint64_t& elements_left) {
  switch (type) {
    case ValueType::String: {
      ASSIGN_OR_RETURN(const std::string_view text, cursor.read_string(key, UINT64_MAX));
      return text;
    }
    case ValueType::Array:
      return read_array(cursor, key, elements_left);
    case ValueType::Bool: {
      ASSIGN_OR_RETURN(const uint8_t truth, cursor.read<uint8_t>(key));
      return truth != 0;
    }
    case ValueType::F32:
    case ValueType::F64:
      return read_number(cursor, type, key);
    case ValueType::U64: {
      ASSIGN_OR_RETURN(const uint64_t whole, cursor.read<uint64_t>(key));
      if (whole > INT64_MAX) return static_cast<double>(whole);
      return static_cast<int64_t>(whole);
    }
    case ValueType::I64:
      return cursor.read<int64_t>(key);
    default: {
      ASSIGN_OR_RETURN(const double whole, read_number(cursor, type, key));
      return static_cast<int64_t>(whole);
    }
  }
}

}  // namespace

Result<> read_gguf_metadata(GgufCursor& cursor, uint64_t count, Metadata& metadata) {
  if (count > kMaxKeys) return fail(ErrorKind::Invalid, "[gguf] key count; got {}, need at most {}", count, kMaxKeys);
  uint64_t elements_left = kMaxArrayElements;
  for (uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(const std::string_view key, cursor.read_string("key", kMaxGgufNameBytes));
    ASSIGN_OR_RETURN(const uint32_t type, cursor.read<uint32_t>(key));
    if (type >= static_cast<uint32_t>(ValueType::kCount))
      return fail(ErrorKind::Invalid, "[gguf] {}; got value type {}, need 0 to {}", key, type,
                  static_cast<uint32_t>(ValueType::kCount) - 1);
    ASSIGN_OR_RETURN(auto value, read_value(cursor, static_cast<ValueType>(type), key, elements_left));
    if (!metadata.set(key, std::move(value))) return fail(ErrorKind::Invalid, "[gguf] {}; stands twice", key);
  }
  return {};
}

}  // namespace hearth::llm
