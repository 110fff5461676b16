#include "llm/tokenizer_rust.h"

#include <algorithm>

#include "llm/tokenizer_utf8.h"

namespace hearth::llm {
namespace {

// Stand-ins for ill-formed bytes: 256 private characters that no vocabulary has, so that the library writes each as
// four byte tokens, which are then one byte token.
constexpr char32_t kStandIn = 0x10F800;

// What encoding may take beside its text, and for each byte of that: a hostile normalizer makes much of little.
constexpr hearth_budget kBudget{size_t{16} << 20, 100};
constexpr size_t kHeapPerByte = 1024;
constexpr size_t kBytesPerMs = 50;
constexpr size_t kSmallPiece = 512;  // bytes: what the library cannot encode so small it cannot encode at all

char* encode_within(const hearth_tokenizer* tokenizer, std::string_view text, bool parse_special, bool template_tokens,
                    hearth_sink ids) {
  const hearth_budget budget{kBudget.heap_bytes + text.size() * kHeapPerByte,
                             kBudget.cpu_ms + text.size() / kBytesPerMs};
  return hearth_tokenizer_encode(tokenizer, text.data(), text.size(), parse_special, template_tokens, budget, ids);
}

void append_ids(void* context, const void* bytes, size_t size) {
  auto* ids = static_cast<std::vector<uint32_t>*>(context);
  const auto* first = static_cast<const uint32_t*>(bytes);
  ids->insert(ids->end(), first, first + size / sizeof(uint32_t));
}

}  // namespace

Result<> rust_result(char* error, ErrorKind kind, std::string_view where) {
  if (!error) return {};
  std::string text(error);
  hearth_text_free(error);
  return fail(kind, "[{}] {}", where, text);
}

RustEncoder::RustEncoder(RustTokenizer tokenizer, ByteStyle style, const std::array<uint32_t, 256>& byte_ids)
    : tokenizer_(std::move(tokenizer)), style_(style), byte_ids_(byte_ids) {
  // Stand-ins need the byte tokens of all four bytes they may be made of.
  if (style_ == ByteStyle::Fallback && std::ranges::count(byte_ids_, kNoToken) != 0) style_ = ByteStyle::None;
}

// Bytes of the character at text[at] when the library can write it; 0 when it is ill-formed or, in a byte-level
// vocabulary, has a byte without a token, which the library would drop.
size_t RustEncoder::writable(std::string_view text, size_t at) const {
  const size_t length = utf8_character(text, at);
  if (style_ != ByteStyle::ByteLevel) return length;
  const auto lacks = [&](char byte) { return byte_ids_[uint8_t(byte)] == kNoToken; };
  return std::ranges::any_of(text.substr(at, length), lacks) ? 0 : length;
}

void RustEncoder::encode(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const {
  bool well_formed = true;
  bool stand_ins = false;
  for (size_t at = 0; at < text.size() && well_formed;) {
    const size_t length = writable(text, at);
    well_formed = length != 0;
    stand_ins |= length == 4 && (decode_utf8(text.substr(at, 4)) & ~char32_t{0xFF}) == kStandIn;
    at += length;
  }
  if (style_ == ByteStyle::Fallback && (stand_ins || !well_formed)) {
    encode_escaped(text, parse_special, out);
  } else if (!well_formed) {
    encode_pieces(text, parse_special, out);
  } else {
    encode_valid(text, parse_special, out);
  }
}

void RustEncoder::encode_pieces(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const {
  if (style_ == ByteStyle::None) {
    std::string repaired;
    for (size_t at = 0; at < text.size();) {
      const size_t length = utf8_character(text, at);
      repaired += length ? text.substr(at, length) : kReplacementCharacter;
      at += std::max<size_t>(length, 1);
    }
    return encode_valid(repaired, parse_special, out);
  }
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    if (const size_t length = writable(text, at)) {
      at += length;
      continue;
    }
    encode_valid(text.substr(begin, at - begin), parse_special, out);
    const size_t length = std::max<size_t>(utf8_character(text, at), 1);
    if (const uint32_t id = byte_ids_[uint8_t(text[at])]; length == 1 && id != kNoToken) {
      out.push_back(id);
    } else {
      encode_valid(kReplacementCharacter, parse_special, out);
    }
    at += length;
    begin = at;
  }
  encode_valid(text.substr(begin), parse_special, out);
}

void RustEncoder::encode_escaped(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const {
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_character(text, at);
    const bool stand_in = length == 4 && (decode_utf8(text.substr(at, 4)) & ~char32_t{0xFF}) == kStandIn;
    if (length && !stand_in) {
      escaped += text.substr(at, length);
    } else {
      for (char byte : text.substr(at, std::max<size_t>(length, 1))) append_utf8(escaped, kStandIn | uint8_t(byte));
    }
    at += std::max<size_t>(length, 1);
  }
  std::vector<uint32_t> ids;
  encode_valid(escaped, parse_special, ids);
  std::array<uint32_t, 4> wanted;
  for (size_t i = 0; i < ids.size(); ++i) {
    int found = -1;
    for (int byte = 0; i + 4 <= ids.size() && ids[i] == byte_ids_[0xF4] && byte < 256; ++byte) {
      std::string stand_in;
      append_utf8(stand_in, kStandIn | char32_t(byte));
      for (size_t k = 0; k < 4; ++k) wanted[k] = byte_ids_[uint8_t(stand_in[k])];
      if (std::equal(wanted.begin(), wanted.end(), ids.begin() + std::ptrdiff_t(i))) {
        found = byte;
        break;
      }
    }
    out.push_back(found < 0 ? ids[i] : byte_ids_[size_t(found)]);
    if (found >= 0) i += 3;
  }
}

void RustEncoder::encode_valid(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const {
  if (text.empty()) return;
  const size_t before = out.size();
  char* error = encode_within(tokenizer_.get(), text, parse_special, false, {&out, append_ids});
  if (!error) return;
  // The regular expressions give up on some long texts (a megabyte of blanks): two halves are easier.
  hearth_text_free(error);
  out.resize(before);
  size_t middle = text.size() / 2;
  while (middle > 0 && (uint8_t(text[middle]) & 0xC0) == 0x80) --middle;
  if (text.size() > kSmallPiece && middle > 0) {
    encode_valid(text.substr(0, middle), parse_special, out);
    encode_valid(text.substr(middle), parse_special, out);
    return;
  }
  for (char byte : text) {
    if (const uint32_t id = byte_ids_[uint8_t(byte)]; id != kNoToken) out.push_back(id);
  }
}

Result<std::vector<uint32_t>> RustEncoder::template_tokens() const {
  std::vector<uint32_t> ids;
  char* error = encode_within(tokenizer_.get(), {}, true, true, {&ids, append_ids});
  TRY(rust_result(error, ErrorKind::Invalid, "tokenizer.json"));
  return ids;
}

}  // namespace hearth::llm
