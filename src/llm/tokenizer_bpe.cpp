// Byte-level BPE from the lists of a GGUF file.
#include <algorithm>

#include "llm/tokenizer_byte_level.h"
#include "llm/tokenizer_pre.h"
#include "llm/tokenizer_rust.h"

namespace hearth::llm {
namespace {

// Texts one after another, as the library takes them.
class Flat {
 public:
  template <class Texts>
  explicit Flat(const Texts& texts) {
    size_t size = 0;
    for (const auto& text : texts) size += text.size();
    bytes_.reserve(size);
    ends_.reserve(texts.size());
    for (const auto& text : texts) {
      bytes_ += text;
      ends_.push_back(bytes_.size());
    }
  }
  hearth_words words() const { return {bytes_.data(), ends_.data(), ends_.size()}; }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

uint8_t rust_kind(TokenKind kind) {
  if (kind == TokenKind::Added) return HEARTH_TOKEN_ADDED;
  if (kind == TokenKind::Plain || kind == TokenKind::Byte) return HEARTH_TOKEN_PLAIN;
  return kind == TokenKind::Unused ? HEARTH_TOKEN_UNUSED : HEARTH_TOKEN_SPECIAL;
}

}  // namespace

Result<std::vector<TokenKind>> gguf_token_kinds(const TokenizerSource& source) {
  const size_t count = source.tokens.size();
  if (count == 0 || count > kMaxVocabulary) {
    return fail(ErrorKind::Invalid, "[tokenizer] token count; got {}, need 1 to {}", count, kMaxVocabulary);
  }
  if (!source.types.empty() && source.types.size() != count) {
    return fail(ErrorKind::Invalid, "[tokenizer] token types; got {}, need one for each of {} tokens",
                source.types.size(), count);
  }
  constexpr TokenKind kinds[] = {TokenKind::Plain, TokenKind::Plain,  TokenKind::Unknown, TokenKind::Special,
                                 TokenKind::Added, TokenKind::Unused, TokenKind::Byte};
  std::vector<TokenKind> out(count, TokenKind::Plain);
  for (size_t i = 0; i < source.types.size(); ++i) {
    const int32_t type = source.types[i];
    if (type < 0 || size_t(type) >= std::size(kinds)) {
      return fail(ErrorKind::Invalid, "[tokenizer] type of token {}; got {}, need 0 to {}", i, type,
                  std::size(kinds) - 1);
    }
    out[i] = source.tokens[i].empty() ? TokenKind::Unused : kinds[type];
  }
  return out;
}

Result<TokenizerParts> tokenizer_parts_from_bpe(const TokenizerSource& source) {
  ASSIGN_OR_RETURN(const PreTokenizer pre, find_pre_tokenizer(source.pre));
  TokenizerParts parts;
  Vocabulary& vocabulary = parts.vocabulary;
  ASSIGN_OR_RETURN(vocabulary.kind, gguf_token_kinds(source));
  vocabulary.text = source.tokens;
  vocabulary.bytes.reserve(vocabulary.size());
  std::vector<uint8_t> kinds(vocabulary.size());
  for (uint32_t id = 0; id < vocabulary.size(); ++id) {
    const TokenKind kind = vocabulary.kind[id];
    kinds[id] = rust_kind(kind);
    vocabulary.bytes.push_back(kind == TokenKind::Plain ? byte_level_bytes(vocabulary.text[id]) : vocabulary.text[id]);
  }
  for (std::string_view split : pre.splits) {
    if (!parts.split_regex.empty()) parts.split_regex += '|';
    parts.split_regex += split;
  }

  const Flat tokens(source.tokens), merges(source.merges), splits(pre.splits);
  const hearth_bpe lists{tokens.words(), kinds.data(), merges.words(), splits.words(), pre.ignore_merges, pre.nfc};
  hearth_tokenizer* made = nullptr;
  TRY(rust_result(hearth_tokenizer_from_bpe(&lists, &made), ErrorKind::Invalid, "tokenizer"));
  parts.encoder = std::make_unique<RustEncoder>(RustTokenizer(made), ByteStyle::ByteLevel, byte_level_ids(vocabulary));
  return parts;
}

}  // namespace hearth::llm
