// Tokenizers from lists and from tokenizer.json, against each other, against other tokenizers' output, and by
// properties.
#include "llm/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "base/file.h"
#include "llm/model_file.h"
#include "llm_text/vocabularies.h"

namespace hearth::llm {
namespace {

using Shared = std::shared_ptr<const Tokenizer>;
using Ids = std::vector<uint32_t>;

Shared make(const TokenizerSource& source) {
  auto made = Tokenizer::create(source);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made.value();
}

std::string error(const TokenizerSource& source) {
  auto made = Tokenizer::create(source);
  return made ? "no error" : made.error().message;
}

TokenizerSource from_json(std::string json) {
  TokenizerSource source;
  source.tokenizer_json = std::move(json);
  return source;
}

std::string random_bytes(std::mt19937& random, size_t most) {
  std::string out(random() % (most + 1), '\0');
  for (char& c : out) c = random() % 4 ? "eth \n<|>\"1"[random() % 10] : char(random());
  return out;
}

std::string random_unicode(std::mt19937& random, size_t most) {
  nlohmann::json text;
  std::string out;
  for (size_t i = random() % (most + 1); i > 0; --i) {
    const char* const samples[] = {"t",
                                   "h",
                                   "e",
                                   " ",
                                   "\n",
                                   "ä",
                                   "中",
                                   "🙂",
                                   "\xCC\x81",
                                   "\xC2\xA0",
                                   "0",
                                   "٣",
                                   "\xE2\x96\x81",
                                   "\xF4\x8F\xBF\xBF",
                                   "\xF4\x8F\xA0\x85",
                                   "<|tool|>",
                                   "[USER]",
                                   "</s>",
                                   "the"};
    out += samples[random() % std::size(samples)];
  }
  return out;
}

// --- byte-level ---

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

// --- SentencePiece-style ---

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

// --- tokenizer.json ---

// Byte-fallback BPE with the prefix, as hubs convert SentencePiece models.
std::string fallback_json() {
  nlohmann::json vocabulary;
  uint32_t next = 0;
  for (const char* token : {"<unk>", "<s>", "</s>"}) vocabulary[token] = next++;
  for (int byte = 0; byte < 256; ++byte) vocabulary[fmt::format("<0x{:02X}>", byte)] = next++;
  for (const char* token : {"▁", "h", "i", "hi", "▁hi"}) vocabulary[token] = next++;
  const auto special = [](uint32_t id, const char* text) {
    return nlohmann::json{{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
                          {"rstrip", false}, {"normalized", false}, {"special", true}};
  };
  return nlohmann::json{
      {"version", "1.0"},
      {"added_tokens", {special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")}},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers",
         {{{"type", "Prepend"}, {"prepend", "▁"}},
          {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}}},
      {"pre_tokenizer", nullptr},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"pair", nlohmann::json::array()},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}},
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"vocab", vocabulary},
        {"merges", {"h i", "▁ hi"}}}}}
      .dump();
}

TEST(Json, ByteFallbackTakesAnyBytes) {
  const Shared tokenizer = make(from_json(fallback_json()));
  const uint32_t first = 3;
  EXPECT_EQ(tokenizer->encode("hi", false), (Ids{first + 256 + 4}));
  EXPECT_EQ(tokenizer->encode("hi\xFFhi", false), (Ids{first + 256 + 4, first + 0xFF, first + 256 + 3}));
  std::mt19937 random(4);
  for (int i = 0; i < 2000; ++i) {
    std::string text = i % 2 ? random_bytes(random, 60) : random_unicode(random, 30);
    for (size_t at; (at = text.find("\xE2\x96\x81")) != std::string::npos;) text.erase(at, 3);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false)).value(), (text.empty() ? "" : " ") + text);
  }
}

TEST(Json, BeginOfTextFromTheTemplate) {
  const Shared tokenizer = make(from_json(fallback_json()));
  EXPECT_EQ(tokenizer->bos(), 1u);
  EXPECT_TRUE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->encode("", true), Ids{});  // encode itself adds nothing
  EXPECT_FALSE(make(from_json(byte_vocabulary_json()))->add_bos());
}

// --- errors ---

