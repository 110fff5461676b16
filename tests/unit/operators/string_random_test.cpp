// Operators on strings, and those that draw.
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

using Words = std::vector<std::string>;
using Longs = std::vector<int64_t>;

Tensor words(std::initializer_list<std::string> list) {
  return tensor<std::string>({static_cast<int64_t>(list.size())}, list);
}

TEST(StringSplit, SplitsAtWhiteSpaceOfEveryKind) {
  TestCall call("StringSplit", 20, {words({"  a \t b\u2003c ", "", "   "})}, 2);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out(0).dims(), (Dims{3, 3}));
  EXPECT_EQ(values<std::string>(call.out(0)), (Words{"a", "b", "c", "", "", "", "", "", ""}));
  EXPECT_EQ(values<int64_t>(call.out(1)), (Longs{3, 0, 0}));
}

TEST(StringSplit, CountsSplitsFromTheLeft) {
  TestCall spaces("StringSplit", 20, {words({" a b c "})}, 2);
  ASSERT_TRUE(spaces.with("maxsplit", int64_t{1}).run());
  EXPECT_EQ(values<std::string>(spaces.out(0)), (Words{"a", "b c"}));
  TestCall dots("StringSplit", 20, {words({"a..b.", ""})}, 2);
  ASSERT_TRUE(dots.with("delimiter", std::string(".")).run());
  EXPECT_EQ(values<std::string>(dots.out(0)), (Words{"a", "", "b", "", "", "", "", ""}));
  EXPECT_EQ(values<int64_t>(dots.out(1)), (Longs{4, 1}));
  EXPECT_NE(TestCall("StringSplit", 20, {tensor<float>({1}, {1})}, 2).error().find("need strings"), std::string::npos);
}

