// A chat template as a stranger wrote it, rendered and cut into pieces. What pieces promise holds for templates that
// treat all texts alike, so there is nothing to hold a stranger's against.
#include <cstdint>
#include <string>

#include "llm/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth::llm;
  const auto made = ChatTemplate::create(std::string(reinterpret_cast<const char*>(data), size), "<s>", "</s>");
  if (!made) return 0;
  const ChatTemplate& chat = **made;
  const ChatMessage messages[] = {{"system", "Be kind."}, {"user", "hi"}, {"assistant", "ho"}, {"user", "he"}};
  (void)chat.render(messages, true, R"([{"name":"f","parameters":{}}])");
  (void)chat.system("Be kind.");
  (void)chat.user("hi", true);
  (void)chat.user("he", false);
  (void)chat.assistant("ho");
  return 0;
}
