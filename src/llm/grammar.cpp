#include "llm/grammar.h"

#include "hearth_grammar.h"
#include "llm/grammar_ebnf.h"
#include "llm/grammar_tree.h"
#include "llm/tokenizer_rust.h"

namespace hearth::llm {
namespace {

constexpr size_t kMaxSchema = size_t{1} << 20;            // bytes of a JSON schema
constexpr size_t kMaxGrammar = size_t{64} << 10;          // bytes of a regular expression or a Lark grammar
constexpr hearth_budget kBudget{size_t{1} << 30, 5'000};  // of one grammar: heap and processor time

// Rules of a Lark grammar: no more than lines that begin with a name and have a colon. What follows an error deep in a
// chain of rules takes time with the square of its length.
size_t count_rules(std::string_view lark) {
  size_t rules = 0;
  while (!lark.empty()) {
    const size_t end = lark.find('\n');
    const std::string_view line = lark.substr(0, end);
    lark.remove_prefix(end == std::string_view::npos ? lark.size() : end + 1);
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) continue;
    const char first = line[begin];
    const bool name = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
    rules += (name || std::string_view("_!?%").contains(first)) && line.contains(':');
  }
  return rules;
}

int rust_kind(std::string_view kind) {
  return kind == "json_schema" ? HEARTH_GRAMMAR_JSON_SCHEMA
         : kind == "regex"     ? HEARTH_GRAMMAR_REGEX
                               : HEARTH_GRAMMAR_LARK;
}

void append_words(void* context, const void* bytes, size_t size) {
  const auto* first = static_cast<const uint32_t*>(bytes);
  auto* words = static_cast<std::vector<uint32_t>*>(context);
  words->insert(words->end(), first, first + size / sizeof(uint32_t));
}

void append_text(void* context, const void* bytes, size_t size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(bytes), size);
}

struct MatcherFree {
  void operator()(hearth_matcher* matcher) const { hearth_matcher_free(matcher); }
};
using RustMatcher = std::unique_ptr<hearth_matcher, MatcherFree>;

class GrammarMatcher final : public Matcher {
 public:
  GrammarMatcher(RustMatcher matcher, std::shared_ptr<const Tokenizer> tokenizer)
      : matcher_(std::move(matcher)), tokenizer_(std::move(tokenizer)) {}

  Result<> accept(std::span<const uint32_t> tokens) override {
    return rust_result(hearth_matcher_accept(matcher_.get(), tokens.data(), tokens.size()), ErrorKind::Invalid,
                       "grammar");
  }

  Result<std::vector<uint32_t>> next_mask() override {
    std::vector<uint32_t> words;
    TRY(rust_result(hearth_matcher_mask(matcher_.get(), {&words, append_words}), ErrorKind::Limit, "grammar"));
    return words;
  }

  bool terminated() const override { return hearth_matcher_terminated(matcher_.get()); }
  void reset() override { hearth_text_free(hearth_matcher_reset(matcher_.get())); }

  std::unique_ptr<Matcher> fork() const override {
    RustMatcher forked(hearth_matcher_fork(matcher_.get()));
    CHECK(forked);
    return std::make_unique<GrammarMatcher>(std::move(forked), tokenizer_);
  }

  Result<> rollback(size_t tokens) override {
    return rust_result(hearth_matcher_rollback(matcher_.get(), tokens), ErrorKind::Invalid, "grammar");
  }

  std::vector<uint32_t> forced_tokens() override {
    std::string text;
    // A matcher that has failed forces nothing; its next mask says why it failed.
    hearth_text_free(hearth_matcher_forced(matcher_.get(), {&text, append_text}));
    std::vector<uint32_t> tokens = tokenizer_->encode(text, false);
    // What follows may join the last piece.
    if (!tokens.empty()) tokens.pop_back();
    const Result<std::string> written = tokenizer_->decode(tokens);
    // Tokenizers that put a space before a text cannot cut a middle piece by itself.
    if (!written || !text.starts_with(*written)) tokens.clear();
    return tokens;
  }

