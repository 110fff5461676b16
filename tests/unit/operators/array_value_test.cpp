// Operators that make values: ranges, constants, matrices, counts.
#include <climits>
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

using Floats = std::vector<float>;
using Longs = std::vector<int64_t>;

Tensor ints(std::initializer_list<int64_t> numbers) {
  return tensor<int64_t>({static_cast<int64_t>(numbers.size())}, numbers);
}

std::string range_error(int64_t start, int64_t limit, int64_t delta) {
  return TestCall("Range", 11,
                  {tensor<int64_t>({}, {start}), tensor<int64_t>({}, {limit}), tensor<int64_t>({}, {delta})})
      .error();
}

TEST(Range, CountsToTheLimits) {
  TestCall whole(
      "Range", 11,
      {tensor<int64_t>({}, {INT64_MIN}), tensor<int64_t>({}, {INT64_MAX}), tensor<int64_t>({}, {INT64_MAX})});
  ASSERT_TRUE(whole.run());
  EXPECT_EQ(values<int64_t>(whole.out()), (Longs{INT64_MIN, -1, INT64_MAX - 1}));
  TestCall down("Range", 11,
                {tensor<int64_t>({}, {INT64_MAX}), tensor<int64_t>({}, {INT64_MIN}), tensor<int64_t>({}, {INT64_MIN})});
  ASSERT_TRUE(down.run());
  EXPECT_EQ(values<int64_t>(down.out()), (Longs{INT64_MAX, -1}));
  TestCall away("Range", 11, {tensor<int16_t>({}, {3}), tensor<int16_t>({}, {1}), tensor<int16_t>({}, {1})});
  ASSERT_TRUE(away.run());
  EXPECT_EQ(away.out().size(), 0);
  EXPECT_NE(range_error(0, 10, 0).find("delta; got 0"), std::string::npos);
  EXPECT_NE(range_error(INT64_MIN, INT64_MAX, 1).find("more than"), std::string::npos);
}

TEST(Range, RefusesFloatsThatNeverEnd) {
  const auto error = [](float start, float limit, float delta) {
    return TestCall("Range", 11, {tensor<float>({}, {start}), tensor<float>({}, {limit}), tensor<float>({}, {delta})})
        .error();
  };
  EXPECT_NE(error(0, INFINITY, 1).find("finite"), std::string::npos);
  EXPECT_NE(error(0, 1, 0).find("not 0"), std::string::npos);
  EXPECT_NE(error(0, 1e30f, 1e-30f).find("more than"), std::string::npos);
  EXPECT_EQ(error(0, 1, 0.1f), "");
}

