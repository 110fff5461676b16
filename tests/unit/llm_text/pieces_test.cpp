// SentencePiece vocabularies.
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tokenizer_fixture.h"

namespace hearth::llm {
namespace {

TEST(Pieces, AsSentencePieceMakesThem) {
  const auto fixture = nlohmann::json::parse(
      read_file(std::string(HEARTH_SOURCE_DIR) + "/tests/unit/llm_text/sentencepiece.json").value());
  TokenizerSource source;
  source.model = "llama";
  fixture["tokens"].get_to(source.tokens);
  fixture["scores"].get_to(source.scores);
  fixture["types"].get_to(source.types);
  const Shared tokenizer = make(source);
  ASSERT_GE(fixture["cases"].size(), 50u);
  for (const auto& one : fixture["cases"]) {
    EXPECT_EQ(tokenizer->encode(one["text"].get<std::string>(), false), one["ids"].get<Ids>()) << one["text"];
  }
}

TEST(Pieces, DecodeOfEncodeIsTheTextBehindASpace) {
  TokenizerSource source = piece_vocabulary();
  const Shared with = make(source);
  source.add_space_prefix = false;
  const Shared without = make(source);
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string text = i % 2 ? random_bytes(random, 60) : random_unicode(random, 30);
    // U+2581 itself reads back as the space it stands for; a leading user-defined token takes no space.
    for (size_t at; (at = text.find("\xE2\x96\x81")) != std::string::npos;) text.erase(at, 3);
    if (text.starts_with("[USER]")) continue;
    EXPECT_EQ(without->decode(without->encode(text, false)).value(), text);
    EXPECT_EQ(with->decode(with->encode(text, false)).value(), (text.empty() ? "" : " ") + text);
  }
}

TEST(Pieces, BestScoreMergesFirst) {
  const Shared tokenizer = make(piece_vocabulary());
  const auto texts = [&](std::string_view text) {
    std::string out;
    for (uint32_t id : tokenizer->encode(text, true)) out += std::string(tokenizer->text_of(id)) + "|";
    return out;
  };
  EXPECT_EQ(texts("hello world"), "▁hello|▁world|");
  EXPECT_EQ(texts("abc"), "▁|abc|");  // "ab" has the better score, so it comes before "▁a"
  EXPECT_EQ(texts("ab"), "▁|ab|");
  EXPECT_EQ(texts("x"), "▁|<0x78>|");  // no piece: a byte
  EXPECT_EQ(texts("ä中é"), "▁|ä|中|<0xC3>|<0xA9>|");
  EXPECT_EQ(texts("\xFF"), "▁|<0xFF>|");
  EXPECT_EQ(texts("<s>ab</s>"), "<s>|▁|ab|</s>|");  // the prefix comes again behind a control token
  EXPECT_EQ(texts("a[USER]a"), "▁a|[USER]|a|");
}

TEST(Pieces, Phi3CutsBlanksBehindControlTokens) {
  TokenizerSource source = piece_vocabulary();
  for (const char* name : {"<|placeholder1|>", "<|assistant|>", "<|end|>"}) {
    source.tokens.push_back(name);
    source.scores.push_back(0);
    source.types.push_back(3);
  }
  const Shared tokenizer = make(source);
  EXPECT_EQ(tokenizer->encode("<|end|>\n \thello", true), tokenizer->encode("<|end|>hello", true));
  EXPECT_NE(tokenizer->encode("<s>\nhello", true), tokenizer->encode("<s>hello", true));
}

TEST(Pieces, BosStopsAndSpecials) {
  const Shared tokenizer = make(piece_vocabulary());
  EXPECT_EQ(tokenizer->bos(), 1u);
  EXPECT_TRUE(tokenizer->add_bos());
  EXPECT_EQ(Ids(tokenizer->stop_tokens().begin(), tokenizer->stop_tokens().end()), (Ids{2}));
  EXPECT_TRUE(tokenizer->is_special(0));
  EXPECT_EQ(tokenizer->split_regex(), "");
  EXPECT_EQ(tokenizer->token_bytes(3 + 0x41), "A");
}

}  // namespace
}  // namespace hearth::llm
