#include <limits>

#include "matrix_reference.h"

namespace hearth::operators {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct PoolCase {
  Dims x;
  std::vector<int64_t> kernel, strides, dilations, pads;
  bool ceil = false;
};

const PoolCase kCases[] = {
    {{2, 3, 7}, {3}, {1}, {1}, {0, 0}},
    {{1, 2, 6, 5}, {2, 3}, {2, 1}, {1, 2}, {1, 0, 0, 2}},
    {{1, 2, 6, 7}, {3, 3}, {2, 3}, {1, 1}, {1, 1, 1, 1}, true},
    {{1, 1, 4, 5, 6}, {2, 2, 3}, {2, 2, 2}, {1, 2, 1}, {0, 1, 1, 1, 0, 1}, true},
    {{1, 1, 5, 5}, {4, 4}, {1, 1}, {1, 1}, {3, 3, 3, 3}},
};

// Windows as positions of x (-1: a pad inside the padded input; nothing for what lies past it).
std::vector<std::vector<int64_t>> windows(const PoolCase& c, Dims& y_dims) {
  const size_t axes = c.kernel.size();
  y_dims = Dims{c.x[0], c.x[1]};
  Dims kernel;
  for (size_t i = 0; i < axes; ++i) {
    kernel.push_back(c.kernel[i]);
    const int64_t room = c.x[i + 2] + c.pads[i] + c.pads[axes + i] - (c.kernel[i] - 1) * c.dilations[i] - 1;
    int64_t out = (c.ceil ? (room + c.strides[i] - 1) / c.strides[i] : room / c.strides[i]) + 1;
    if (c.ceil && (out - 1) * c.strides[i] >= c.x[i + 2] + c.pads[i]) --out;
    y_dims.push_back(out);
  }
  std::vector<std::vector<int64_t>> all;
  for_each_position(y_dims, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> window;
    for_each_position(kernel, [&](const std::vector<int64_t>& k) {
      int64_t element = at[0] * c.x[1] + at[1];
      bool inside = true, padded = true;
      for (size_t i = 0; i < axes; ++i) {
        const int64_t place = at[i + 2] * c.strides[i] + k[i] * c.dilations[i] - c.pads[i];
        inside = inside && place >= 0 && place < c.x[i + 2];
        padded = padded && place < c.x[i + 2] + c.pads[axes + i];
        element = element * c.x[i + 2] + place;
      }
      if (inside)
        window.push_back(element);
      else if (padded)
        window.push_back(-1);
    });
    all.push_back(window);
  });
  return all;
}

void set_attributes(TestCall& call, const PoolCase& c) {
  call.with("kernel_shape", c.kernel).with("strides", c.strides).with("dilations", c.dilations).with("pads", c.pads);
  call.with("ceil_mode", int64_t{c.ceil ? 1 : 0});
}

template <class T>
class PoolTypes : public testing::Test {};
using Types = testing::Types<float, double, Half, BFloat16>;
TYPED_TEST_SUITE(PoolTypes, Types);

TYPED_TEST(PoolTypes, AgreeWithPlainLoops) {
  const double tolerance = std::is_same_v<TypeParam, double> ? 1e-12 : sizeof(TypeParam) == 4 ? 1e-6 : 0.004;
  for (const PoolCase& c : kCases) {
    const auto x = random_tensor<TypeParam>(c.x, 7, 50);
    const auto values_of_x = doubles<TypeParam>(x);
    Dims dims;
    std::vector<double> means, padded_means, norms, cubes, largest, places;
    for (const auto& window : windows(c, dims)) {
      double sum = 0, squares = 0, third = 0, most = -static_cast<double>(kInf), place = -1;
      int64_t inside = 0;
      for (const int64_t element : window) {
        if (element < 0) continue;
        const double value = values_of_x[static_cast<size_t>(element)];
        ++inside;
        sum += value;
        squares += value * value;
        third += std::pow(std::abs(value), 3);
        if (value > most) most = value, place = static_cast<double>(element);
      }
      means.push_back(inside == 0 ? 0 : sum / static_cast<double>(inside));
      padded_means.push_back(sum / static_cast<double>(window.size()));
      norms.push_back(std::sqrt(squares));
      cubes.push_back(std::cbrt(third));
      largest.push_back(most);
      places.push_back(place);
    }
    const auto run = [&](TestCall& call) {
      set_attributes(call, c);
      ASSERT_EQ(call.error(), "");
      ASSERT_EQ(call.out().dims(), dims);
    };
    TestCall average("AveragePool", 22, {x}), padded("AveragePool", 22, {x}), lp("LpPool", 22, {x}),
        third("LpPool", 22, {x}), max("MaxPool", 22, {x}), indexed("MaxPool", 22, {x}, 2);
    padded.with("count_include_pad", int64_t{1});
    third.with("p", int64_t{3});
    for (TestCall* call : {&average, &padded, &lp, &third, &max, &indexed}) run(*call);
    expect_near(doubles<TypeParam>(average.out()), means, tolerance);
    expect_near(doubles<TypeParam>(padded.out()), padded_means, tolerance);
    expect_near(doubles<TypeParam>(lp.out()), norms, tolerance);
    expect_near(doubles<TypeParam>(third.out()), cubes, tolerance);
    EXPECT_EQ(doubles<TypeParam>(max.out()), largest);
    EXPECT_EQ(doubles<TypeParam>(indexed.out()), largest);
    EXPECT_EQ(doubles<int64_t>(indexed.out(1)), places);
  }
}

