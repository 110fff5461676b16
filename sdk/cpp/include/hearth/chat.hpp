// Conversations in the form that a model was trained on. The templates live in the host, per model.
#pragma once

#include "hearth/context.hpp"

namespace hearth {

// Tokens that end a reply of this model.
std::vector<uint32_t> stop_tokens(const Model& model);

class Chat {
 public:
  // Appends to the context, which must outlive it and usually is empty at first.
  explicit Chat(Context& context);

  void system(std::string_view text);  // what it is about; first, at most once
  void user(std::string_view text);
  void assistant(std::string_view text);  // an earlier reply

  // The ends of a reply, for those who generate it themselves.
  void cue();   // opens it
  void seal();  // closes it

  // Opens the reply, writes it, closes it. The stop tokens of the model are added to those of the limits.
  Result<Generation> reply(const Sampling& sampling, const Limits& limits = {}, TextSink sink = {},
                           Matcher* matcher = nullptr);

 private:
  Context* context_;
  std::vector<uint32_t> stop_tokens_;
  binding::Handle<pie_instruct_chat_own_decoder_t, pie_instruct_chat_decoder_drop_own, pie_instruct_chat_borrow_decoder>
      decoder_;
};

}  // namespace hearth
