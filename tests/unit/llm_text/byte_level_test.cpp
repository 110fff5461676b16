// Byte-level BPE from lists and from tokenizer.json.
#include <algorithm>
#include <thread>

#include "tokenizer_fixture.h"

namespace hearth::llm {
namespace {

TEST(ByteLevel, DecodeOfEncodeIsTheSameBytes) {
  const Shared tokenizer = make(byte_vocabulary());
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = i % 2 ? random_bytes(random, 60) : random_unicode(random, 30);
    for (bool special : {false, true}) EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, special)).value(), text);
  }
}

TEST(ByteLevel, MergesByRank) {
  const Shared tokenizer = make(byte_vocabulary());
  const auto texts = [&](std::string_view text) {
    std::string out;
    for (uint32_t id : tokenizer->encode(text, false)) out += tokenizer->token_bytes(id) + "|";
    return out;
  };
  EXPECT_EQ(texts("then the hi"), "then| the| |hi|");
  EXPECT_EQ(texts("true12"), "true|1|2|");  // "smollm" cuts digits one by one
  EXPECT_EQ(texts("th\xFFthe"), "th|\xFF|the|");
}

TEST(ByteLevel, SpecialTokensOnlyWhenAskedFor) {
  const Shared tokenizer = make(byte_vocabulary());
  const std::string text = "a<|tool|>b<|endoftext|>";
  EXPECT_EQ(tokenizer->encode(text, true), (Ids{kFirstByte + 'a', kByteTool, kFirstByte + 'b', kByteEnd}));
  const Ids plain = tokenizer->encode(text, false);
  EXPECT_EQ(std::ranges::count_if(plain, [&](uint32_t id) { return tokenizer->is_special(id); }), 0);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), true).value(), "ab");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), false).value(), text);
  EXPECT_EQ(Ids(tokenizer->special_tokens().begin(), tokenizer->special_tokens().end()), (Ids{kByteEnd, kByteTool}));
  EXPECT_EQ(Ids(tokenizer->stop_tokens().begin(), tokenizer->stop_tokens().end()), (Ids{kByteEnd}));
}

TEST(ByteLevel, UserDefinedTokensInAnyTextUnusedInNone) {
  TokenizerSource source = byte_vocabulary();
  const uint32_t think = uint32_t(source.tokens.size());
  source.tokens.insert(source.tokens.end(), {"<think>", "[PAD7]"});
  source.types.insert(source.types.end(), {4, 5});
  const Shared tokenizer = make(source);
  EXPECT_EQ(tokenizer->encode("a<think>", false), (Ids{kFirstByte + 'a', think}));
  EXPECT_EQ(tokenizer->encode("[PAD7]", true).size(), 6u);
  EXPECT_FALSE(tokenizer->is_special(think));
  EXPECT_EQ(tokenizer->token_bytes(think), "<think>");
}

TEST(ByteLevel, BytesWithoutTokenBecomeReplacementCharacters) {
  TokenizerSource source = byte_vocabulary();
  source.tokens[kFirstByte + 0xFF] = "nothing";
  source.tokens[kFirstByte + 0x9F] = "nothing as well";
  const Shared tokenizer = make(source);
  EXPECT_EQ(tokenizer
                ->decode(tokenizer->encode("a\xFF"
                                           "b\xF0\x9F\x99\x82"
                                           "c\xFE",
                                           false))
                .value(),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c\xFE");
}

TEST(ByteLevel, LongTextsThatRegularExpressionsRefuse) {
  const Shared tokenizer = make(byte_vocabulary());
  for (const std::string& text :
       {std::string(3'000'000, ' '), std::string(300'000, '\n') + "x", std::string(200'000, 'e')}) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false)).value(), text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  }
}

