#include "pie/guest_arguments.h"

#include <gtest/gtest.h>

namespace hearth::pie {
namespace {

using Words = std::vector<std::string>;

std::string json_of(const Words& words) {
  const auto arguments = guest_arguments("program", words);
  return arguments ? arguments->json : "error: " + arguments.error().message;
}

TEST(GuestArguments, TextsNumbersAndFlags) {
  EXPECT_EQ(json_of({"--prompt", "x", "--max-tokens", "5", "--flag"}), R"({"prompt":"x","max-tokens":5,"flag":true})");
  EXPECT_EQ(json_of({}), "{}");
}

TEST(GuestArguments, ValuesAfterAnEqualsSignMayBeAnything) {
  EXPECT_EQ(json_of({"--prompt=--weird", "--empty=", "--eq=a=b"}), R"({"prompt":"--weird","empty":"","eq":"a=b"})");
}

TEST(GuestArguments, NegativeNumbersAreValuesNotOptions) {
  EXPECT_EQ(json_of({"--shift", "-3", "--rate", "-0.5e-2"}), R"({"shift":-3,"rate":-0.5e-2})");
  EXPECT_EQ(json_of({"-7"}), R"({"_":["-7"]})");
}

TEST(GuestArguments, OnlyWhatJsonCallsANumberIsOneAndItKeepsItsSpelling) {
  EXPECT_EQ(json_of({"--a=1.10", "--b=007", "--c=1e", "--d=.5", "--e=0x10", "--f=12345678901234567890", "--g=nan"}),
            R"({"a":1.10,"b":"007","c":"1e","d":".5","e":"0x10","f":12345678901234567890,"g":"nan"})");
}

TEST(GuestArguments, Booleans) {
  EXPECT_EQ(json_of({"--raw=false", "--fast", "true", "--slow", "--last"}),
            R"({"raw":false,"fast":true,"slow":true,"last":true})");
}

TEST(GuestArguments, RepeatedOptionsBecomeAnArrayAtTheirFirstPlace) {
  EXPECT_EQ(json_of({"--stop", "a", "--n", "1", "--stop", "2", "--stop"}), R"({"stop":["a",2,true],"n":1})");
}

TEST(GuestArguments, WordsWithoutOptionStandTogetherAsTexts) {
  EXPECT_EQ(json_of({"one", "--flag=true", "2", "-", "true"}), R"({"_":["one","2","-","true"],"flag":true})");
}

TEST(GuestArguments, AfterTwoDashesEverythingIsAWord) {
  EXPECT_EQ(json_of({"--a", "--", "--b", "-c", "--"}), R"({"a":true,"_":["--b","-c","--"]})");
}

TEST(GuestArguments, OneLetterOptions) {
  EXPECT_EQ(json_of({"-n", "5", "-v", "-p=x"}), R"({"n":5,"v":true,"p":"x"})");
}

TEST(GuestArguments, TextsAreEscaped) {
  EXPECT_EQ(json_of({"--p", "a\"b\\c\n\x01 é"}), "{\"p\":\"a\\\"b\\\\c\\u000a\\u0001 é\"}");
}

TEST(GuestArguments, ArgvIsTheWordsAsTheyAre) {
  const Words words = {"--a", "-3", "--", "--b=1", "x"};
  const auto arguments = guest_arguments("std/chat", words);
  ASSERT_TRUE(arguments);
  EXPECT_EQ(arguments->argv, (Words{"std/chat", "--a", "-3", "--", "--b=1", "x"}));
}

TEST(GuestArguments, UnknownFormsAreUsageErrors) {
  for (const char* word : {"-abc", "--=x", "-=x", "--_=1"}) {
    const auto arguments = guest_arguments("p", Words{word});
    ASSERT_FALSE(arguments) << word;
    EXPECT_EQ(arguments.error().kind, ErrorKind::Usage);
    EXPECT_EQ(arguments.error().message, "[arguments] got \"" + std::string(word) +
                                             "\", need --NAME, --NAME=VALUE, -N with one letter, or a word");
  }
}

TEST(GuestArguments, BytesThatAreNoTextAreUsageErrors) {
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\xe2\x82"}) {
    EXPECT_EQ(json_of({"--p", bad}), "error: [arguments] word 2 after --; need UTF-8");
    EXPECT_EQ(json_of({bad}), "error: [arguments] word 1 after --; need UTF-8");
  }
  EXPECT_EQ(json_of({"\xf4\x8f\xbf\xbf"}), "{\"_\":[\"\xf4\x8f\xbf\xbf\"]}");
}

}  // namespace
}  // namespace hearth::pie
