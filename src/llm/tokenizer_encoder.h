// The half of a tokenizer that turns text into ids, and the vocabulary that every encoder works on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "llm/model_file.h"

namespace hearth::llm {

enum class TokenKind : uint8_t {
  Absent,   // no token has this id
  Plain,    //
  Added,    // found in any text, before anything else
  Special,  // control: found only when special tokens are parsed
  Byte,     // one byte, for what the vocabulary cannot write otherwise
  Unknown,  // stands for what cannot be written
  Unused,   // never produced
};

struct Vocabulary {
  std::vector<std::string> text;   // as the file writes it
  std::vector<std::string> bytes;  // what it stands for
  std::vector<TokenKind> kind;

  uint32_t size() const { return uint32_t(text.size()); }
  bool special(uint32_t id) const { return kind[id] == TokenKind::Special || kind[id] == TokenKind::Unknown; }
};

inline constexpr size_t kMaxVocabulary = size_t{1} << 22;       // tokens
inline constexpr size_t kMaxTokenizerJson = size_t{256} << 20;  // bytes
inline constexpr uint32_t kNoToken = UINT32_MAX;

// Thread-safe once built.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends the ids of `text`, any bytes. Never fails: see Tokenizer::encode.
  virtual void encode(std::string_view text, bool parse_special, std::vector<uint32_t>& out) const = 0;
};

// A vocabulary with its encoder, and what else the source says.
struct TokenizerParts {
  Vocabulary vocabulary;
  std::unique_ptr<Encoder> encoder;
  std::string split_regex;
  std::vector<uint32_t> template_tokens;  // what a tokenizer.json puts before every text
};

Result<TokenizerParts> tokenizer_parts_from_json(const TokenizerSource& source);  // tokenizer_json.cpp
Result<TokenizerParts> tokenizer_parts_from_bpe(const TokenizerSource& source);   // tokenizer_bpe.cpp
Result<TokenizerParts> tokenizer_parts_from_spm(const TokenizerSource& source);   // tokenizer_spm.cpp

// The value of a byte token's text ("<0x0A>"), or -1.
int byte_token_value(std::string_view text);
// The kinds that a GGUF token type list gives; checks the lists against each other.
Result<std::vector<TokenKind>> gguf_token_kinds(const TokenizerSource& source);

}  // namespace hearth::llm
