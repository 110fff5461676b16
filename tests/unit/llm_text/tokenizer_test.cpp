// Tokenizers from tokenizer.json, against other tokenizers' output; what is wrong with a source.
#include "llm/tokenizer.h"

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "llm/model_file.h"
#include "tokenizer_fixture.h"

namespace hearth::llm {
namespace {

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
  EXPECT_EQ(error(source), "[tokenizer] merge; got \"zz top\", need \"zz\" to be a token");
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
