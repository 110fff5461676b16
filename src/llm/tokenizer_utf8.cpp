#include "llm/tokenizer_utf8.h"

#include "llm/tokenizer.h"

namespace hearth::llm {
namespace {

// What the second byte may be, by the first: this excludes overlong forms, surrogates and values above U+10FFFF.
struct Lead {
  size_t length;
  uint8_t low, high;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte < 0xF0) return {3, uint8_t(byte == 0xE0 ? 0xA0 : 0x80), uint8_t(byte == 0xED ? 0x9F : 0xBF)};
  if (byte < 0xF5) return {4, uint8_t(byte == 0xF0 ? 0x90 : 0x80), uint8_t(byte == 0xF4 ? 0x8F : 0xBF)};
  return {0, 0, 0};
}

}  // namespace

size_t utf8_character(std::string_view text, size_t at, bool* cut_off) {
  if (cut_off) *cut_off = false;
  const Lead lead = lead_of(uint8_t(text[at]));
  for (size_t i = 1; i < lead.length; ++i) {
    if (at + i == text.size()) {
      if (cut_off) *cut_off = true;
      return 0;
    }
    const uint8_t byte = uint8_t(text[at + i]);
    if (byte < (i == 1 ? lead.low : 0x80) || byte > (i == 1 ? lead.high : 0xBF)) return 0;
  }
  return lead.length;
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | (c >> 6));
    out += char(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xF0 | (c >> 18));
    out += char(0x80 | ((c >> 12) & 0x3F));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
}

char32_t decode_utf8(std::string_view character) {
  const auto byte = [&](size_t i) { return char32_t(uint8_t(character[i])); };
  switch (character.size()) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

std::string Utf8Stream::push(std::string_view bytes) {
  rest_ += bytes;
  std::string out;
  size_t at = 0;
  bool cut_off = false;
  while (at < rest_.size()) {
    const size_t length = utf8_character(rest_, at, &cut_off);
    if (length == 0 && cut_off) break;
    out += length ? std::string_view(rest_).substr(at, length) : kReplacementCharacter;
    at += length ? length : 1;
  }
  rest_.erase(0, at);
  return out;
}

std::string Utf8Stream::flush() {
  std::string out(rest_.empty() ? std::string_view() : kReplacementCharacter);
  rest_.clear();
  return out;
}

}  // namespace hearth::llm
