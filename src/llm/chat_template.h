// The model's own Jinja chat template. Thread-safe. Bounded in instructions, output, heap and processor time: a hostile
// template is an error.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hearth::llm {

struct ChatMessage {
  std::string role;     // system, user, assistant, tool
  std::string content;  // ill-formed UTF-8 becomes U+FFFD
};

class ChatTemplate {
 public:
  // bos/eos: the texts of those tokens, which templates print themselves. An empty source gives a plain
  // "role: content" form.
  static Result<std::shared_ptr<const ChatTemplate>> create(std::string source, std::string bos, std::string eos);
  virtual ~ChatTemplate() = default;

  // tools_json: a JSON list of tools, as the template wants them; empty: none.
  virtual Result<std::string> render(std::span<const ChatMessage> messages, bool add_generation_prompt,
                                     std::string_view tools_json = {}) const = 0;

  // The pieces that guests append one by one (pie:instruct/chat), found by rendering conversations with and without
  // them: system + user(…, false) + cue, or user(…, true) + cue, is what render gives for the same messages with
  // add_generation_prompt, and so on through later turns. A template whose text for a turn depends on later ones, or
  // that writes one message into another, has no such pieces: they are Unsupported errors that say why, and cue and
  // seal are empty.
  // Opens the conversation (with bos if the template prints it).
  virtual Result<std::string> system(std::string_view message) const = 0;
  // `first`: nothing precedes it, so what the template puts before a first user turn (bos, default system text) comes
  // with it.
  virtual Result<std::string> user(std::string_view message, bool first) const = 0;
  virtual Result<std::string> assistant(
      std::string_view message) const = 0;      // a whole earlier reply, opened and closed
  virtual const std::string& cue() const = 0;   // opens the reply
  virtual const std::string& seal() const = 0;  // closes it
};

}  // namespace hearth::llm
