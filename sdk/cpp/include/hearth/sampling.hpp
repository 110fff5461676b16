// How the next token is chosen, and grammars that say which may be.
#pragma once

#include "hearth/model.hpp"

namespace hearth {

// The usual choice: the temperature, then top_k, min_p, top_p. All of it happens on the engine. A number out of its
// range is the error of the pass.
struct Sampling {
  float temperature = 0.7f;  // from 0 up; 0: always the most probable token
  uint32_t top_k = 0;        // only the k most probable; 0: all
  float top_p = 1.0f;        // 0 to 1: only the most probable that together reach p; 1: all
  float min_p = 0.0f;        // 0 to 1: only tokens at least p times as probable as the first; 0: all
  // The same seed behind the same tokens draws the same token, whatever else the engine computes; 0: a fresh one.
  uint64_t seed = 0;
};

// Runs of alternating bits over the vocabulary, the first run zeros: which tokens may be drawn.
using Mask = std::vector<uint32_t>;

// A language over texts.
class Grammar : public binding::Handle<pie_core_inference_own_grammar_t, pie_core_inference_grammar_drop_own,
                                       pie_core_inference_borrow_grammar> {
 public:
  using Handle::Handle;
  static Result<Grammar> from_json_schema(std::string_view schema);
  static Result<Grammar> from_regex(std::string_view pattern);
  static Result<Grammar> from_ebnf(std::string_view text);
  static Grammar json();  // any JSON value
  std::string text() const;
};

// A walk through a grammar. Give it every token that is drawn, and its mask to the pass that draws the next.
class Matcher : public binding::Handle<pie_core_inference_own_matcher_t, pie_core_inference_matcher_drop_own,
                                       pie_core_inference_borrow_matcher> {
 public:
  using Handle::Handle;
  Matcher(const Grammar& grammar, const Tokenizer& tokenizer);
  Result<> accept(std::span<const uint32_t> tokens);  // error: not allowed here; nothing has changed then
  Mask mask() const;                                  // what may come next
  bool finished() const;                              // complete, and nothing can follow
  void reset();
};

}  // namespace hearth