TEST(MaxPool, BytesAndColumnMajorPlaces) {
  TestCall bytes("MaxPool", 12, {tensor<int8_t>({1, 1, 2, 2}, {-128, -3, -7, -128})}, 2);
  bytes.with("kernel_shape", {2, 2}).with("storage_order", int64_t{1});
  ASSERT_EQ(bytes.error(), "");
  EXPECT_EQ(values<int8_t>(bytes.out()), std::vector<int8_t>{-3});
  EXPECT_EQ(values<int64_t>(bytes.out(1)), std::vector<int64_t>{2});
  // Three axes, second channel: place (d0, d1, d2) of [2, 3, 4] is d0 + 2 d1 + 6 d2 after the channel before.
  std::vector<double> x(48, 0);
  x[24 + 1 * 12 + 2 * 4 + 3] = 1;
  TestCall third("MaxPool", 12, {tensor_of<float>({1, 2, 2, 3, 4}, x)}, 2);
  third.with("kernel_shape", {2, 3, 4}).with("storage_order", int64_t{1});
  ASSERT_EQ(third.error(), "");
  EXPECT_EQ(values<int64_t>(third.out(1)), (std::vector<int64_t>{0, 24 + 1 + 2 * 2 + 6 * 3}));
}

TEST(MaxPool, InfinitiesAndNan) {
  TestCall low("MaxPool", 12, {tensor<float>({1, 1, 4}, {-kInf, -kInf, kNan, 5})}, 2);
  low.with("kernel_shape", {2}).with("strides", {2});
  ASSERT_EQ(low.error(), "");
  EXPECT_EQ(values<float>(low.out())[0], -kInf);
  EXPECT_TRUE(std::isnan(values<float>(low.out())[1]));
  EXPECT_EQ(values<int64_t>(low.out(1)), (std::vector<int64_t>{0, 2}));
}

TEST(Pool, AutomaticPadsAndCeil) {
  const auto x = random_tensor<float>({1, 1, 5, 5}, 1);
  const auto dims = [&](const char* auto_pad, int64_t ceil) {
    TestCall call("MaxPool", 22, {x});
    call.with("kernel_shape", {2, 2}).with("strides", {2, 2}).with("auto_pad", std::string(auto_pad));
    call.with("ceil_mode", ceil);
    EXPECT_EQ(call.error(), "");
    return call.out().dims();
  };
  EXPECT_EQ(dims("SAME_UPPER", 0), (Dims{1, 1, 3, 3}));
  EXPECT_EQ(dims("VALID", 0), (Dims{1, 1, 2, 2}));
  EXPECT_EQ(dims("VALID", 1), (Dims{1, 1, 3, 3}));
  // A window that would start past the input is left out, in old versions too.
  for (const int64_t opset : {int64_t{10}, int64_t{22}}) {
    TestCall call("AveragePool", opset, {tensor<float>({1, 1, 2, 2}, {1, 2, 3, 4})});
    call.with("kernel_shape", {1, 1}).with("strides", {2, 2}).with("ceil_mode", int64_t{1});
    ASSERT_EQ(call.error(), "");
    EXPECT_EQ(values<float>(call.out()), std::vector<float>{1});
  }
}

