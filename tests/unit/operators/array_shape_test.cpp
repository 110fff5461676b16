// Operators that change or tell the shape only.
#include <climits>

#include "test_call.h"

namespace hearth::operators {
namespace {

Tensor ints(std::initializer_list<int64_t> numbers) {
  return tensor<int64_t>({static_cast<int64_t>(numbers.size())}, numbers);
}
Tensor zeros(const Dims& dims) {
  auto made = Tensor::allocate(DType::F32, dims);
  CHECK(made);
  return *made;
}

TEST(Reshape, SharesTheElements) {
  const Tensor data = tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  TestCall call("Reshape", 14, {data, ints({3, -1})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out().dims(), (Dims{3, 2}));
  EXPECT_EQ(call.out().raw(), data.raw());
}

TEST(Reshape, ZeroCopiesASizeUnlessItIsAllowed) {
  TestCall copied("Reshape", 14, {zeros({2, 3, 4}), ints({0, -1})});
  ASSERT_TRUE(copied.run());
  EXPECT_EQ(copied.out().dims(), (Dims{2, 12}));
  TestCall meant("Reshape", 14, {zeros({0, 3, 4}), ints({3, 4, 0})});
  ASSERT_TRUE(meant.with("allowzero", int64_t{1}).run());
  EXPECT_EQ(meant.out().dims(), (Dims{3, 4, 0}));
  TestCall undetermined("Reshape", 14, {zeros({0, 3}), ints({0, -1})});
  EXPECT_NE(undetermined.with("allowzero", int64_t{1}).error().find("-1 beside 0"), std::string::npos);
}

TEST(Reshape, ABatchOfNothingKeepsItsOtherSizes) {
  TestCall call("Reshape", 13, {zeros({0, 3, 4}), ints({0, -1})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out().dims(), (Dims{0, 12}));
}

TEST(Reshape, RefusesWhatDoesNotFit) {
  const auto error = [](std::initializer_list<int64_t> shape) {
    return TestCall("Reshape", 14, {zeros({2, 3}), ints(shape)}).error();
  };
  EXPECT_NE(error({4, -1}).find("6 elements do not fill"), std::string::npos) << error({4, -1});
  EXPECT_NE(error({-1, -1}).find("more than one -1"), std::string::npos);
  EXPECT_NE(error({-2, 3}).find("got size -2"), std::string::npos);
  EXPECT_NE(error({2, 3, 0}).find("dimension 2"), std::string::npos);
  EXPECT_NE(error({INT64_MAX, INT64_MAX}).find("which is no size"), std::string::npos);
  EXPECT_NE(error({1, 1, 1, 1, 1, 1, 1, 2, 3}).find("at most 8"), std::string::npos);
}

TEST(Reshape, ShapeWasAnAttributeBeforeOpset5) {
  TestCall call("Reshape", 1, {zeros({2, 3})});
  ASSERT_TRUE(call.with("shape", {3, 2}).run());
  EXPECT_EQ(call.out().dims(), (Dims{3, 2}));
}

TEST(Flatten, TakesEveryAxis) {
  for (const auto& [axis, rows, columns] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {0, 1, 24}, {1, 2, 12}, {3, 24, 1}, {-1, 6, 4}, {-3, 1, 24}}) {
    TestCall call("Flatten", 13, {zeros({2, 3, 4})});
    ASSERT_TRUE(call.with("axis", axis).run());
    EXPECT_EQ(call.out().dims(), (Dims{rows, columns})) << axis;
  }
  TestCall empty("Flatten", 13, {zeros({0, 3, 4})});
  ASSERT_TRUE(empty.with("axis", int64_t{2}).run());
  EXPECT_EQ(empty.out().dims(), (Dims{0, 4}));
  EXPECT_NE(TestCall("Flatten", 13, {zeros({2})}).with("axis", int64_t{2}).error().find("axis; got 2"),
            std::string::npos);
}

TEST(Squeeze, AxesAreAnAttributeOrAnInput) {
  TestCall before("Squeeze", 11, {zeros({1, 3, 1})});
  ASSERT_TRUE(before.with("axes", {-1}).run());
  EXPECT_EQ(before.out().dims(), (Dims{1, 3}));
  TestCall now("Squeeze", 13, {zeros({1, 3, 1}), ints({0})});
  ASSERT_TRUE(now.run());
  EXPECT_EQ(now.out().dims(), (Dims{3, 1}));
  TestCall all("Squeeze", 13, {zeros({1, 3, 1})});
  ASSERT_TRUE(all.run());
  EXPECT_EQ(all.out().dims(), (Dims{3}));
  EXPECT_NE(TestCall("Squeeze", 13, {zeros({1, 3}), ints({1})}).error().find("size 3, need 1"), std::string::npos);
}

TEST(Unsqueeze, CountsNegativeAxesInTheOutput) {
  TestCall call("Unsqueeze", 13, {zeros({3}), ints({-1, 0})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out().dims(), (Dims{1, 3, 1}));
  EXPECT_NE(TestCall("Unsqueeze", 13, {zeros({3}), ints({0, -3})}).error().find("twice"), std::string::npos);
  EXPECT_NE(TestCall("Unsqueeze", 13, {zeros({3})}).error().find("input 1 is absent"), std::string::npos);
}

TEST(Shape, ClampsStartAndEnd) {
  TestCall call("Shape", 19, {zeros({2, 3, 4})});
  ASSERT_TRUE(call.with("start", int64_t{-10}).with("end", int64_t{-1}).run());
  EXPECT_EQ(values<int64_t>(call.out()), (std::vector<int64_t>{2, 3}));
  TestCall crossed("Shape", 19, {zeros({2, 3, 4})});
  ASSERT_TRUE(crossed.with("start", int64_t{2}).with("end", int64_t{1}).run());
  EXPECT_EQ(crossed.out().size(), 0);
}

}  // namespace
}  // namespace hearth::operators
