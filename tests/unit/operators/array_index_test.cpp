// Operators that are told places by their inputs.
#include <climits>
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

Tensor ints(const Dims& dims, std::initializer_list<int64_t> numbers) {
  return tensor<int64_t>(dims, numbers);
}
using Floats = std::vector<float>;
using Longs = std::vector<int64_t>;

TEST(Gather, NamesTheIndexThatIsOutOfRange) {
  const Tensor data = tensor<float>({2, 2}, {1, 2, 3, 4});
  TestCall call("Gather", 13, {data, tensor<int32_t>({3}, {1, -2, -1})});
  ASSERT_TRUE(call.with("axis", int64_t{1}).run());
  EXPECT_EQ(values<float>(call.out()), (Floats{2, 1, 2, 4, 3, 4}));
  EXPECT_NE(TestCall("Gather", 13, {data, ints({2}, {0, 2})}).error().find("index 1 of the indices; got 2"),
            std::string::npos);
  EXPECT_NE(TestCall("Gather", 13, {data, ints({}, {INT64_MIN})}).error().find("got -9223372036854775808"),
            std::string::npos);
  EXPECT_NE(TestCall("Gather", 13, {tensor<float>({}, {1}), ints({}, {0})}).error().find("axis"), std::string::npos);
}

TEST(GatherElements, TakesFewerIndicesThanData) {
  const Tensor data = tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  TestCall call("GatherElements", 13, {data, ints({1, 2}, {-1, 0})});
  ASSERT_TRUE(call.with("axis", int64_t{1}).run());
  EXPECT_EQ(values<float>(call.out()), (Floats{3, 1}));
  TestCall down("GatherElements", 13, {data, ints({3, 2}, {0, 1, 1, 0, 0, 0})});
  ASSERT_TRUE(down.run());
  EXPECT_EQ(values<float>(down.out()), (Floats{1, 5, 4, 2, 1, 2}));
  EXPECT_NE(TestCall("GatherElements", 13, {data, ints({1, 4}, {0, 0, 0, 0})}).error().find("no more than the data's"),
            std::string::npos);
}

TEST(GatherND, TakesSlicesInBatches) {
  const Tensor data = tensor<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  TestCall call("GatherND", 13, {data, ints({2, 1}, {1, -2})});
  ASSERT_TRUE(call.with("batch_dims", int64_t{1}).run());
  EXPECT_EQ(call.out().dims(), (Dims{2, 2}));
  EXPECT_EQ(values<float>(call.out()), (Floats{3, 4, 5, 6}));
  EXPECT_NE(TestCall("GatherND", 13, {data, ints({1, 2}, {0, 5})}).error().find("got 5, need -2 to 1 for axis 1"),
            std::string::npos);
  EXPECT_NE(TestCall("GatherND", 13, {data, ints({1, 4}, {0, 0, 0, 0})}).error().find("tuples of 4"),
            std::string::npos);
  EXPECT_NE(TestCall("GatherND", 13, {data, ints({1}, {0})}).with("batch_dims", int64_t{1}).error().find("batch_dims"),
            std::string::npos);
}

TEST(ScatterElements, ReducesInTheOrderOfTheUpdates) {
  const Tensor data = tensor<float>({1, 3}, {1, 2, 3}), indices = ints({1, 3}, {0, 0, -1}),
               updates = tensor<float>({1, 3}, {10, 20, 30});
  const auto scattered = [&](const std::string& reduction) {
    TestCall call("ScatterElements", 18, {data, indices, updates});
    EXPECT_TRUE(call.with("axis", int64_t{1}).with("reduction", reduction).run());
    return values<float>(call.out());
  };
  EXPECT_EQ(scattered("none"), (Floats{20, 2, 30}));
  EXPECT_EQ(scattered("add"), (Floats{31, 2, 33}));
  EXPECT_EQ(scattered("mul"), (Floats{200, 2, 90}));
  EXPECT_EQ(scattered("max"), (Floats{20, 2, 30}));
  EXPECT_EQ(scattered("min"), (Floats{1, 2, 3}));
  EXPECT_EQ(values<float>(data), (Floats{1, 2, 3}));  // the input is not written to
  EXPECT_NE(TestCall("ScatterElements", 18, {data, indices, updates})
                .with("reduction", std::string("mean"))
                .error()
                .find("'mean'"),
            std::string::npos);
}

TEST(ScatterElements, KeepsNaNsAndWrapsIntegers) {
  const float nan = std::nanf("");
  TestCall floats("ScatterElements", 18,
                  {tensor<float>({2}, {nan, 1}), ints({2}, {0, 1}), tensor<float>({2}, {5, nan})});
  ASSERT_TRUE(floats.with("reduction", std::string("max")).run());
  EXPECT_TRUE(std::isnan(values<float>(floats.out())[0]) && std::isnan(values<float>(floats.out())[1]));
  TestCall bytes("ScatterElements", 18, {tensor<int8_t>({1}, {127}), ints({1}, {0}), tensor<int8_t>({1}, {2})});
  ASSERT_TRUE(bytes.with("reduction", std::string("add")).run());
  EXPECT_EQ(values<int8_t>(bytes.out()), (std::vector<int8_t>{-127}));
  TestCall words("ScatterElements", 18,
                 {tensor<std::string>({1}, {"a"}), ints({1}, {0}), tensor<std::string>({1}, {"b"})});
  EXPECT_NE(words.with("reduction", std::string("add")).error().find("does not have"), std::string::npos);
}

