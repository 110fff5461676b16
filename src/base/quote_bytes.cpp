#include "base/quote_bytes.h"

#include <fmt/format.h>

namespace hearth {
namespace {

// Length of the well-formed UTF-8 character of two bytes or more that starts the text, or 0.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0), second = byte(1);
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool legal = first == 0xe0 ? second >= 0xa0 : first == 0xed ? second <= 0x9f : true;  // overlong, surrogates
    return legal && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool legal = first == 0xf0 ? second >= 0x90 : first == 0xf4 ? second <= 0x8f : true;
    return legal && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string quote_bytes(std::string_view bytes, size_t limit) {
  std::string out = "\"";
  size_t i = 0;
  while (i < bytes.size() && i < limit) {
    const char c = bytes[i];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++i;
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
      ++i;
    } else if (c == '\n') {
      out += "\\n";
      ++i;
    } else if (const size_t length = character_length(bytes.substr(i)); length > 0) {
      out += bytes.substr(i, length);
      i += length;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      ++i;
    }
  }
  out += i < bytes.size() ? "…\"" : "\"";
  return out;
}

}  // namespace hearth
