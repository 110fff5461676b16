// Contexts: what the model has read. Appended tokens wait in the guest until a pass needs them, so that a prompt put
// together from pieces is one pass.
#pragma once

#include "hearth/function_ref.hpp"
#include "hearth/future.hpp"
#include "hearth/model.hpp"
#include "hearth/sampling.hpp"

namespace hearth {

// A pass under way that gives the next token of a context. Append the token to the context to go on.
class NextToken
    : public binding::Handle<pie_core_inference_own_future_output_t, pie_core_inference_future_output_drop_own,
                             pie_core_inference_borrow_future_output> {
 public:
  using Handle::Handle;
  Pollable pollable() const { return Pollable(pie_core_inference_method_future_output_pollable(borrow())); }
  Result<std::optional<uint32_t>> get() const;  // none while it is under way
  Result<uint32_t> wait() const;
};

// When generate() ends.
struct Limits {
  uint32_t max_tokens = 256;
  std::vector<uint32_t> stop_tokens = {};  // each ends the text and is not part of it
};

struct Generation {
  std::vector<uint32_t> tokens;  // without the stop token
  std::string text;
  bool stopped = false;  // it ended by itself; else max_tokens were reached
};

class Context : public binding::Handle<pie_core_context_own_context_t, pie_core_context_context_drop_own,
                                       pie_core_context_borrow_context> {
 public:
  // An empty context. The model must outlive it.
  static Result<Context> create(const Model& model);
  // From a snapshot that save() kept, in this run or an earlier one: a fork of it, or the thing itself (its name is
  // free then).
  static Result<Context> open(const Model& model, std::string_view name);
  static Result<Context> take(const Model& model, std::string_view name);
  static Result<> remove(const Model& model, std::string_view name);

  // ---- what is read
  void append(std::span<const uint32_t> tokens) { pending_.insert(pending_.end(), tokens.begin(), tokens.end()); }
  void append(uint32_t token) { pending_.push_back(token); }
  void append(std::string_view text) { append(model_->tokenizer().encode(text)); }
  uint64_t size() const { return computed_ + pending_.size(); }  // tokens, computed or waiting

  // Computes what waits, except for the last token, which the next pass needs to start from.
  Result<> flush();
  // An independent continuation of the same text. Full pages are shared, not copied; what waits is computed first.
  Result<Context> fork();
  // Keeps a snapshot under a name of your choice or of the runtime's. Everything is computed first: a context made from
  // it needs something appended before it can go on.
  Result<> save(std::string_view name);
  Result<std::string> snapshot();
  // Forgets the last tokens: those that wait, then computed ones outside committed pages. When it reached computed
  // ones, append something before going on.
  Result<> truncate(uint64_t tokens);
  // Makes full pages immutable and visible to others with the same prefix. flush, fork, save and generate do so for
  // what they read; what they write stays open to truncate.
  Result<> commit();
  // Frees device memory until the next pass.
  Result<> suspend();
  // What keeping its pages is worth when they run short; 0 unless set.
  void bid(double value) const { pie_core_context_method_context_bid(borrow(), value); }

  // ---- what is written
  // Computes what waits and draws the token after it. One pass of a context at a time: wait for it before anything
  // else.
  Result<NextToken> next(const Sampling& sampling, const Mask* allowed = nullptr);
  // Token after token until a stop token or the limit. `sink` receives the text as it comes. The tokens are appended.
  // With a matcher only what its grammar allows is drawn, and the end of the grammar ends the text.
  Result<Generation> generate(const Sampling& sampling, const Limits& limits = {}, TextSink sink = {},
                              Matcher* matcher = nullptr);
  // The same for other ways to make text of tokens: `feed` gets every token but stop tokens and says whether to go on.
  Result<Generation> generate_tokens(const Sampling& sampling, const Limits& limits,
                                     FunctionRef<Result<bool>(uint32_t)> feed, Matcher* matcher = nullptr);

  const Model& model() const { return *model_; }

 private:
  Context(pie_core_context_own_context_t raw, const Model& model);
  Result<NextToken> execute(size_t tokens, const Sampling* sampling, const Mask* allowed);
  Result<> compute(size_t tokens);

  const Model* model_;
  uint64_t computed_ = 0;          // tokens that the host has
  std::vector<uint32_t> pending_;  // tokens that wait
};

}  // namespace hearth
