// Constrained decoding: grammars and their matchers, over llguidance.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "llm/tokenizer.h"

namespace hearth::llm {

// Immutable, thread-safe. What only a vocabulary or the compiled form can show (names of special tokens, a grammar that
// grows beyond the limits) is an error of Matcher::create instead.
class Grammar {
 public:
  static Result<std::shared_ptr<const Grammar>> from_json_schema(std::string_view schema);
  static Result<std::shared_ptr<const Grammar>> json();  // any JSON value
  static Result<std::shared_ptr<const Grammar>> from_regex(std::string_view regex);
  // Lark dialect; `::=` rules (GBNF, EBNF; the rule `root`, else the first, is the whole) are translated to it.
  static Result<std::shared_ptr<const Grammar>> from_ebnf(std::string_view grammar);
  const std::string& kind() const { return kind_; }  // json_schema, regex, lark
  const std::string& text() const { return text_; }

 private:
  Grammar(std::string kind, std::string text) : kind_(std::move(kind)), text_(std::move(text)) {}
  static Result<std::shared_ptr<const Grammar>> checked(std::string kind, std::string text);
  std::string kind_, text_;
};

// One parse in progress. Not thread-safe; forks are independent of each other.
class Matcher {
 public:
  static Result<std::unique_ptr<Matcher>> create(std::shared_ptr<const Grammar> grammar,
                                                 std::shared_ptr<const Tokenizer> tokenizer);
  virtual ~Matcher() = default;
  virtual Result<> accept(std::span<const uint32_t> tokens) = 0;  // on error the state before the call stays
  // 32 tokens a word, lowest bit first. Stop tokens are in where the text may end, alone where it must.
  virtual Result<std::vector<uint32_t>> next_mask() = 0;
  virtual bool terminated() const = 0;  // nothing but a stop token can follow, or one was accepted
  virtual void reset() = 0;
  virtual std::unique_ptr<Matcher> fork() const = 0;
  virtual Result<> rollback(size_t tokens) = 0;
  // The tokens that must come next whatever the model says: the tokenizer's own cut of the forced text, without its
  // last token where a longer one could begin there. Empty when there is a choice.
  virtual std::vector<uint32_t> forced_tokens() = 0;
};

}  // namespace hearth::llm
