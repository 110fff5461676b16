// Encoding by the `tokenizers` library, made safe for any bytes.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hearth_tokenizer.h"
#include "llm/tokenizer_encoder.h"

namespace hearth::llm {

struct RustTokenizerFree {
  void operator()(hearth_tokenizer* tokenizer) const { hearth_tokenizer_free(tokenizer); }
};
using RustTokenizer = std::unique_ptr<hearth_tokenizer, RustTokenizerFree>;

// The error text that an entry point returned as a Result; frees it.
Result<> rust_result(char* error, ErrorKind kind, std::string_view where);

enum class ByteStyle : uint8_t {
  None,       // the vocabulary has no bytes: ill-formed input becomes U+FFFD
  ByteLevel,  // every byte is a character of the byte-level alphabet; pieces encode independently
  Fallback,   // tokens like <0x0A>
};

class RustEncoder final : public Encoder {
 public:
  // byte_ids: the token of each byte, kNoToken where there is none.
  RustEncoder(RustTokenizer tokenizer, ByteStyle style, const std::array<uint32_t, 256>& byte_ids);
  void encode(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const override;
  Result<std::vector<uint32_t>> template_tokens() const;

 private:
  size_t writable(std::string_view text, size_t at) const;
  void encode_pieces(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const;
  void encode_escaped(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const;
  void encode_valid(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const;

  RustTokenizer tokenizer_;
  ByteStyle style_;
  std::array<uint32_t, 256> byte_ids_;
};

}  // namespace hearth::llm
