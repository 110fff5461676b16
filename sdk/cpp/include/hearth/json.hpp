// JSON texts: reading, and quoting for writing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hearth/result.hpp"

namespace hearth {

struct Json {
  enum class Kind : uint8_t { Null, False, True, Number, Text, Array, Object };

  // One value and nothing after it but white space; at most 64 levels deep.
  static Result<Json> parse(std::string_view text);

  // The member of an object, or null when it is no object or has none of that name.
  const Json* find(std::string_view name) const;
  std::string show() const;  // as JSON text again

  Kind kind = Kind::Null;
  std::string text;                // of a Text; of a Number as it was written
  std::vector<Json> items;         // of an Array; of an Object the values
  std::vector<std::string> names;  // of an Object, beside items
};

// The text as a JSON string, quotes included.
std::string json_quote(std::string_view text);

}  // namespace hearth
