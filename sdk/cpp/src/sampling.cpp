#include "hearth/sampling.hpp"

namespace hearth {
namespace {

Result<Grammar> grammar_from(bool (*make)(hearth_guest_string_t*, pie_core_inference_own_grammar_t*,
                                          pie_core_inference_error_t*),
                             std::string_view text) {
  auto raw_text = binding::text(text);
  pie_core_inference_own_grammar_t grammar;
  hearth_guest_string_t error;
  if (!make(&raw_text, &grammar, &error)) return fail(binding::take(error));
  return Grammar(grammar);
}

}  // namespace

Result<Grammar> Grammar::from_json_schema(std::string_view schema) {
  return grammar_from(pie_core_inference_static_grammar_from_json_schema, schema);
}
Result<Grammar> Grammar::from_regex(std::string_view pattern) {
  return grammar_from(pie_core_inference_static_grammar_from_regex, pattern);
}
Result<Grammar> Grammar::from_ebnf(std::string_view text) {
  return grammar_from(pie_core_inference_static_grammar_from_ebnf, text);
}
Grammar Grammar::json() {
  return Grammar(pie_core_inference_static_grammar_json());
}

std::string Grammar::text() const {
  hearth_guest_string_t text;
  pie_core_inference_method_grammar_to_string(borrow(), &text);
  return binding::take(text);
}

Matcher::Matcher(const Grammar& grammar, const Tokenizer& tokenizer)
    : Handle(pie_core_inference_constructor_matcher(grammar.borrow(), tokenizer.borrow())) {}

Result<> Matcher::accept(std::span<const uint32_t> tokens) {
  auto raw_tokens = binding::list(tokens);
  hearth_guest_string_t error;
  if (!pie_core_inference_method_matcher_accept_tokens(borrow(), &raw_tokens, &error))
    return fail(binding::take(error));
  return {};
}

Mask Matcher::mask() const {
  pie_core_inference_brle_t mask;
  pie_core_inference_method_matcher_next_token_logit_mask(borrow(), &mask);
  hearth_guest_list_u32_t runs{mask.ptr, mask.len};
  return binding::take(runs);
}

bool Matcher::finished() const {
  return pie_core_inference_method_matcher_is_terminated(borrow());
}
void Matcher::reset() {
  pie_core_inference_method_matcher_reset(borrow());
}

}  // namespace hearth