TEST(ScatterND, ReplacesSlices) {
  const Tensor data = tensor<int32_t>({3, 2}, {0, 0, 0, 0, 0, 0});
  TestCall call("ScatterND", 18, {data, ints({2, 1}, {2, 0}), tensor<int32_t>({2, 2}, {1, 2, 3, 4})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int32_t>(call.out()), (std::vector<int32_t>{3, 4, 0, 0, 1, 2}));
  EXPECT_NE(
      TestCall("ScatterND", 18, {data, ints({1, 1}, {0}), tensor<int32_t>({2}, {1, 2})}).error().find("need [1, 2]"),
      std::string::npos);
}

TEST(TensorScatter, WrapsAroundOnlyWhenAsked) {
  const Tensor past = tensor<float>({1, 3, 1}, {1, 2, 3}), update = tensor<float>({1, 2, 1}, {8, 9});
  TestCall around("TensorScatter", 24, {past, update, ints({1}, {2})});
  ASSERT_TRUE(around.with("mode", std::string("circular")).run());
  EXPECT_EQ(values<float>(around.out()), (Floats{9, 2, 8}));
  EXPECT_NE(
      TestCall("TensorScatter", 24, {past, update, ints({1}, {2})}).error().find("write index; got 2, need 0 to 1"),
      std::string::npos);
}

TEST(OneHot, TakesIndicesOfEveryKind) {
  TestCall call("OneHot", 11,
                {tensor<float>({3}, {1, -1, 7}), tensor<int32_t>({}, {3}), tensor<std::string>({2}, {"off", "on"})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<std::string>(call.out()),
            (std::vector<std::string>{"off", "on", "off", "off", "off", "on", "off", "off", "off"}));
  TestCall far("OneHot", 11, {tensor<float>({2}, {1e30f, std::nanf("")}), ints({1}, {2}), tensor<float>({2}, {0, 1})});
  ASSERT_TRUE(far.with("axis", int64_t{0}).run());
  EXPECT_EQ(values<float>(far.out()), (Floats{0, 0, 0, 0}));
  EXPECT_NE(TestCall("OneHot", 11, {ints({1}, {0}), ints({}, {-1}), tensor<float>({2}, {0, 1})}).error().find("depth"),
            std::string::npos);
}

TEST(NonZero, CountsNegativeZeroAsZero) {
  TestCall call("NonZero", 13, {tensor<float>({2, 2}, {-0.0f, 1, std::nanf(""), 0})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out().dims(), (Dims{2, 2}));
  EXPECT_EQ(values<int64_t>(call.out()), (Longs{0, 1, 1, 0}));
  TestCall scalar("NonZero", 13, {tensor<float>({}, {1})});
  ASSERT_TRUE(scalar.run());
  EXPECT_EQ(scalar.out().dims(), (Dims{0, 1}));
  TestCall words("NonZero", 13, {tensor<std::string>({2}, {"", "a"})});
  ASSERT_TRUE(words.run());
  EXPECT_EQ(values<int64_t>(words.out()), (Longs{1}));
}

TEST(Compress, RefusesATrueBeyondTheAxis) {
  const Tensor data = tensor<float>({2, 2}, {1, 2, 3, 4});
  TestCall call("Compress", 11, {data, tensor<bool>({1}, {true})});
  ASSERT_TRUE(call.with("axis", int64_t{1}).run());
  EXPECT_EQ(values<float>(call.out()), (Floats{1, 3}));
  EXPECT_NE(TestCall("Compress", 11, {data, tensor<bool>({3}, {false, false, true})})
                .with("axis", int64_t{0})
                .error()
                .find("position 2"),
            std::string::npos);
}

TEST(Unique, OrdersWordsNumbersAndNaNs) {
  TestCall words("Unique", 11, {tensor<std::string>({4}, {"b", "a", "b", "c"})}, 4);
  ASSERT_TRUE(words.run());
  EXPECT_EQ(values<std::string>(words.out(0)), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(values<int64_t>(words.out(1)), (Longs{1, 0, 3}));
  EXPECT_EQ(values<int64_t>(words.out(2)), (Longs{1, 0, 1, 2}));
  EXPECT_EQ(values<int64_t>(words.out(3)), (Longs{1, 2, 1}));
  TestCall unsorted("Unique", 11, {tensor<std::string>({4}, {"b", "a", "b", "c"})}, 4);
  ASSERT_TRUE(unsorted.with("sorted", int64_t{0}).run());
  EXPECT_EQ(values<std::string>(unsorted.out(0)), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(values<int64_t>(unsorted.out(2)), (Longs{0, 1, 0, 2}));
  EXPECT_EQ(values<int64_t>(unsorted.out(3)), (Longs{2, 1, 1}));
  const float nan = std::nanf("");
  TestCall floats("Unique", 11, {tensor<float>({5}, {nan, 1, nan, -1, 1})});
  ASSERT_TRUE(floats.run());
  EXPECT_EQ(floats.out().size(), 3);
  EXPECT_EQ(values<float>(floats.out())[0], -1);
  EXPECT_TRUE(std::isnan(values<float>(floats.out())[2]));
}

TEST(Unique, ComparesSubtensorsOfAnyAxis) {
  TestCall call("Unique", 11, {tensor<int32_t>({2, 3}, {1, 0, 1, 2, 5, 2})}, 3);
  ASSERT_TRUE(call.with("axis", int64_t{1}).run());
  EXPECT_EQ(call.out(0).dims(), (Dims{2, 2}));
  EXPECT_EQ(values<int32_t>(call.out(0)), (std::vector<int32_t>{0, 1, 5, 2}));
  EXPECT_EQ(values<int64_t>(call.out(2)), (Longs{1, 0, 1}));
  TestCall nothing("Unique", 11, {tensor<int32_t>({0}, {})}, 4);
  ASSERT_TRUE(nothing.run());
  EXPECT_EQ(nothing.out(0).dims(), (Dims{0}));
}

}  // namespace
}  // namespace hearth::operators
