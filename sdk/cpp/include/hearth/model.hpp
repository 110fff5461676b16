// Models and their tokenizers.
#pragma once

#include "hearth/binding.hpp"

namespace hearth {

// Names of the models that the engine serves; the first is the default.
std::vector<std::string> models();

class Tokenizer : public binding::Handle<pie_core_model_own_tokenizer_t, pie_core_model_tokenizer_drop_own,
                                         pie_core_model_borrow_tokenizer> {
 public:
  using Handle::Handle;

  std::vector<uint32_t> encode(std::string_view text) const;
  // Bytes that are no UTF-8 (half a character at the end, say) become U+FFFD. For text as it comes: TextStream.
  Result<std::string> decode(std::span<const uint32_t> tokens) const;

  struct Vocabulary {
    std::vector<uint32_t> tokens;
    std::vector<std::string> bytes;  // of tokens[i]; not always UTF-8
  };
  Vocabulary vocabulary() const;      // large: ask once
  Vocabulary special_tokens() const;  // begin, end of turn, …
  std::string split_regex() const;
};

class Model
    : public binding::Handle<pie_core_model_own_model_t, pie_core_model_model_drop_own, pie_core_model_borrow_model> {
 public:
  using Handle::Handle;

  // The named model, or the default one. Cheap: the weights are shared by all guests.
  static Result<Model> load(std::string_view name = {});

  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  friend class Context;
  explicit Model(pie_core_model_own_model_t raw);
  Tokenizer tokenizer_;
};

// Turns tokens into text piece by piece and never cuts a character: bytes that may be the beginning of one wait for the
// next token. The model must outlive it.
class TextStream {
 public:
  explicit TextStream(const Model& model) : tokenizer_(&model.tokenizer()) {}

  // The text that became certain; empty while a character is incomplete.
  Result<std::string> feed(uint32_t token);
  // What is left when no more tokens come (U+FFFD for what never became a character). Ready for another text then.
  std::string finish();

 private:
  // Tokenizers may treat the first token of a text in a special way, so each piece is decoded behind the one before it.
  const Tokenizer* tokenizer_;
  std::vector<uint32_t> tokens_;  // the piece before, then what is not certain yet
  size_t certain_ = 0;            // tokens of the piece before
  std::string before_;            // its text
  std::string tail_;              // text of what is not certain yet
};

}  // namespace hearth
