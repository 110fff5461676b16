// TypeProto → graph::Type, ValueInfoProto → name and type.
#pragma once

#include <string_view>

#include "base/result.h"
#include "graph/type.h"

namespace hearth::import::onnx {

inline constexpr int kMaxTypeDepth = 16;         // sequences of optionals of …
inline constexpr size_t kMaxTypeRank = 64;       // of a described type; tensors that exist have HEARTH_MAX_RANK
inline constexpr size_t kMaxSymbolBytes = 4096;  // the name of a size

// An element type of 0, a negative size and an empty symbol mean that nothing is known, as exporters use them.
Result<graph::Type> read_type(std::string_view bytes, int depth = 0);

struct NamedType {
  std::string_view name;  // points into the bytes
  graph::Type type;
};
Result<NamedType> read_value_info(std::string_view bytes);

}  // namespace hearth::import::onnx
