// pie:core/inference: grammars and matchers.
#include "engine/brle.h"
#include "inferlet/host/guest.h"

namespace hearth::inferlet {
namespace {

Result<Own<Grammar>> adopt(Guest& guest, Result<std::shared_ptr<const llm::Grammar>> grammar) {
  if (!grammar) return std::unexpected(std::move(grammar).error());
  return guest.resources.add(std::make_unique<Grammar>(*std::move(grammar)));
}

}  // namespace

void bind_grammar(Binder& binder) {
  Interface<Guest> inference(binder, "pie:core/inference");
  inference.resource<Grammar>().resource<Matcher>();
  inference.static_method<Grammar>(
      "from-json-schema",
      +[](Guest& guest, std::string_view schema) { return adopt(guest, llm::Grammar::from_json_schema(schema)); });
  inference.static_method<Grammar>(
      "json", +[](Guest& guest) -> Trapping<Own<Grammar>> {
        auto grammar = adopt(guest, llm::Grammar::json());
        if (!grammar) return trap(std::move(grammar).error());
        return *grammar;
      });
  inference.static_method<Grammar>(
      "from-regex",
      +[](Guest& guest, std::string_view pattern) { return adopt(guest, llm::Grammar::from_regex(pattern)); });
  inference.static_method<Grammar>(
      "from-ebnf",
      +[](Guest& guest, std::string_view grammar) { return adopt(guest, llm::Grammar::from_ebnf(grammar)); });
  inference.method("to-string", +[](Guest&, Grammar& self) { return self.grammar->text(); });

  inference.constructor<Matcher>(+[](Guest& guest, Grammar& grammar, Tokenizer& tokenizer) -> Trapping<Own<Matcher>> {
    auto matcher = llm::Matcher::create(grammar.grammar, tokenizer.tokenizer);
    if (!matcher) return trap(std::move(matcher).error());
    return guest.give(std::make_unique<Matcher>(*std::move(matcher), tokenizer.tokenizer->vocab_size()));
  });
  inference.method(
      "accept-tokens",
      +[](Guest&, Matcher& self, std::vector<uint32_t> tokens) -> Result<> { return self.matcher->accept(tokens); });
  inference.method(
      "next-token-logit-mask", +[](Guest&, Matcher& self) -> Trapping<std::vector<uint32_t>> {
        auto mask = self.matcher->next_mask();
        if (!mask) return trap(std::move(mask).error());
        return engine::Brle::encode(*mask, self.vocab_size).runs;
      });
  inference.method("is-terminated", +[](Guest&, Matcher& self) { return self.matcher->terminated(); });
  inference.method("reset", +[](Guest&, Matcher& self) { self.matcher->reset(); });
}

}  // namespace hearth::inferlet
