// Operators that move elements: every element width, empty tensors, and sizes that nobody should ask for.
#include <algorithm>
#include <climits>
#include <numeric>
#include <random>

#include "test_call.h"

namespace hearth::operators {
namespace {

Tensor ints(std::initializer_list<int64_t> numbers) {
  return tensor<int64_t>({static_cast<int64_t>(numbers.size())}, numbers);
}
Tensor count_up(const Dims& dims) {
  auto made = Tensor::allocate(DType::I32, dims);
  CHECK(made);
  std::iota(made->mutable_data<int32_t>(), made->mutable_data<int32_t>() + made->size(), 0);
  return *made;
}
Tensor empty(const Dims& dims) {
  auto made = Tensor::allocate(DType::F32, dims);
  CHECK(made && made->size() == 0);
  return *made;
}
using Ints = std::vector<int32_t>;

// Element (i0, i1, …) of a tensor, by the definition of row-major order.
int32_t at(const Tensor& tensor, std::vector<int64_t> index) {
  int64_t place = 0;
  for (int i = 0; i < tensor.rank(); ++i) place = place * tensor.dim(i) + index[static_cast<size_t>(i)];
  return tensor.data<int32_t>()[place];
}

TEST(Transpose, MovesEveryElementOfLargeTensors) {
  // Larger than the tiles, and no multiples of them.
  std::mt19937 random(7);
  std::vector<int64_t> perm = {0, 1, 2, 3};
  const Tensor data = count_up({3, 35, 18, 33});
  do {
    TestCall call("Transpose", 13, {data});
    ASSERT_TRUE(call.with("perm", graph::Attribute::Data(perm)).run());
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<int64_t> from(4), to(4);
      for (size_t i = 0; i < 4; ++i)
        from[i] = static_cast<int64_t>(random() % static_cast<uint32_t>(data.dim(static_cast<int>(i))));
      for (size_t i = 0; i < 4; ++i) to[i] = from[static_cast<size_t>(perm[i])];
      ASSERT_EQ(at(call.out(), to), at(data, from)) << fmt::format("{}", fmt::join(perm, ","));
    }
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(Transpose, ServesEveryWidth) {
  TestCall bytes("Transpose", 13, {tensor<uint8_t>({2, 2}, {1, 2, 3, 4})});
  ASSERT_TRUE(bytes.run());
  EXPECT_EQ(values<uint8_t>(bytes.out()), (std::vector<uint8_t>{1, 3, 2, 4}));
  TestCall halves("Transpose", 13, {tensor_of<Half>({2, 2}, {1, 2, 3, 4})});
  ASSERT_TRUE(halves.run());
  EXPECT_EQ(doubles<Half>(halves.out()), (std::vector<double>{1, 3, 2, 4}));
  using C = std::complex<double>;
  TestCall wide("Transpose", 13, {tensor<C>({2, 2}, {C(1, 1), C(2, 2), C(3, 3), C(4, 4)})});
  ASSERT_TRUE(wide.run());
  EXPECT_EQ(values<C>(wide.out()), (std::vector<C>{C(1, 1), C(3, 3), C(2, 2), C(4, 4)}));
  TestCall words("Transpose", 13, {tensor<std::string>({2, 2}, {"a", "b", "a word too long to be short", "d"})});
  ASSERT_TRUE(words.run());
  EXPECT_EQ(values<std::string>(words.out()), (std::vector<std::string>{"a", "a word too long to be short", "b", "d"}));
}

TEST(Transpose, RefusesWhatIsNoPermutation) {
  EXPECT_NE(TestCall("Transpose", 13, {count_up({2, 3})}).with("perm", {0, 0}).error().find("twice"),
            std::string::npos);
  EXPECT_NE(TestCall("Transpose", 13, {count_up({2, 3})}).with("perm", {0}).error().find("need 2"), std::string::npos);
}

TEST(Slice, StepsBackwardsAndClamps) {
  TestCall call("Slice", 13, {count_up({10}), ints({-1}), ints({INT64_MIN}), ints({0}), ints({-3})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{9, 6, 3, 0}));
  TestCall far("Slice", 13, {count_up({10}), ints({2}), ints({INT64_MAX}), ints({0}), ints({INT64_MAX})});
  ASSERT_TRUE(far.run());
  EXPECT_EQ(values<int32_t>(far.out()), (Ints{2}));
  TestCall farther("Slice", 13, {count_up({10}), ints({7}), ints({INT64_MIN}), ints({0}), ints({INT64_MIN})});
  ASSERT_TRUE(farther.run());
  EXPECT_EQ(values<int32_t>(farther.out()), (Ints{7}));
  TestCall nothing("Slice", 13, {count_up({10}), ints({20}), ints({30})});
  ASSERT_TRUE(nothing.run());
  EXPECT_EQ(nothing.out().dims(), (Dims{0}));
  // A start before the beginning is the beginning, for steps backwards as well.
  TestCall before("Slice", 13, {count_up({5}), ints({-100}), ints({INT64_MIN}), ints({0}), ints({-1})});
  ASSERT_TRUE(before.run());
  EXPECT_EQ(values<int32_t>(before.out()), (Ints{0}));
}

TEST(Slice, TakesAttributesBeforeOpset10) {
  TestCall call("Slice", 9, {count_up({3, 4})});
  ASSERT_TRUE(call.with("starts", {1, -3}).with("ends", {1000, -1}).with("axes", {0, 1}).run());
  EXPECT_EQ(call.out().dims(), (Dims{2, 2}));
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{5, 6, 9, 10}));
}

TEST(Slice, TakesSeveralAxesAtOnce) {
  TestCall call("Slice", 13, {count_up({4, 5}), ints({3, 0}), ints({-5, 5}), ints({-2, -1}), ints({-2, 2})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{15, 17, 19, 5, 7, 9}));
  EXPECT_NE(TestCall("Slice", 13, {count_up({4}), ints({0}), ints({1}), ints({0}), ints({0})}).error().find("step"),
            std::string::npos);
  EXPECT_NE(TestCall("Slice", 13, {count_up({4}), ints({0, 0}), ints({1})}).error().find("as many of each"),
            std::string::npos);
}

TEST(Concat, JoinsAlongAnyAxisEvenWithEmptyTensors) {
  TestCall call("Concat", 13, {count_up({2, 1}), count_up({2, 0}), count_up({2, 2})});
  ASSERT_TRUE(call.with("axis", int64_t{-1}).run());
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{0, 0, 1, 1, 2, 3}));
  EXPECT_NE(
      TestCall("Concat", 13, {count_up({2, 1}), count_up({3, 1})}).with("axis", int64_t{1}).error().find("shapes"),
      std::string::npos);
  EXPECT_NE(TestCall("Concat", 13, {count_up({2}), empty({0})}).with("axis", int64_t{0}).error().find("element types"),
            std::string::npos);
  EXPECT_NE(TestCall("Concat", 13, {count_up({2})}).error().find("axis is absent"), std::string::npos);
}