 private:
  RustMatcher matcher_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

Result<std::shared_ptr<const TokenTree>> plant(const Tokenizer& tokenizer) {
  const uint32_t count = tokenizer.vocab_size();
  std::string bytes;
  std::vector<size_t> ends(count);
  std::vector<uint8_t> special(count);
  for (uint32_t id = 0; id < count; ++id) {
    bytes += tokenizer.token_bytes(id);
    ends[id] = bytes.size();
    special[id] = tokenizer.is_special(id);
  }
  // A stop token that is not marked special would be found in text.
  for (uint32_t id : tokenizer.stop_tokens()) special[id] = 1;
  const hearth_token_tree_parts parts{
      bytes.data(), ends.data(), count, special.data(), tokenizer.stop_tokens().data(), tokenizer.stop_tokens().size()};
  hearth_token_tree* made = nullptr;
  TRY(rust_result(hearth_token_tree_create(&parts, &made), ErrorKind::Unsupported, "grammar"));
  return std::make_shared<const TokenTree>(made);
}

}  // namespace

Result<const TokenTree*> Tokenizer::token_tree() const {
  std::call_once(tree_once_, [this] {
    if (auto planted = plant(*this)) {
      tree_ = std::move(*planted);
    } else {
      tree_error_ = std::move(planted).error();
    }
  });
  if (!tree_) return std::unexpected(tree_error_);
  return tree_.get();
}

Result<std::shared_ptr<const Grammar>> Grammar::checked(std::string kind, std::string text) {
  const size_t limit = kind == "json_schema" ? kMaxSchema : kMaxGrammar;
  if (text.empty() || text.size() > limit) {
    return fail(ErrorKind::Invalid, "[grammar] {}; got {} bytes, need 1 to {}", kind, text.size(), limit);
  }
  TRY(rust_result(hearth_grammar_check(rust_kind(kind), text.data(), text.size(), kBudget), ErrorKind::Invalid,
                  "grammar"));
  return std::shared_ptr<const Grammar>(new Grammar(std::move(kind), std::move(text)));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_json_schema(std::string_view schema) {
  return checked("json_schema", std::string(schema));
}

Result<std::shared_ptr<const Grammar>> Grammar::json() {
  return checked("json_schema", "{}");
}

Result<std::shared_ptr<const Grammar>> Grammar::from_regex(std::string_view regex) {
  return checked("regex", std::string(regex));
}

Result<std::shared_ptr<const Grammar>> Grammar::from_ebnf(std::string_view grammar) {
  if (!grammar.contains("::=")) {
    if (const size_t rules = count_rules(grammar); rules > kMaxRules) {
      return fail(ErrorKind::Limit, "[grammar] rules; got {}, need at most {}", rules, kMaxRules);
    }
    return checked("lark", std::string(grammar));
  }
  if (grammar.size() > kMaxGrammar) {
    return fail(ErrorKind::Limit, "[grammar] ebnf; got {} bytes, need at most {}", grammar.size(), kMaxGrammar);
  }
  ASSIGN_OR_RETURN(std::string lark, lark_from_ebnf(grammar));
  return checked("lark", std::move(lark));
}

Result<std::unique_ptr<Matcher>> Matcher::create(std::shared_ptr<const Grammar> grammar,
                                                 std::shared_ptr<const Tokenizer> tokenizer) {
  ASSIGN_OR_RETURN(const TokenTree* tree, tokenizer->token_tree());
  hearth_matcher* made = nullptr;
  const std::string& text = grammar->text();
  TRY(rust_result(
      hearth_matcher_create(tree->get(), rust_kind(grammar->kind()), text.data(), text.size(), kBudget, &made),
      ErrorKind::Invalid, "grammar"));
  return std::make_unique<GrammarMatcher>(RustMatcher(made), std::move(tokenizer));
}

}  // namespace hearth::llm