TEST(Errors, SayWhatWasGotAndNeeded) {
  TokenizerSource source = byte_vocabulary();
  source.pre = "nonsense";
  EXPECT_TRUE(error(source).starts_with("[tokenizer] pre-tokenizer; got \"nonsense\", need one of chatglm-bpe, "));
  source = byte_vocabulary();
  source.model = "rwkv";
  EXPECT_EQ(error(source),
            "[tokenizer] model; got \"rwkv\", need gpt2 (byte-level BPE), llama (SentencePiece) or a tokenizer.json");
  source = byte_vocabulary();
  source.types.pop_back();
  EXPECT_NE(error(source).find("token types; got 268, need one for each of 269"), std::string::npos) << error(source);
  source = byte_vocabulary();
  source.types[5] = 77;
  EXPECT_EQ(error(source), "[tokenizer] type of token 5; got 77, need 0 to 6");
  source = byte_vocabulary();
  source.merges.push_back("zz top");
  EXPECT_NE(error(source).find("out of vocabulary"), std::string::npos) << error(source);
  source = byte_vocabulary();
  source.merges.push_back("oneword");
  EXPECT_EQ(error(source), "[tokenizer] merge; got \"oneword\", need two tokens");
  source = byte_vocabulary();
  source.eos = 5000;
  EXPECT_EQ(error(source), "[tokenizer] end-of-text token; got id 5000, need less than 269");
  source = piece_vocabulary();
  source.scores.pop_back();
  EXPECT_NE(error(source).find("token scores"), std::string::npos);
  source = piece_vocabulary();
  source.tokens[10] = "<0xZZ>";
  EXPECT_EQ(error(source), "[tokenizer] byte token 10; got \"<0xZZ>\", need <0xHH>");
  source = byte_vocabulary();
  source.tokens[40] = "\xFF";
  EXPECT_NE(error(source).find("UTF-8"), std::string::npos);
  source.tokens.clear();
  EXPECT_NE(error(source).find("token count; got 0"), std::string::npos);
  EXPECT_NE(error(from_json("{")).find("[tokenizer.json]"), std::string::npos);
  EXPECT_NE(error(from_json("\xFF")).find("[tokenizer.json]"), std::string::npos);
  EXPECT_NE(error(from_json(std::string(100000, '['))).find("[tokenizer.json]"), std::string::npos);
}

TEST(Errors, DecoderThatIsNotByTokens) {
  auto json = nlohmann::json::parse(byte_vocabulary_json());
  json["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  EXPECT_NE(error(from_json(json.dump())).find("decoder; got \"WordPiece\""), std::string::npos);
}

TEST(Errors, APanicOfTheLibrarySaysWhereAndWhatAndPrintsNothing) {
  std::string json = byte_vocabulary_json();
  const std::string_view decoder = "\"decoder\":{";
  const size_t at = json.find(decoder);
  ASSERT_NE(at, std::string::npos) << json.substr(0, 500);
  json.insert(at + decoder.size(), ",");
  testing::internal::CaptureStderr();
  const std::string message = error(from_json(json));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(message.starts_with("[tokenizer.json] failed inside tokenizers-")) << message;
  EXPECT_NE(message.find("key must be a string"), std::string::npos) << message;
}

TEST(Errors, IdsOutsideTheVocabulary) {
  const Shared tokenizer = make(byte_vocabulary());
  EXPECT_EQ(tokenizer->decode(Ids{3, 269}).error().message, "[tokenizer] token id; got 269, need less than 269");
  EXPECT_EQ(tokenizer->token_bytes(UINT32_MAX), "");
  EXPECT_FALSE(tokenizer->is_special(UINT32_MAX));
  auto json = nlohmann::json::parse(byte_vocabulary_json());
  json["model"]["vocab"]["far"] = 4'000'000'000u;
  EXPECT_EQ(error(from_json(json.dump())), "[tokenizer.json] token id; got 4000000000, need less than 4194304");
}

TEST(Hostile, ATokenizerThatMakesMuchOfLittleMeetsALimit) {
  auto json = nlohmann::json::parse(byte_vocabulary_json());
  json["padding"] = {{"strategy", {{"Fixed", 4'000'000'000u}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 0},
                     {"pad_type_id", 0},
                     {"pad_token", "x"}};
  EXPECT_EQ(error(from_json(json.dump())).substr(0, 42), "[tokenizer.json] memory; got more than 167");
  json.erase("padding");
  // Every character becomes a million: what remains are the bytes as they are.
  json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "."}}}, {"content", std::string(1'000'000, 'a')}};
  const Shared tokenizer = make(from_json(json.dump()));
  const std::string text = "eighty bytes of a text that would be eighty million bytes if it were allowed to be";
  const Ids ids = tokenizer->encode(text, false);
  EXPECT_EQ(ids.size(), text.size());
  EXPECT_EQ(tokenizer->decode(ids).value(), text);
}

TEST(Hostile, MutatedSourcesNeverCrash) {
  std::mt19937 random(5);
  const std::string json = byte_vocabulary_json(), fallback = fallback_json();
  int made = 0;
  for (int i = 0; i < 1500; ++i) {
    TokenizerSource source = i % 3 == 0 ? byte_vocabulary() : piece_vocabulary();
    if (i % 3 == 2) {
      source.tokenizer_json = i % 2 ? json : fallback;
      for (int k = 0; k < 3; ++k) source.tokenizer_json[random() % source.tokenizer_json.size()] = char(random() % 128);
    } else {
      for (int k = 0; k < 4; ++k) {
        const size_t token = random() % source.tokens.size();
        switch (random() % 6) {
          case 0:
            source.tokens[token] = random_bytes(random, 5);
            break;
          case 1:
            source.tokens[token] = source.tokens[random() % source.tokens.size()];
            break;
          case 2:
            source.types[token] = int32_t(random() % 8);
            break;
          case 3:
            if (!source.scores.empty()) source.scores[token] = std::bit_cast<float>(uint32_t(random()));
            break;
          case 4:
            source.eos = uint32_t(random() % 400);
            break;
          default:
            if (!source.merges.empty()) source.merges[random() % source.merges.size()] = random_bytes(random, 4) + " t";
        }
      }
    }
    auto tokenizer = Tokenizer::create(source);
    if (!tokenizer) continue;
    ++made;
    for (int k = 0; k < 3; ++k) {
      const Ids ids = (*tokenizer)->encode(random_bytes(random, 80), k == 1);
      for (uint32_t id : ids) ASSERT_LT(id, (*tokenizer)->vocab_size());
      EXPECT_TRUE((*tokenizer)->decode(ids));
    }
  }
  EXPECT_GT(made, 100);  // the mutations are not all refused at the door
}