TEST(Split, DividesByItsVersionsRules) {
  TestCall even("Split", 11, {count_up({6})}, 3);
  ASSERT_TRUE(even.run());
  EXPECT_EQ(values<int32_t>(even.out(2)), (Ints{4, 5}));
  EXPECT_NE(TestCall("Split", 13, {count_up({7})}, 3).error().find("multiple of 3"), std::string::npos);
  TestCall uneven("Split", 18, {count_up({7})}, 3);
  ASSERT_TRUE(uneven.with("num_outputs", int64_t{3}).run());
  EXPECT_EQ(values<int32_t>(uneven.out(0)), (Ints{0, 1, 2}));
  EXPECT_EQ(values<int32_t>(uneven.out(2)), (Ints{6}));
  TestCall attribute("Split", 11, {count_up({2, 3})}, 2);
  ASSERT_TRUE(attribute.with("axis", int64_t{1}).with("split", {1, 2}).run());
  EXPECT_EQ(values<int32_t>(attribute.out(1)), (Ints{1, 2, 4, 5}));
  EXPECT_NE(TestCall("Split", 13, {count_up({6}), ints({INT64_MAX, INT64_MAX})}, 2).error().find("no size"),
            std::string::npos);
  EXPECT_NE(TestCall("Split", 13, {count_up({6}), ints({7, -1})}, 2).error().find("got -1"), std::string::npos);
}