TEST(StringConcat, Broadcasts) {
  TestCall call("StringConcat", 20, {tensor<std::string>({2, 1}, {"a", "b"}), words({"x", "y"})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<std::string>(call.out()), (Words{"ax", "ay", "bx", "by"}));
}

TEST(StringNormalizer, ChangesLettersBeyondAscii) {
  TestCall upper("StringNormalizer", 10, {words({"été", "Straße", "\xff"})});
  ASSERT_TRUE(upper.with("case_change_action", std::string("UPPER")).run());
  EXPECT_EQ(values<std::string>(upper.out()), (Words{"ÉTÉ", "STRAßE", "\xff"}));
  TestCall stopped("StringNormalizer", 10, {words({"Été", "b"})});
  ASSERT_TRUE(stopped.with("stopwords", graph::Attribute::Data(Words{"éTÉ"})).run());
  EXPECT_EQ(values<std::string>(stopped.out()), (Words{"b"}));
  TestCall sensitive("StringNormalizer", 10, {words({"A", "a"})});
  sensitive.with("stopwords", graph::Attribute::Data(Words{"a"})).with("is_case_sensitive", int64_t{1});
  ASSERT_TRUE(sensitive.run());
  EXPECT_EQ(values<std::string>(sensitive.out()), (Words{"A"}));
}

TEST(StringNormalizer, NothingLeftIsOneEmptyWord) {
  TestCall call("StringNormalizer", 10, {tensor<std::string>({1, 1}, {"a"})});
  ASSERT_TRUE(call.with("stopwords", graph::Attribute::Data(Words{"a"})).run());
  EXPECT_EQ(call.out().dims(), (Dims{1, 1}));
  EXPECT_EQ(values<std::string>(call.out()), (Words{""}));
  EXPECT_NE(TestCall("StringNormalizer", 10, {tensor<std::string>({2, 1}, {"a", "b"})}).error().find("[1, C]"),
            std::string::npos);
  EXPECT_NE(TestCall("StringNormalizer", 10, {words({"a"})})
                .with("case_change_action", std::string("TITLE"))
                .error()
                .find("'TITLE'"),
            std::string::npos);
}

TEST(RegexFullMatch, MatchesTheWholeString) {
  TestCall call("RegexFullMatch", 20, {words({"abc", "xabc", "ab\nc", "ABC"})});
  ASSERT_TRUE(call.with("pattern", std::string("a.*c")).run());
  const bool* got = call.out().data<bool>();
  EXPECT_EQ(std::vector<bool>(got, got + 4), (std::vector<bool>{true, false, false, false}));
  // What RE2 leaves out is an error, not a slow match.
  EXPECT_NE(
      TestCall("RegexFullMatch", 20, {words({"aa"})}).with("pattern", std::string("(a)\\1")).error().find("pattern"),
      std::string::npos);
}

TEST(Random, TheSameSeedGivesTheSameValues) {
  const auto draw = [](const char* op, float seed) {
    TestCall call(op, 22, {});
    EXPECT_TRUE(call.with("shape", {1000}).with("seed", seed).run());
    return values<float>(call.out());
  };
  for (const char* op : {"RandomNormal", "RandomUniform"}) {
    EXPECT_EQ(draw(op, 1), draw(op, 1)) << op;
    EXPECT_NE(draw(op, 1), draw(op, 2)) << op;
  }
  TestCall first("RandomUniform", 22, {}), second("RandomUniform", 22, {});
  ASSERT_TRUE(first.with("shape", {16}).run() && second.with("shape", {16}).run());
  EXPECT_NE(values<float>(first.out()), values<float>(second.out()));
}

TEST(Random, HasTheMomentsOfItsDistribution) {
  constexpr int kCount = 100000;
  const auto moments = [](const std::vector<double>& numbers) {
    double sum = 0, squares = 0;
    for (const double x : numbers) sum += x, squares += x * x;
    const double mean = sum / kCount;
    return std::pair(mean, std::sqrt(squares / kCount - mean * mean));
  };
  TestCall normal("RandomNormal", 22, {});
  ASSERT_TRUE(normal.with("shape", {kCount}).with("seed", 3.0f).with("mean", 5.0f).with("scale", 2.0f).run());
  const auto [mean, deviation] = moments(doubles<float>(normal.out()));
  EXPECT_NEAR(mean, 5, 0.03);  // five standard errors
  EXPECT_NEAR(deviation, 2, 0.03);
  TestCall uniform("RandomUniform", 22, {});
  uniform.with("shape", {kCount}).with("seed", 3.0f).with("low", -1.0f).with("high", 3.0f).with("dtype", int64_t{11});
  ASSERT_TRUE(uniform.run());
  const auto drawn = doubles<double>(uniform.out());
  EXPECT_NEAR(moments(drawn).first, 1, 0.02);
  for (const double x : drawn) ASSERT_TRUE(x >= -1 && x < 3);
}

TEST(Bernoulli, DrawsWithTheGivenProbability) {
  auto p = Tensor::allocate(DType::F32, {100000});
  ASSERT_TRUE(p);
  std::fill_n(p->mutable_data<float>(), 100000, 0.25f);
  TestCall call("Bernoulli", 15, {*p});
  ASSERT_TRUE(call.with("seed", 1.0f).with("dtype", int64_t{7}).run());
  int64_t ones = 0;
  for (const int64_t x : values<int64_t>(call.out())) ones += x;
  EXPECT_NEAR(static_cast<double>(ones), 25000, 700);
  EXPECT_NE(TestCall("Bernoulli", 15, {tensor<float>({1}, {1.5f})}).error().find("need 0 to 1"), std::string::npos);
}

TEST(Multinomial, DrawsByTheLogits) {
  TestCall call("Multinomial", 7, {tensor<float>({2, 3}, {0, std::log(3.0f), -INFINITY, -INFINITY, 7, -INFINITY})});
  ASSERT_TRUE(call.with("sample_size", int64_t{40000}).with("seed", 1.0f).run());
  int64_t counts[2][3] = {};
  for (int64_t i = 0; i < 80000; ++i) ++counts[i / 40000][call.out().data<int32_t>()[i]];
  EXPECT_NEAR(static_cast<double>(counts[0][0]), 10000, 450);
  EXPECT_EQ(counts[0][2], 0);
  EXPECT_EQ(counts[1][1], 40000);
  EXPECT_NE(TestCall("Multinomial", 7, {tensor<float>({1, 1}, {std::nanf("")})}).error().find("no probabilities"),
            std::string::npos);
  EXPECT_NE(TestCall("Multinomial", 7, {tensor<float>({1, 1}, {-INFINITY})}).error().find("no probabilities"),
            std::string::npos);
}

}  // namespace
}  // namespace hearth::operators