TEST(Pool, LargeKernelOverPadsCostsWhatItMeets) {
  // Four million taps, of which each window meets one input.
  TestCall call("MaxPool", 22, {tensor<float>({1, 1, 1}, {3})});
  call.with("kernel_shape", {int64_t{1} << 22}).with("pads", {(int64_t{1} << 22) - 1, (int64_t{1} << 22) - 1});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(call.out().size(), int64_t{1} << 22);
  TestCall larger("MaxPool", 22, {tensor<float>({1, 1, 1}, {3})});
  larger.with("kernel_shape", {(int64_t{1} << 22) + 1});
  EXPECT_NE(larger.error().find("attribute 'kernel_shape'; got 4194305"), std::string::npos);
}

TEST(GlobalPool, ReducesEveryPlane) {
  const auto x = tensor<float>({1, 2, 3}, {1, 2, 6, -3, 0, 4});
  TestCall average("GlobalAveragePool", 1, {x}), max("GlobalMaxPool", 1, {x}), lp("GlobalLpPool", 2, {x});
  lp.with("p", int64_t{1});
  for (TestCall* call : {&average, &max, &lp}) {
    ASSERT_EQ(call->error(), "");
    ASSERT_EQ(call->out().dims(), (Dims{1, 2, 1}));
  }
  expect_near(doubles<float>(average.out()), {3, 1.0 / 3}, 1e-6);
  EXPECT_EQ(values<float>(max.out()), (std::vector<float>{6, 4}));
  EXPECT_EQ(values<float>(lp.out()), (std::vector<float>{9, 7}));
  // A plane so long that a float sum would lose its ones.
  const std::vector<double> ones(1 << 25, 1);
  TestCall wide("GlobalAveragePool", 1, {tensor_of<Half>({1, 1, 1 << 25}, ones)});
  ASSERT_EQ(wide.error(), "");
  EXPECT_EQ(doubles<Half>(wide.out()), std::vector<double>{1});
}

TEST(MaxUnpool, ScattersAndChecksItsIndices) {
  TestCall call("MaxUnpool", 11, {tensor<float>({1, 1, 2}, {5, 6}), tensor<int64_t>({1, 1, 2}, {1, 2})});
  call.with("kernel_shape", {2}).with("strides", {2});
  ASSERT_EQ(call.error(), "");
  EXPECT_EQ(values<float>(call.out()), (std::vector<float>{0, 5, 6, 0}));
  TestCall outside("MaxUnpool", 11, {tensor<float>({1, 1, 2}, {5, 6}), tensor<int64_t>({1, 1, 2}, {1, 4})});
  outside.with("kernel_shape", {2}).with("strides", {2});
  EXPECT_EQ(outside.error(), "[MaxUnpool] index 1; got 4, need one in [0, 4)");
  TestCall small(
      "MaxUnpool", 11,
      {tensor<float>({1, 1, 2}, {5, 6}), tensor<int64_t>({1, 1, 2}, {1, 2}), tensor<int64_t>({3}, {1, 1, 3})});
  small.with("kernel_shape", {2}).with("strides", {2});
  EXPECT_NE(small.error().find("output_shape; got [1, 1, 3]"), std::string::npos);
}

TEST(MaxUnpool, UndoesAMaxPool) {
  const auto x = random_tensor<float>({2, 3, 4, 6}, 5, 100);
  TestCall pool("MaxPool", 12, {x}, 2);
  pool.with("kernel_shape", {2, 2}).with("strides", {2, 2});
  ASSERT_EQ(pool.error(), "");
  TestCall back("MaxUnpool", 11, {pool.out(0), pool.out(1)});
  back.with("kernel_shape", {2, 2}).with("strides", {2, 2});
  ASSERT_EQ(back.error(), "");
  ASSERT_EQ(back.out().dims(), x.dims());
  const auto restored = values<float>(back.out()), original = values<float>(x);
  int kept = 0;
  for (size_t i = 0; i < restored.size(); ++i)
    if (restored[i] != 0) {
      EXPECT_EQ(restored[i], original[i]);
      ++kept;
    }
  EXPECT_GE(kept, 30);  // of 36 windows; a maximum of zero does not show
}

}  // namespace
}  // namespace hearth::operators
