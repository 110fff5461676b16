#include "llm/tokenizer.h"

#include <algorithm>

#include "base/quote_bytes.h"
#include "llm/tokenizer_encoder.h"

namespace hearth::llm {
namespace {

// Texts of tokens that end a turn or a text in the model families we serve: files name one or two of theirs at most.
constexpr std::string_view kStopTexts[] = {
    "<|im_end|>",      "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>",
    "<|end_of_turn|>", "<|end|>",    "</s>",       "<eos>",           "<|EOT|>",       "<｜end▁of▁sentence｜>"};

class VocabularyTokenizer final : public Tokenizer {
 public:
  VocabularyTokenizer(TokenizerParts parts, const TokenizerSource& source) : parts_(std::move(parts)) {
    const Vocabulary& vocabulary = parts_.vocabulary;
    bos_ = source.bos;
    const bool template_begins = !parts_.template_tokens.empty() && vocabulary.special(parts_.template_tokens[0]);
    if (!bos_ && template_begins) bos_ = parts_.template_tokens[0];
    add_bos_ = bos_ && (source.add_bos || (template_begins && parts_.template_tokens[0] == *bos_));
    for (const std::optional<uint32_t>& id : {source.eos, source.eot}) {
      if (id) stops_.push_back(*id);
    }
    for (const uint32_t id : source.stops) {
      if (id < vocabulary.size()) stops_.push_back(id);  // a model may have more rows than tokens
    }
    for (uint32_t id = 0; id < vocabulary.size(); ++id) {
      if (vocabulary.special(id)) specials_.push_back(id);
      const bool candidate = vocabulary.special(id) || vocabulary.kind[id] == TokenKind::Added;
      if (candidate && std::ranges::find(kStopTexts, vocabulary.text[id]) != std::end(kStopTexts)) {
        stops_.push_back(id);
      }
    }
    std::ranges::sort(stops_);
    stops_.erase(std::unique(stops_.begin(), stops_.end()), stops_.end());
  }

  std::vector<uint32_t> encode(std::string_view text, bool parse_special) const override {
    std::vector<uint32_t> out;
    parts_.encoder->encode(text, parse_special, out);
    return out;
  }

  Result<std::string> decode(std::span<const uint32_t> tokens, bool skip_special) const override {
    std::string out;
    for (uint32_t id : tokens) {
      if (id >= vocab_size()) {
        return fail(ErrorKind::Invalid, "[tokenizer] token id; got {}, need less than {}", id, vocab_size());
      }
      if (!skip_special || !is_special(id)) out += parts_.vocabulary.bytes[id];
    }
    return out;
  }

  uint32_t vocab_size() const override { return parts_.vocabulary.size(); }
  const std::string& token_bytes(uint32_t id) const override {
    return id < vocab_size() ? parts_.vocabulary.bytes[id] : nothing_;
  }
  bool is_special(uint32_t id) const override { return id < vocab_size() && parts_.vocabulary.special(id); }
  std::span<const uint32_t> special_tokens() const override { return specials_; }
  std::optional<uint32_t> bos() const override { return bos_; }
  std::span<const uint32_t> stop_tokens() const override { return stops_; }
  bool add_bos() const override { return add_bos_; }
  const std::string& split_regex() const override { return parts_.split_regex; }
  std::string_view text_of(uint32_t id) const override {
    return id < vocab_size() ? std::string_view(parts_.vocabulary.text[id]) : std::string_view();
  }

 private:
  TokenizerParts parts_;
  std::string nothing_;
  std::vector<uint32_t> specials_, stops_;
  std::optional<uint32_t> bos_;
  bool add_bos_ = false;
};

Result<TokenizerParts> make_parts(const TokenizerSource& source) {
  if (!source.tokenizer_json.empty()) return tokenizer_parts_from_json(source);
  if (source.model == "gpt2") return tokenizer_parts_from_bpe(source);
  if (source.model == "llama") return tokenizer_parts_from_spm(source);
  return fail(ErrorKind::Unsupported,
              "[tokenizer] model; got {}, need gpt2 (byte-level BPE), llama (SentencePiece) or a tokenizer.json",
              quote_bytes(source.model));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::create(const TokenizerSource& source) {
  ASSIGN_OR_RETURN(TokenizerParts parts, make_parts(source));
  const std::pair<const char*, std::optional<uint32_t>> named[] = {
      {"begin-of-text", source.bos}, {"end-of-text", source.eos}, {"end-of-turn", source.eot}};
  for (const auto& [name, id] : named) {
    if (id && *id >= parts.vocabulary.size()) {
      return fail(ErrorKind::Invalid, "[tokenizer] {} token; got id {}, need less than {}", name, *id,
                  parts.vocabulary.size());
    }
  }
  return std::make_shared<const VocabularyTokenizer>(std::move(parts), source);
}

}  // namespace hearth::llm