// --- streaming ---

TEST(Utf8Stream, NeverHalfACharacterAndNothingLost) {
  std::mt19937 random(6);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_unicode(random, 30);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::min(text.size() - at, size_t(1 + random() % 3));
      const std::string part = stream.push(std::string_view(text).substr(at, length));
      EXPECT_NO_THROW(nlohmann::json(part).dump());  // throws on ill-formed text
      out += part;
      at += length;
    }
    EXPECT_EQ(out + stream.flush(), text);
  }
}

TEST(Utf8Stream, IllFormedBytesBecomeReplacementCharacters) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xE4\xB8"), "a");
  EXPECT_EQ(stream.push("\xAD"), "中");
  EXPECT_EQ(stream.push("\xE4\xB8x"), "\xEF\xBF\xBD\xEF\xBF\xBDx");
  EXPECT_EQ(stream.push("\xFF\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(stream.push("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(stream.push("\xF0\x9F\x99"), "");
  EXPECT_EQ(stream.flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.flush(), "");
}

// --- the default model, where it is at hand ---

struct Expected {
  const char* text;
  Ids ids;
};

TEST(SmolLm2, IdsOfTheDefaultModel) {
  const char* home = std::getenv("HOME");
  const char* given = std::getenv("HEARTH_TEST_MODEL");
  const std::filesystem::path path =
      given ? std::filesystem::path(given)
            : std::filesystem::path(home ? home : "") / ".cache/hearth/models/smollm2.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no model at " << path << " (HEARTH_TEST_MODEL names another)";
  const auto file = open_model_file(path);
  ASSERT_TRUE(file) << file.error().message;
  const auto begin = std::chrono::steady_clock::now();
  const Shared tokenizer = make((*file)->tokenizer());
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("build_ms", std::to_string(ms));
  std::printf("tokenizer of %u tokens built in %.1f ms\n", tokenizer->vocab_size(), ms);

  EXPECT_EQ(tokenizer->encode("<|endoftext|><|im_start|><|im_end|>", true), (Ids{0, 1, 2}));
  EXPECT_EQ(tokenizer->encode("<|im_start|>user\nhi<|im_end|>\n", true), (Ids{1, 4093, 198, 6004, 2, 198}));
  EXPECT_EQ(Ids(tokenizer->stop_tokens().begin(), tokenizer->stop_tokens().end()), (Ids{0, 2}));
  EXPECT_FALSE(tokenizer->add_bos());
  EXPECT_EQ(tokenizer->special_tokens().size(), 17u);
  // What the package `tokenizers` makes of this vocabulary with the pre-tokenizer of the original model.
  const Expected cases[] = {
      {"Hello, world!", {19556, 28, 905, 17}},
      {"The year 2026 has 365 days; 1234567890.", {504, 713, 216, 34, 32, 34, 38, 553, 216, 35, 38, 37, 2009,
                                                   43,  216, 33,  34, 35, 36, 37, 38,  39,  40, 41, 32, 30}},
      {"  two  spaces   three\n\n\nlines\t\ttabs ",
       {216, 827, 216, 5600, 256, 1296, 1116, 198, 5110, 197, 197, 100, 7366, 216}},
      {"I'm you're we'll THEY'VE don't", {57, 5248, 346, 2316, 392, 3060, 6462, 73, 23, 18525, 1326, 982}},
      {"größe 中文字符 日本語 한국어 Привет",
       {9861, 7466, 34878, 85,  216, 28589, 29184, 36518, 40562, 116, 17097, 241, 115,   40993, 179,  120,
        248,  216,  33085, 246, 181, 130,   251,   183,   240,   129, 5470,  249, 46879, 16464, 32547}},
      {"🙂👍🏽 e\xCC\x81 \xC2\xA0 nbsp",
       {10813, 38887, 10813, 235, 231, 10813, 233, 138, 297, 151, 219, 3351, 250, 304, 32093}},
      {"def f(x):\n    return x**2  # comment\n",
       {1604, 275, 24, 104, 727, 472, 1003, 1792, 828, 34, 216, 907, 5189, 198}},
      {"½ ² ٣ Ⅷ 1,000.50", {16738, 216, 19133, 216, 164, 113, 216, 173, 223, 117, 216, 33, 28, 32, 32, 32, 30, 37, 32}},
      {"x \n y \r\n z", {104, 3717, 329, 216, 2738, 1892}},
  };
  for (const Expected& one : cases) EXPECT_EQ(tokenizer->encode(one.text, false), one.ids) << one.text;
}

}  // namespace
}  // namespace hearth::llm