TEST(Expand, RepeatsInBothDirections) {
  TestCall call("Expand", 13, {count_up({3, 1}), ints({2, 1, 2})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.out().dims(), (Dims{2, 3, 2}));
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2}));
  EXPECT_NE(TestCall("Expand", 13, {count_up({3}), ints({2})}).error().find("does not fit"), std::string::npos);
  EXPECT_NE(TestCall("Expand", 13, {count_up({1}), ints({-2})}).error().find("got -2"), std::string::npos);
  EXPECT_NE(TestCall("Expand", 13, {count_up({1}), ints({1 << 30, 1 << 30})}).error().find("at most"),
            std::string::npos);
}

TEST(Tile, RepeatsInsideAndOutside) {
  TestCall call("Tile", 13, {count_up({2, 2}), ints({2, 2})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_NE(TestCall("Tile", 13, {count_up({2}), ints({INT64_MAX})}).error().find("no size"), std::string::npos);
  TestCall nothing("Tile", 13, {count_up({2}), ints({0})});
  ASSERT_TRUE(nothing.run());
  EXPECT_EQ(nothing.out().dims(), (Dims{0}));
}

Ints padded(const std::string& mode, const Tensor& data, std::initializer_list<int64_t> pads) {
  TestCall call("Pad", 19, {data, ints(pads)});
  const auto done = call.with("mode", mode).run();
  EXPECT_TRUE(done) << done.error().message;
  return done ? values<int32_t>(call.out()) : Ints{};
}

TEST(Pad, FillsByItsMode) {
  const Tensor data = tensor<int32_t>({3}, {1, 2, 3});
  EXPECT_EQ(padded("constant", data, {1, 2}), (Ints{0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(padded("edge", data, {1, 2}), (Ints{1, 1, 2, 3, 3, 3}));
  EXPECT_EQ(padded("reflect", data, {2, 2}), (Ints{3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(padded("wrap", data, {2, 4}), (Ints{2, 3, 1, 2, 3, 1, 2, 3, 1}));
  // Further than there are elements: it goes on to and fro.
  EXPECT_EQ(padded("reflect", data, {5, 0}), (Ints{2, 1, 2, 3, 2, 1, 2, 3}));
  EXPECT_EQ(padded("reflect", tensor<int32_t>({1}, {7}), {2, 2}), (Ints{7, 7, 7, 7, 7}));
}

TEST(Pad, NegativeNumbersCrop) {
  const Tensor data = count_up({4});
  EXPECT_EQ(padded("constant", data, {-1, 1}), (Ints{1, 2, 3, 0}));
  EXPECT_EQ(padded("edge", data, {-2, 1}), (Ints{2, 3, 3}));
  EXPECT_EQ(padded("wrap", data, {2, -1}), (Ints{1, 2, 0, 1, 2}));
  EXPECT_NE(TestCall("Pad", 19, {data, ints({-3, -2})}).error().find("less than nothing"), std::string::npos);
  EXPECT_NE(TestCall("Pad", 19, {data, ints({INT64_MIN, 0})}).error().find("pads"), std::string::npos);
  EXPECT_NE(TestCall("Pad", 19, {data, ints({INT64_MAX, INT64_MAX})}).error().find("no size"), std::string::npos);
  EXPECT_NE(TestCall("Pad", 19, {empty({0}), ints({1, 0})}).with("mode", std::string("edge")).error().find("nothing"),
            std::string::npos);
}

TEST(Pad, TakesAttributesAndAxes) {
  TestCall old("Pad", 2, {tensor<float>({1, 2}, {1, 2})});
  ASSERT_TRUE(old.with("pads", {0, 1, 0, 0}).with("value", 9.0f).run());
  EXPECT_EQ(values<float>(old.out()), (std::vector<float>{9, 1, 2}));
  TestCall axes("Pad", 18, {count_up({2, 2}), ints({1, 0}), tensor<int32_t>({}, {5}), tensor<int32_t>({1}, {-1})});
  ASSERT_TRUE(axes.run());
  EXPECT_EQ(values<int32_t>(axes.out()), (Ints{5, 0, 1, 5, 2, 3}));
  TestCall words("Pad", 19, {tensor<std::string>({1}, {"a"}), ints({1, 0})});
  ASSERT_TRUE(words.run());
  EXPECT_EQ(values<std::string>(words.out()), (std::vector<std::string>{"", "a"}));
}

TEST(CenterCropPad, LeavesTheSmallerHalfInFront) {
  TestCall call("CenterCropPad", 18, {count_up({2, 5}), ints({5, 2})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{0, 0, 1, 2, 6, 7, 0, 0, 0, 0}));
}

TEST(SpaceToDepth, IsUndoneByDepthToSpace) {
  const Tensor data = count_up({2, 3, 4, 6});
  TestCall there("SpaceToDepth", 13, {data});
  ASSERT_TRUE(there.with("blocksize", int64_t{2}).run());
  EXPECT_EQ(there.out().dims(), (Dims{2, 12, 2, 3}));
  TestCall back("DepthToSpace", 13, {there.out()});
  ASSERT_TRUE(back.with("blocksize", int64_t{2}).run());
  EXPECT_EQ(values<int32_t>(back.out()), values<int32_t>(data));
  EXPECT_NE(
      TestCall("DepthToSpace", 13, {count_up({1, 3, 1, 1})}).with("blocksize", int64_t{2}).error().find("multiple"),
      std::string::npos);
  EXPECT_NE(
      TestCall("DepthToSpace", 13, {count_up({1, 1, 1, 1})}).with("blocksize", INT64_MAX).error().find("blocksize"),
      std::string::npos);
}

TEST(ReverseSequence, RefusesLengthsBeyondTheAxis) {
  TestCall call("ReverseSequence", 10, {count_up({3, 2}), ints({2, 3})});
  ASSERT_TRUE(call.run());
  EXPECT_EQ(values<int32_t>(call.out()), (Ints{2, 5, 0, 3, 4, 1}));
  EXPECT_NE(TestCall("ReverseSequence", 10, {count_up({3, 2}), ints({2, 4})}).error().find("got 4"), std::string::npos);
}

// [2^40, 0] has no elements: nothing may walk its first axis.
TEST(EmptyTensors, AreNotWalked) {
  const Tensor huge = empty({int64_t{1} << 40, 0});
  TestCall transpose("Transpose", 13, {huge});
  ASSERT_TRUE(transpose.run());
  EXPECT_EQ(transpose.out().dims(), (Dims{0, int64_t{1} << 40}));
  TestCall concat("Concat", 13, {huge, huge});
  ASSERT_TRUE(concat.with("axis", int64_t{1}).run());
  TestCall gather("Gather", 13, {huge, ints({0})});
  ASSERT_TRUE(gather.run());
  TestCall compress("Compress", 11, {huge, tensor<bool>({1}, {true})});
  ASSERT_TRUE(compress.with("axis", int64_t{0}).run());
  TestCall trilu("Trilu", 14, {huge});
  ASSERT_TRUE(trilu.run());
  TestCall tile("Tile", 13, {huge, ints({1, 3})});
  ASSERT_TRUE(tile.run());
}

}  // namespace
}  // namespace hearth::operators
