// Text to token ids and back. Built from either kind of model file; thread-safe once built.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "llm/model_file.h"

namespace hearth::llm {

class TokenTree;  // grammar_tree.h

class Tokenizer {
 public:
  static Result<std::shared_ptr<const Tokenizer>> create(const TokenizerSource& source);
  virtual ~Tokenizer() = default;

  // Any bytes are accepted; ill-formed UTF-8 is encoded byte by byte where the vocabulary has bytes, else as U+FFFD
  // (as are characters with a byte that a byte-level vocabulary lacks).
  // parse_special: special tokens written in the text become their ids; else they are ordinary text.
  // No begin-of-text token is added.
  virtual std::vector<uint32_t> encode(std::string_view text, bool parse_special) const = 0;
  // Exact bytes, which may end inside a character: token_bytes of each, one after another (so the space that
  // SentencePiece-style encoding puts before a text is there). An id outside the vocabulary is Invalid. skip_special
  // leaves out control tokens.
  virtual Result<std::string> decode(std::span<const uint32_t> tokens, bool skip_special = false) const = 0;

  virtual uint32_t vocab_size() const = 0;
  virtual const std::string& token_bytes(uint32_t id) const = 0;  // as decode gives it; a special token's own text
  virtual bool is_special(uint32_t id) const = 0;
  virtual std::span<const uint32_t> special_tokens() const = 0;  // ascending
  virtual std::optional<uint32_t> bos() const = 0;
  virtual std::span<const uint32_t> stop_tokens() const = 0;  // end-of-text and end-of-turn tokens
  virtual bool add_bos() const = 0;
  // Of the pre-tokenizer, several in a row as alternatives; empty when it has none.
  virtual const std::string& split_regex() const = 0;
  virtual std::string_view text_of(uint32_t id) const = 0;  // as the vocabulary writes it

  // The vocabulary as grammars need it: made on the first call, lives as long as this.
  Result<const TokenTree*> token_tree() const;

 private:
  mutable std::once_flag tree_once_;
  mutable std::shared_ptr<const TokenTree> tree_;  // shared_ptr: it can be destroyed where the type is not complete
  mutable Error tree_error_;
};

// Bytes to text that never ends inside a character: what is incomplete waits for the next push. At the end, flush()
// gives U+FFFD for an unfinished rest. Ill-formed bytes in the middle become U+FFFD.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string flush();

 private:
  std::string rest_;
};

}  // namespace hearth::llm
