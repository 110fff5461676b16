// Code points of UTF-8 text. Bytes that are none are handed through one by one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hearth::operators {

struct CodePoint {
  uint32_t value = 0;
  int bytes = 1;
  bool valid = false;  // false: `value` is a byte that begins no well-formed code point
};

// The code point at the beginning of `text`, which is not empty.
CodePoint first_code_point(std::string_view text);
// `value` is below 0x110000.
void append_code_point(std::string& text, uint32_t value);
// White space as Unicode has it (the property White_Space).
bool is_white_space(const CodePoint& point);

}  // namespace hearth::operators
