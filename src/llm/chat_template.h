// The model's own Jinja chat template. Thread-safe. Bounded: fuel and output size limits make a hostile template an
// error.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::llm {

struct ChatMessage {
  std::string role;  // system, user, assistant, tool
  std::string content;
};

class ChatTemplate {
 public:
  // bos/eos: the texts of those tokens, which templates print themselves. An empty source gives a plain
  // "role: content" form.
  static Result<std::shared_ptr<const ChatTemplate>> create(std::string source, std::string bos, std::string eos);
  virtual ~ChatTemplate() = default;

  virtual Result<std::string> render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                                     std::string_view tools_json = {}) const = 0;

  // The pieces that guests append one by one (pie:instruct/chat), found by rendering conversations with and without
  // them:
  virtual Result<std::string> system(
      std::string_view message) const = 0;  // opens the conversation (with bos if the template prints it)
  // `first`: nothing precedes it, so what the template puts before a first user turn (bos, default system text) comes
  // with it.
  virtual Result<std::string> user(std::string_view message, bool first) const = 0;
  virtual Result<std::string> assistant(
      std::string_view message) const = 0;      // a whole earlier reply, opened and closed
  virtual const std::string& cue() const = 0;   // opens the reply
  virtual const std::string& seal() const = 0;  // closes it
};

}  // namespace hearth::llm
