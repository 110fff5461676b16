// Tokenizer sources and texts as a stranger wrote them: a tokenizer.json, or GGUF-like lists, and bytes to encode.
// The first byte chooses; a line of its own "====" parts the source from the text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "llm/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth::llm;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const char choice = input[0];
  input.remove_prefix(1);
  const size_t part = input.find("\n====\n");
  const std::string_view description = input.substr(0, part);
  const std::string_view text = part == std::string_view::npos ? input : input.substr(part + 6);

  TokenizerSource source;
  if (choice == '{') {
    source.tokenizer_json = "{" + std::string(description);
  } else {
    // One token a line: its type as a digit, its score as a character, its text; lines with a blank are merges.
    source.model = choice & 1 ? "gpt2" : "llama";
    source.pre = choice & 2 ? "llama-bpe" : "smollm";
    source.add_space_prefix = choice & 4;
    for (size_t at = 0; at < description.size();) {
      const size_t end = std::min(description.find('\n', at), description.size());
      const std::string_view line = description.substr(at, end - at);
      at = end + 1;
      if (line.contains(' ')) {
        source.merges.emplace_back(line);
      } else if (line.size() > 2) {
        source.types.push_back(line[0] - '0');
        source.scores.push_back(float(line[1]));
        source.tokens.emplace_back(line.substr(2));
      }
    }
    source.eos = uint32_t(choice) / 8;
  }
  const auto tokenizer = Tokenizer::create(source);
  if (!tokenizer) return 0;
  for (bool special : {false, true}) {
    const auto ids = (*tokenizer)->encode(text, special);
    const auto decoded = (*tokenizer)->decode(ids);
    if (!decoded) std::abort();  // an id of its own that it does not know
    Utf8Stream stream;
    stream.push(*decoded);
    stream.flush();
  }
  return 0;
}