TEST(ByteLevel, JsonAndListsGiveTheSameIds) {
  const Shared lists = make(byte_vocabulary()), json = make(from_json(byte_vocabulary_json()));
  ASSERT_EQ(lists->vocab_size(), json->vocab_size());
  EXPECT_EQ(lists->split_regex(), json->split_regex());
  EXPECT_EQ(json->split_regex(), R"(\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
  for (uint32_t id = 0; id < lists->vocab_size(); ++id) {
    EXPECT_EQ(lists->token_bytes(id), json->token_bytes(id));
    EXPECT_EQ(lists->text_of(id), json->text_of(id));
    EXPECT_EQ(lists->is_special(id), json->is_special(id));
  }
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = i % 2 ? random_bytes(random, 60) : random_unicode(random, 30);
    for (bool special : {false, true}) EXPECT_EQ(lists->encode(text, special), json->encode(text, special)) << text;
  }
}

TEST(ByteLevel, ThreadsShareOneTokenizer) {
  const Shared tokenizer = make(byte_vocabulary());
  const Ids expected = tokenizer->encode("then the true hi 123", false);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) wrong[t] += tokenizer->encode("then the true hi 123", false) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(ByteLevel, EveryPreTokenizerCutsAndKeepsTheText) {
  const std::string text = "I'LL pay 12345 ½ for größe's  x\n\n\ty!!?\r\n  中文 CamelCase don't ";
  for (const char* pre : {"",
                          "chatglm-bpe",
                          "codeshell",
                          "command-r",
                          "dbrx",
                          "deepseek-coder",
                          "deepseek-r1-qwen",
                          "deepseek-v3",
                          "default",
                          "exaone",
                          "falcon",
                          "falcon3",
                          "glm4",
                          "gpt-2",
                          "gpt-4o",
                          "jais",
                          "llama-bpe",
                          "llama-v3",
                          "llama3",
                          "llama4",
                          "minerva-7b",
                          "mpt",
                          "olmo",
                          "phi-2",
                          "pixtral",
                          "qwen2",
                          "refact",
                          "roberta-bpe",
                          "smaug-bpe",
                          "smollm",
                          "stablelm2",
                          "starcoder",
                          "tekken"}) {
    TokenizerSource source = byte_vocabulary();
    source.pre = pre;
    const Shared tokenizer = make(source);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false)).value(), text) << pre;
    EXPECT_NE(tokenizer->split_regex(), "") << pre;
  }
}

TEST(ByteLevel, PreTokenizersDifferWhereTheyShould) {
  // Merges over digits, over a space before digits and over a mark before a word tell where pieces end.
  const auto pieces = [](const char* pre, std::string_view text) {
    TokenizerSource source = byte_vocabulary();
    source.pre = pre;
    for (const auto& [left, right] :
         {std::pair("1", "2"), {"12", "3"}, {"123", "4"}, {"Ġ", "1"}, {"(", "a"}, {".", "Ċ"}}) {
      source.merges.push_back(std::string(left) + " " + right);
      source.tokens.push_back(std::string(left) + right);
      source.types.push_back(1);
    }
    const Shared tokenizer = make(source);
    std::string out;
    for (uint32_t id : tokenizer->encode(text, false)) out += tokenizer->token_bytes(id) + "|";
    return out;
  };
  EXPECT_EQ(pieces("gpt-2", "1234 1(a.\n"), "1234| 1|(|a|.|\n|");
  EXPECT_EQ(pieces("smollm", "1234 1(a.\n"), "1|2|3|4| |1|(|a|.|\n|");
  EXPECT_EQ(pieces("llama-bpe", "1234 1(a.\n"), "123|4| |1|(a|.\n|");
  EXPECT_EQ(pieces("qwen2", "1234 1(a.\n"), "1|2|3|4| |1|(a|.\n|");
  EXPECT_EQ(pieces("tekken", "1234(a"), "1|2|3|4|(a|");
  EXPECT_EQ(pieces("deepseek-v3", "1234(a"), "123|4|(a|");
}

TEST(ByteLevel, Qwen2BringsTextToFormC) {
  TokenizerSource source = byte_vocabulary();
  source.pre = "qwen2";
  const Shared tokenizer = make(source);
  EXPECT_EQ(tokenizer->encode("a\xCC\x88", false), tokenizer->encode("ä", false));
  source.pre = "smollm";
  EXPECT_NE(make(source)->encode("a\xCC\x88", false), make(source)->encode("ä", false));
}

}  // namespace
}  // namespace hearth::llm
