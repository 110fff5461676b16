#include <gtest/gtest.h>

#include <hearth/arguments.hpp>

namespace hearth {
namespace {

struct Options {
  std::string prompt = "default";
  bool raw = false;
  float temperature = 0.5f;
  uint32_t max_tokens = 7;
  uint64_t seed = 0;
  int32_t shift = 0;
  std::vector<std::string> stop, words;
};

// The options as read from `input`, or the error.
Result<Options> read(std::string_view input) {
  HEARTH_LET(auto arguments, Arguments::parse(input));
  Options out;
  HEARTH_TRY(arguments.option("prompt", out.prompt, "the prompt")
                 .option("raw", out.raw, "plain")
                 .option("temperature", out.temperature, "heat")
                 .option("max-tokens", out.max_tokens, "length")
                 .option("shift", out.shift, "any")
                 .option("seed", out.seed, "luck")
                 .option("stop", out.stop, "ends")
                 .words(out.words, "others")
                 .done());
  return out;
}

TEST(Arguments, EachKind) {
  const auto options =
      read(R"({"prompt":"x","raw":true,"temperature":-0.25,"max_tokens":5,"shift":-3,"stop":["a",1],"_":["w"]})");
  ASSERT_TRUE(options) << options.error();
  EXPECT_EQ(options->prompt, "x");
  EXPECT_TRUE(options->raw);
  EXPECT_EQ(options->temperature, -0.25f);
  EXPECT_EQ(options->max_tokens, 5u);  // max_tokens is max-tokens
  EXPECT_EQ(options->shift, -3);
  EXPECT_EQ(options->stop, (std::vector<std::string>{"a", "1"}));
  EXPECT_EQ(options->words, (std::vector<std::string>{"w"}));
}

TEST(Arguments, WhatIsNotGivenKeepsItsDefault) {
  for (const char* input : {"", " \n", "{}", R"({"prompt":null,"stop":null})"}) {
    const auto options = read(input);
    ASSERT_TRUE(options) << options.error();
    EXPECT_EQ(options->prompt, "default");
    EXPECT_EQ(options->max_tokens, 7u);
  }
}

TEST(Arguments, WholeNumbersOf64Bits) {
  EXPECT_EQ(read(R"({"seed":18446744073709551615})")->seed, UINT64_MAX);
  EXPECT_EQ(read(R"({"seed":18446744073709551616})").error(),
            "[arguments] --seed; got 18446744073709551616, need a whole number from 0 to 18446744073709551615");
}

TEST(Arguments, ANumberIsATextAsItWasWritten) {
  EXPECT_EQ(read(R"({"prompt":1.10})")->prompt, "1.10");
}
TEST(Arguments, OneValueIsAListOfOne) {
  EXPECT_EQ(read(R"({"stop":"a"})")->stop, (std::vector<std::string>{"a"}));
}

TEST(Arguments, WhatIsWrongIsNamed) {
  EXPECT_EQ(read("[1]").error(), "[arguments] the input; got [1], need a JSON object");
  EXPECT_EQ(read(R"({"prompt":true})").error(), "[arguments] --prompt; got true, need a text");
  EXPECT_EQ(read(R"({"raw":"x"})").error(),
            "[arguments] --raw; got \"x\", need true or false (write --raw=true when a word follows)");
  EXPECT_EQ(read(R"({"temperature":"hot"})").error(), "[arguments] --temperature; got \"hot\", need a number");
  for (const char* bad : {"-1", "4294967296", "1.5", "1e3", "\"5\""})
    EXPECT_EQ(read("{\"max-tokens\":" + std::string(bad) + "}").error(),
              "[arguments] --max-tokens; got " + std::string(bad) + ", need a whole number from 0 to 4294967295");
  EXPECT_EQ(read(R"({"stop":["a",{}]})").error(), "[arguments] --stop; got {}, need a text");
}

TEST(Arguments, UnknownOnesAreErrorsThatListTheKnown) {
  const std::string error = read(R"({"promt":"x"})").error();
  EXPECT_TRUE(error.starts_with("[arguments] --promt; got \"x\", need one of:\n  --prompt TEXT")) << error;
  EXPECT_NE(error.find("--max-tokens N"), std::string::npos);
}

TEST(Arguments, HelpIsTheListAndNotAnError) {
  auto arguments = *Arguments::parse(R"({"help":true,"other":1})");
  std::string text;
  arguments.option("text", text, "what to say");
  EXPECT_EQ(arguments.done().error(), "Arguments:\n  --text TEXT               what to say\n");
  EXPECT_TRUE(arguments.help_wanted());
}

TEST(Json, ReadsAndShows) {
  for (const char* text :
       {"null", "true", "-0.5e+3", R"("a\"\\\n\u0001é")", "[]", "{}", R"({"a":[1,{"b":null}],"c":"d"})"}) {
    const auto value = Json::parse(text);
    ASSERT_TRUE(value) << value.error();
    EXPECT_EQ(value->show(), text);
  }
  EXPECT_EQ(Json::parse(R"("\u00e9\ud83d\ude00\ud800\/\t")")->text, "é😀\xEF\xBF\xBD/\t");
  EXPECT_EQ(Json::parse(R"( {"a" : 1} )")->find("a")->text, "1");
  EXPECT_EQ(Json::parse("[]")->find("a"), nullptr);
}

TEST(Json, RefusesWhatIsNone) {
  for (const char* text : {"",
                           "nul",
                           "01",
                           "1.",
                           "1e",
                           "-",
                           "+1",
                           "[1,]",
                           "[1",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{\"a\":1,}",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud83d\\u0041\"",
                           "\"\n\"",
                           "1 2",
                           "[]]"}) {
    EXPECT_FALSE(Json::parse(text)) << text;
  }
  EXPECT_FALSE(Json::parse(std::string(1000, '[')));
  EXPECT_EQ(Json::parse("[1,x]").error(), "[json] at byte 3; got \"x]\", need a value");
}

}  // namespace
}  // namespace hearth
