// Errors of the reader name what they are about, outermost first: `[onnx] node "a" (Conv): attribute "pads": …`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::import::onnx {

inline constexpr std::string_view kWhere = "[onnx] ";

[[nodiscard]] inline std::unexpected<Error> inside(std::string_view what, Error error) {
  const size_t at = error.message.starts_with(kWhere) ? kWhere.size() : 0;
  error.message.insert(at, std::string(what) + ": ");
  return std::unexpected(std::move(error));
}

}  // namespace hearth::import::onnx