TEST(Range, HalfPrecisionDoesNotStandStill) {
  // In float16 itself 2048 + 1 is 2048: positions are computed in the stash type.
  TestCall call("Range", 27, {tensor_of<Half>({}, {2046}), tensor_of<Half>({}, {2054}), tensor_of<Half>({}, {1})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(doubles<Half>(call.out()), (std::vector<double>{2046, 2047, 2048, 2048, 2050, 2052, 2052, 2052}));
}

TEST(Constant, TakesEveryKindOfValue) {
  TestCall words("Constant", 13, {});
  ASSERT_TRUE(words.with("value_strings", graph::Attribute::Data(std::vector<std::string>{"a", "b"})).run());
  EXPECT_EQ(values<std::string>(words.out()), (std::vector<std::string>{"a", "b"}));
  TestCall number("Constant", 13, {});
  ASSERT_TRUE(number.with("value_float", 2.5f).run());
  EXPECT_EQ(values<float>(number.out()), (Floats{2.5f}));
  EXPECT_EQ(number.out().rank(), 0);
  TestCall list("Constant", 13, {});
  ASSERT_TRUE(list.with("value_ints", {4, 5}).run());
  EXPECT_EQ(values<int64_t>(list.out()), (Longs{4, 5}));
  EXPECT_NE(TestCall("Constant", 13, {}).error().find("got 0, need one"), std::string::npos);
  EXPECT_NE(TestCall("Constant", 13, {}).with("value_int", int64_t{1}).with("value_float", 1.0f).error().find("got 2"),
            std::string::npos);
}

TEST(Constant, SparseValuesBecomeDense) {
  TestCall call("Constant", 11, {});
  graph::SparseTensor sparse{tensor<float>({2}, {5, 6}), tensor<int64_t>({2, 2}, {0, 1, 1, 0}), {2, 2}};
  ASSERT_TRUE(call.with("sparse_value", graph::Attribute::Data(sparse)).run());
  EXPECT_EQ(values<float>(call.out()), (Floats{0, 5, 6, 0}));
  sparse.indices = ints({3, 4});
  EXPECT_NE(TestCall("Constant", 11, {}).with("sparse_value", graph::Attribute::Data(sparse)).error().find("got 4"),
            std::string::npos);
  sparse.indices = ints({1});
  EXPECT_NE(TestCall("Constant", 11, {}).with("sparse_value", graph::Attribute::Data(sparse)).error().find("need 2"),
            std::string::npos);
}

TEST(ConstantOfShape, RefusesSizesBeforeItTakesMemory) {
  TestCall call("ConstantOfShape", 9, {ints({2})});
  ASSERT_TRUE(call.with("value", graph::Attribute::Data(tensor<std::string>({1}, {"x"}))).run());
  EXPECT_EQ(values<std::string>(call.out()), (std::vector<std::string>{"x", "x"}));
  EXPECT_NE(TestCall("ConstantOfShape", 9, {ints({-1})}).error().find("got -1"), std::string::npos);
  EXPECT_NE(TestCall("ConstantOfShape", 9, {ints({INT64_MAX, INT64_MAX})}).error().find("at most"), std::string::npos);
}

TEST(EyeLike, TakesAnyDiagonal) {
  auto matrix = Tensor::allocate(DType::F32, {2, 3});
  ASSERT_TRUE(matrix);
  for (const auto& [k, wanted] :
       std::vector<std::pair<int64_t, std::vector<bool>>>{{-1, {false, false, false, true, false, false}},
                                                          {2, {false, false, true, false, false, false}},
                                                          {INT64_MAX, std::vector<bool>(6)},
                                                          {INT64_MIN, std::vector<bool>(6)}}) {
    TestCall call("EyeLike", 9, {*matrix});
    ASSERT_TRUE(call.with("k", k).with("dtype", int64_t{9}).run());
    const bool* got = call.out().data<bool>();
    EXPECT_EQ(std::vector<bool>(got, got + 6), wanted) << k;
  }
}

TEST(Trilu, TakesAnyDiagonal) {
  const Tensor matrix = tensor<int32_t>({2, 2}, {1, 2, 3, 4});
  const auto part = [&](int64_t k, int64_t upper) {
    TestCall call("Trilu", 14, {matrix, tensor<int64_t>({}, {k})});
    EXPECT_TRUE(call.with("upper", upper).run());
    return values<int32_t>(call.out());
  };
  EXPECT_EQ(part(0, 1), (std::vector<int32_t>{1, 2, 0, 4}));
  EXPECT_EQ(part(1, 0), (std::vector<int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(part(INT64_MAX, 1), (std::vector<int32_t>{0, 0, 0, 0}));
  EXPECT_EQ(part(INT64_MIN, 1), (std::vector<int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(part(INT64_MIN, 0), (std::vector<int32_t>{0, 0, 0, 0}));
}

TEST(Col2Im, AddsWhereBlocksOverlap) {
  TestCall call("Col2Im", 18, {tensor<float>({1, 2, 2}, {1, 2, 10, 20}), ints({3}), ints({2})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<float>(call.out()), (Floats{1, 12, 20}));
  TestCall halves("Col2Im", 18, {tensor_of<Half>({1, 2, 2}, {1, 2, 10, 20}), ints({3}), ints({2})});
  ASSERT_TRUE(halves.run());
  EXPECT_EQ(doubles<Half>(halves.out()), (std::vector<double>{1, 12, 20}));
  TestCall padded("Col2Im", 18, {tensor<float>({1, 2, 2}, {1, 2, 10, 20}), ints({2}), ints({2})});
  ASSERT_TRUE(padded.with("pads", {1, 1}).with("strides", {2}).run());
  EXPECT_EQ(values<float>(padded.out()), (Floats{10, 2}));
}

TEST(Col2Im, RefusesBlocksThatDoNotFit) {
  const Tensor columns = tensor<float>({1, 2, 2}, {1, 2, 10, 20});
  EXPECT_NE(TestCall("Col2Im", 18, {columns, ints({3}), ints({4})}).error().find("block; got 4"), std::string::npos);
  EXPECT_NE(TestCall("Col2Im", 18, {columns, ints({4}), ints({2})}).error().find("need 3 blocks"), std::string::npos);
  EXPECT_NE(TestCall("Col2Im", 18, {columns, ints({3}), ints({2})}).with("strides", {0}).error().find("strides"),
            std::string::npos);
  EXPECT_NE(TestCall("Col2Im", 18, {columns, ints({INT64_MAX}), ints({2})}).error().find("size of image"),
            std::string::npos);
}

TestCall& as_bigrams(TestCall& call, const std::string& mode) {
  return call.with("mode", mode)
      .with("min_gram_length", int64_t{1})
      .with("max_gram_length", int64_t{2})
      .with("max_skip_count", int64_t{1})
      .with("ngram_counts", {0, 2})
      .with("ngram_indexes", {3, 0, 1})
      .with("weights", graph::Attribute::Data(std::vector<float>{10, 100, 1000}))
      .with("pool_strings", graph::Attribute::Data(std::vector<std::string>{"a", "b", "a", "b"}));
}

TEST(TfIdfVectorizer, CountsSkipsAndWeighsTheNgramsOfThePool) {
  const Tensor words = tensor<std::string>({4}, {"a", "x", "b", "b"});
  TestCall counts("TfIdfVectorizer", 9, {words});
  ASSERT_TRUE(as_bigrams(counts, "TF").run());
  EXPECT_EQ(values<float>(counts.out()), (Floats{2, 1, 0, 1}));  // b twice, "a _ b" once, a once
  TestCall weighted("TfIdfVectorizer", 9, {words});
  ASSERT_TRUE(as_bigrams(weighted, "TFIDF").run());
  EXPECT_EQ(values<float>(weighted.out()), (Floats{200, 1000, 0, 10}));
  TestCall once("TfIdfVectorizer", 9, {words});
  ASSERT_TRUE(as_bigrams(once, "IDF").run());
  EXPECT_EQ(values<float>(once.out()), (Floats{100, 1000, 0, 10}));
}

TEST(TfIdfVectorizer, RefusesAPoolThatDoesNotAddUp) {
  const Tensor words = tensor<std::string>({1}, {"a"});
  TestCall odd("TfIdfVectorizer", 9, {words});
  EXPECT_NE(as_bigrams(odd, "TF").with("ngram_counts", {0, 1}).error().find("ngram_counts"), std::string::npos);
  TestCall few("TfIdfVectorizer", 9, {words});
  EXPECT_NE(as_bigrams(few, "TF")
                .with("ngram_indexes", {3, 0})
                .with("weights", graph::Attribute::Data(std::vector<float>{1, 1}))
                .error()
                .find("ngram_indexes"),
            std::string::npos);
  TestCall far("TfIdfVectorizer", 9, {words});
  EXPECT_NE(as_bigrams(far, "TF").with("ngram_indexes", {3, 0, INT64_MAX}).error().find("ngram_indexes"),
            std::string::npos);
  TestCall numbers("TfIdfVectorizer", 9, {ints({1})});
  EXPECT_NE(as_bigrams(numbers, "TF").error().find("need strings"), std::string::npos);
}

}  // namespace
}  // namespace hearth::operators
