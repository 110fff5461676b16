// A chat template as a stranger wrote it, rendered and cut into pieces.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "llm/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth::llm;
  const auto made = ChatTemplate::create(std::string(reinterpret_cast<const char*>(data), size), "<s>", "</s>");
  if (!made) return 0;
  const ChatTemplate& chat = **made;
  const ChatMessage messages[] = {{"system", "Be kind."}, {"user", "hi"}, {"assistant", "ho"}, {"user", "he"}};
  const auto whole = chat.render(messages, true, R"([{"name":"f","parameters":{}}])");
  const auto system = chat.system("Be kind."), first = chat.user("hi", true), later = chat.user("he", false),
             reply = chat.assistant("ho");
  // What the pieces promise where they exist.
  if (first) {
    const ChatMessage one[] = {{"user", "hi"}};
    const auto asked = chat.render(one, true);
    if (asked && *asked != *first + chat.cue()) std::abort();
  }
  return 0;
}
