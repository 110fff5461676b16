// Element types and what follows from them. Generated from dtype.inc: add a type there.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hearth {

enum class DType : int32_t {
#define HEARTH_DTYPE(name, text, elements, bytes, kind) name,
#include "tensor/dtype.inc"
#undef HEARTH_DTYPE
};

enum class DTypeClass : uint8_t { Float, Int, Bool, Quantised, Complex, String };

struct DTypeInfo {
  std::string_view text;
  int32_t block_elements;
  int32_t block_bytes;
  DTypeClass kind;
};

inline constexpr DTypeInfo kDTypes[] = {
#define HEARTH_DTYPE(name, text, elements, bytes, kind) {text, elements, bytes, DTypeClass::kind},
#include "tensor/dtype.inc"
#undef HEARTH_DTYPE
};
inline constexpr int kDTypeCount = static_cast<int>(std::size(kDTypes));

constexpr const DTypeInfo& info(DType type) {
  return kDTypes[static_cast<int>(type)];
}
constexpr std::string_view to_string(DType type) {
  return info(type).text;
}
constexpr bool is_quantised(DType type) {
  return info(type).kind == DTypeClass::Quantised;
}

constexpr std::optional<DType> parse_dtype(std::string_view text) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kDTypes[i].text == text) return static_cast<DType>(i);
  return std::nullopt;
}

// Bytes of `elements` consecutive elements; elements must be a whole number of blocks.
constexpr int64_t bytes_of(DType type, int64_t elements) {
  return elements / info(type).block_elements * info(type).block_bytes;
}

}  // namespace hearth
