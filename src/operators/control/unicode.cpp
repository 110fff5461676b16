#include "operators/control/unicode.h"

namespace hearth::operators {

CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const int bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < static_cast<size_t>(bytes)) return {lead, 1, false};
  uint32_t value = lead & (0x7fu >> bytes);
  for (int i = 1; i < bytes; ++i) {
    if ((byte(static_cast<size_t>(i)) & 0xc0) != 0x80) return {lead, 1, false};
    value = value << 6 | (byte(static_cast<size_t>(i)) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[bytes] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return {lead, 1, false};
  return {value, bytes, true};
}

void append_code_point(std::string& text, uint32_t value) {
  const auto append = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    append(value);
  } else if (value < 0x800) {
    append(0xc0 | value >> 6), append(0x80 | (value & 0x3f));
  } else if (value < 0x10000) {
    append(0xe0 | value >> 12), append(0x80 | (value >> 6 & 0x3f)), append(0x80 | (value & 0x3f));
  } else {
    append(0xf0 | value >> 18), append(0x80 | (value >> 12 & 0x3f));
    append(0x80 | (value >> 6 & 0x3f)), append(0x80 | (value & 0x3f));
  }
}

bool is_white_space(const CodePoint& point) {
  if (!point.valid) return false;
  const uint32_t c = point.value;
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace hearth::operators
