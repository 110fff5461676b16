// A grammar as a stranger wrote it, and tokens as it allows them. The first byte chooses the kind.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "llm/grammar.h"

namespace {

std::shared_ptr<const hearth::llm::Tokenizer> byte_pieces() {
  hearth::llm::TokenizerSource source;
  source.model = "llama";
  source.tokens = {"</s>"};
  source.types = {3};
  for (int byte = 0; byte < 256; ++byte) {
    source.tokens.push_back(fmt::format("<0x{:02X}>", byte));
    source.types.push_back(6);
  }
  source.scores.assign(source.tokens.size(), 0);
  source.eos = 0;
  return hearth::llm::Tokenizer::create(source).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hearth::llm;
  static const std::shared_ptr<const Tokenizer> tokenizer = byte_pieces();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto grammar = data[0] % 3 == 0   ? Grammar::from_json_schema(text)
                       : data[0] % 3 == 1 ? Grammar::from_regex(text)
                                          : Grammar::from_ebnf(text);
  if (!grammar) return 0;
  const auto matcher = Matcher::create(*grammar, tokenizer);
  if (!matcher) return 0;
  for (int step = 0; step < 16 && !(*matcher)->terminated(); ++step) {
    const auto mask = (*matcher)->next_mask();
    if (!mask) return 0;  // a limit
    uint32_t token = 0;
    while (token < tokenizer->vocab_size() && !((*mask)[token / 32] >> (token % 32) & 1)) ++token;
    if (token == tokenizer->vocab_size()) return 0;
    if (!(*matcher)->accept({{token}})) std::abort();  // what the mask allows
  }
  return 0;
}
