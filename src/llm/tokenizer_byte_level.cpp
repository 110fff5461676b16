#include "llm/tokenizer_byte_level.h"

#include "llm/tokenizer_utf8.h"

namespace hearth::llm {
namespace {

// Visible Latin-1 characters stand for themselves; the other bytes, in order, for U+0100 and on.
struct Alphabet {
  std::array<char32_t, 256> character{};
  std::array<int16_t, 512> byte{};

  constexpr Alphabet() {
    byte.fill(-1);
    char32_t next = 256;
    for (int b = 0; b < 256; ++b) {
      const bool visible = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[size_t(b)] = visible ? char32_t(b) : next++;
      byte[character[size_t(b)]] = int16_t(b);
    }
  }
};
constexpr Alphabet kAlphabet;

}  // namespace

std::string byte_level_bytes(std::string_view token) {
  std::string out;
  for (size_t at = 0; at < token.size();) {
    if (token[at] >= '!' && token[at] <= '~') {  // most are: vocabularies are long and a start waits for this
      out += token[at++];
      continue;
    }
    const size_t length = std::max<size_t>(utf8_character(token, at), 1);
    const std::string_view character = token.substr(at, length);
    const char32_t c = decode_utf8(character);
    if (c < kAlphabet.byte.size() && kAlphabet.byte[c] >= 0) {
      out += char(kAlphabet.byte[c]);
    } else {
      out += character;
    }
    at += length;
  }
  return out;
}

std::array<uint32_t, 256> byte_level_ids(const Vocabulary& vocabulary) {
  std::array<uint32_t, 256> ids;
  ids.fill(kNoToken);
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    // No character of the alphabet is longer than two bytes.
    if (vocabulary.kind[id] != TokenKind::Plain || vocabulary.text[id].size() > 2) continue;
    if (vocabulary.bytes[id].size() == 1) ids[uint8_t(vocabulary.bytes[id][0])] = id;
  }
  return ids;
}

}  // namespace hearth::llm
