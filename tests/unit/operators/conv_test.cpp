#include <limits>

#include "matrix_reference.h"

namespace hearth::operators {
namespace {

struct ConvCase {
  const char* name;
  Dims x, w;
  ConvAttributes attributes;
};

// One case a path: many outputs (panels), one channel a group (runs), blocks of depth, rows and positions; one, two and
// three axes; strides, dilations, uneven pads, groups.
const ConvCase kCases[] = {
    {"plain", {2, 3, 7, 6}, {5, 3, 3, 2}, {{1, 1}, {1, 1}, {0, 0, 0, 0}}},
    {"pads", {1, 2, 5, 5}, {4, 2, 3, 3}, {{1, 1}, {1, 1}, {2, 0, 1, 3}}},
    {"strides", {1, 2, 9, 11}, {3, 2, 3, 3}, {{2, 3}, {1, 1}, {1, 1, 1, 1}}},
    {"dilations", {1, 2, 9, 11}, {3, 2, 3, 3}, {{1, 2}, {2, 3}, {1, 2, 0, 3}}},
    {"groups", {2, 6, 5, 5}, {12, 2, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}, 3}},
    {"depthwise", {2, 4, 6, 5}, {4, 1, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}, 4}},
    {"depthwise strided", {1, 3, 9, 9}, {6, 1, 3, 3}, {{2, 2}, {2, 1}, {1, 0, 2, 1}, 3}},
    {"one axis", {2, 3, 300}, {9, 3, 5}, {{1}, {2}, {4, 0}}},
    {"three axes", {1, 2, 5, 4, 6}, {8, 2, 2, 3, 2}, {{1, 2, 1}, {2, 1, 1}, {1, 0, 1, 0, 2, 1}}},
    {"deep and high", {1, 40, 6, 6}, {70, 40, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}}},
    {"one by one", {1, 16, 13, 13}, {9, 16, 1, 1}, {{1, 1}, {1, 1}, {0, 0, 0, 0}}},
    {"window larger than the image", {1, 1, 2, 2}, {16, 1, 5, 5}, {{1, 1}, {1, 1}, {2, 2, 2, 2}}},
};

void set_attributes(TestCall& call, const ConvAttributes& a) {
  call.with("strides", a.strides).with("dilations", a.dilations).with("pads", a.pads).with("group", a.group);
}

template <class T>
class ConvTypes : public testing::Test {};
using Types = testing::Types<float, double, Half, BFloat16>;
TYPED_TEST_SUITE(ConvTypes, Types);

TYPED_TEST(ConvTypes, AgreesWithPlainLoops) {
  for (const ConvCase& c : kCases) {
    const auto x = random_tensor<TypeParam>(c.x, 1, 2), w = random_tensor<TypeParam>(c.w, 2, 1);
    const auto bias = random_tensor<TypeParam>({c.w[0]}, 3, 2);
    Dims dims;
    auto want = reference_conv(doubles<TypeParam>(x), c.x, doubles<TypeParam>(w), c.w, c.attributes, dims);
    TestCall call("Conv", 22, {x, w}), biased("Conv", 22, {x, w, bias});
    set_attributes(call, c.attributes);
    set_attributes(biased, c.attributes);
    biased.constant(1);
    ASSERT_EQ(call.error(), "") << c.name;
    ASSERT_EQ(call.out().dims(), dims) << c.name;
    const double tolerance = std::is_same_v<TypeParam, BFloat16> ? 0.004 : 0;
    expect_near(doubles<TypeParam>(call.out()), want, tolerance);
    ASSERT_EQ(biased.error(), "") << c.name;
    const int64_t plane = product(dims) / (dims[0] * dims[1]);
    for (size_t i = 0; i < want.size(); ++i)
      want[i] += doubles<TypeParam>(bias)[i / static_cast<size_t>(plane) % static_cast<size_t>(dims[1])];
    expect_near(doubles<TypeParam>(biased.out()), want, tolerance);
  }
}

TEST(Conv, AutomaticPads) {
  const auto x = random_tensor<float>({1, 1, 6, 5}, 1), w = random_tensor<float>({1, 1, 4, 2}, 2);
  const auto run = [&](const char* auto_pad) {
    TestCall call("Conv", 11, {x, w});
    call.with("auto_pad", std::string(auto_pad)).with("strides", {2, 2});
    EXPECT_EQ(call.error(), "");
    return call.out();
  };
  const auto with_pads = [&](std::initializer_list<int64_t> pads) {
    TestCall call("Conv", 11, {x, w});
    call.with("pads", pads).with("strides", {2, 2});
    EXPECT_EQ(call.error(), "");
    return values<float>(call.out());
  };
  // Rows: 3 outputs need 2 pads. Columns: 3 outputs need 1.
  EXPECT_EQ(run("SAME_UPPER").dims(), (Dims{1, 1, 3, 3}));
  EXPECT_EQ(values<float>(run("SAME_UPPER")), with_pads({1, 0, 1, 1}));
  EXPECT_EQ(values<float>(run("SAME_LOWER")), with_pads({1, 1, 1, 0}));
  EXPECT_EQ(values<float>(run("VALID")), with_pads({0, 0, 0, 0}));
}

TEST(Conv, EmptyBatchAndNoChannels) {
  TestCall batch("Conv", 11, {tensor<float>({0, 2, 4, 4}, {}), random_tensor<float>({3, 2, 3, 3}, 1)});
  ASSERT_EQ(batch.error(), "");
  EXPECT_EQ(batch.out().dims(), (Dims{0, 3, 2, 2}));
  TestCall channels("Conv", 11,
                    {tensor<float>({1, 0, 2, 2}, {}), tensor<float>({2, 0, 1, 1}, {}), tensor<float>({2}, {1, 2})});
  ASSERT_EQ(channels.error(), "");
  EXPECT_EQ(values<float>(channels.out()), (std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2}));
}

TEST(Conv, RefusesWhatDoesNotFit) {
  const auto x = random_tensor<float>({1, 4, 5, 5}, 1), w = random_tensor<float>({2, 4, 3, 3}, 2);
  const auto error = [&](std::string_view attribute, std::vector<int64_t> value) {
    TestCall call("Conv", 11, {x, w});
    call.with(attribute, std::move(value));
    return call.error();
  };
  EXPECT_EQ(error("strides", {0, 1}), "[Conv] attribute 'strides'; got 0, need numbers in [1, 2147483648]");
  EXPECT_EQ(error("strides", {1}), "[Conv] attribute 'strides'; got 1 numbers, need one for each of 2 spatial axes");
  EXPECT_EQ(error("pads", {0, 0, -1, 0}), "[Conv] attribute 'pads'; got -1, need numbers in [0, 2147483648]");
  EXPECT_EQ(error("pads", {0, 0}), "[Conv] attribute 'pads'; got 2 numbers, need 4");
  EXPECT_EQ(error("dilations", {3, 1}),
            "[Conv] window; got an extent of 7 on spatial axis 0, need at most the padded input's 5");
  EXPECT_EQ(error("kernel_shape", {2, 3}), "[Conv] attribute 'kernel_shape'; got 2, need the weight's 3");
  EXPECT_NE(error("dilations", {int64_t{1} << 40, 1}), "");
  for (const int64_t group : {int64_t{0}, int64_t{-1}, int64_t{2}, std::numeric_limits<int64_t>::max()}) {
    TestCall call("Conv", 11, {x, w});
    call.with("group", group);
    EXPECT_NE(call.error().find("need C = group * the weight's second size"), std::string::npos) << group;
  }
  TestCall bias("Conv", 11, {x, w, random_tensor<float>({3}, 1)});
  EXPECT_EQ(bias.error(), "[Conv] bias, input 2; got [3], need [2]");
  // Pads that would make an output no machine holds are refused before any is taken.
  TestCall huge("Conv", 11, {x, w});
  huge.with("pads", {int64_t{1} << 31, int64_t{1} << 31, int64_t{1} << 31, int64_t{1} << 31});
  const auto refused = huge.run();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit);
}

TEST(ConvInteger, PadsAreTheZeroPoint) {
  const auto x = random_tensor<uint8_t>({1, 2, 4, 4}, 1, 200), w = random_tensor<int8_t>({3, 2, 3, 3}, 2, 100);
  TestCall call("ConvInteger", 10, {x, w, tensor<uint8_t>({}, {7}), tensor<int8_t>({3}, {-1, 0, 5})});
  call.with("pads", {1, 1, 1, 1});
  ASSERT_EQ(call.error(), "");
  auto dx = doubles<uint8_t>(x), dw = doubles<int8_t>(w);
  for (double& value : dx) value -= 7;
  for (size_t i = 0; i < dw.size(); ++i) dw[i] -= std::array{-1, 0, 5}[i / 18];
  Dims dims;
  const auto want = reference_conv(dx, {1, 2, 4, 4}, dw, {3, 2, 3, 3}, {{1, 1}, {1, 1}, {1, 1, 1, 1}}, dims);
  EXPECT_EQ(doubles<int32_t>(call.out()), want);
}

TEST(QLinearConv, ScalesByChannelAndAddsTheBias) {
  const auto one = [](float value) { return tensor<float>({}, {value}); };
  TestCall call("QLinearConv", 10,
                {tensor<uint8_t>({1, 1, 1, 2}, {10, 20}), one(0.5f), tensor<uint8_t>({}, {0}),
                 tensor<int8_t>({2, 1, 1, 1}, {2, -2}), tensor<float>({2}, {1, 0.5f}), tensor<int8_t>({2}, {0, 0}),
                 one(1), tensor<uint8_t>({}, {100}), tensor<int32_t>({2}, {1, 2})});
  ASSERT_EQ(call.error(), "");
  // Sums 21, 41 halved to 10 (tie to even), 20 (tie to even); sums -18, -38 quartered to -4 (tie), -10 (tie: -9.5).
  EXPECT_EQ(values<uint8_t>(call.out()), (std::vector<uint8_t>{110, 120, 96, 90}));
}

// The definition: every input element adds its weights to the output.
std::vector<double> reference_transpose(const std::vector<double>& x, const Dims& x_dims, const std::vector<double>& w,
                                        const Dims& w_dims, const ConvAttributes& a, const Dims& y_dims) {
  const size_t axes = x_dims.size() - 2;
  std::vector<double> y(static_cast<size_t>(product(y_dims)), 0);
  const int64_t inputs = x_dims[1] / a.group, outputs = w_dims[1];
  for_each_position(x_dims, [&](const std::vector<int64_t>& at) {
    int64_t x_element = 0;
    for (size_t i = 0; i < at.size(); ++i) x_element = x_element * x_dims[i] + at[i];
    Dims weights{outputs};
    for (size_t i = 0; i < axes; ++i) weights.push_back(w_dims[i + 2]);
    int64_t tap = 0;
    for_each_position(weights, [&](const std::vector<int64_t>& k) {
      int64_t element = at[0] * y_dims[1] + at[1] / inputs * outputs + k[0];
      bool inside = true;
      for (size_t i = 0; i < axes; ++i) {
        const int64_t place = at[i + 2] * a.strides[i] + k[i + 1] * a.dilations[i] - a.pads[i];
        inside = inside && place >= 0 && place < y_dims[i + 2];
        element = element * y_dims[i + 2] + place;
      }
      if (inside)
        y[static_cast<size_t>(element)] +=
            x[static_cast<size_t>(x_element)] * w[static_cast<size_t>(at[1] * product(weights) + tap)];
      ++tap;
    });
  });
  return y;
}

TEST(ConvTranspose, AgreesWithPlainLoops) {
  struct Case {
    Dims x, w, y;
    ConvAttributes attributes;
    std::vector<int64_t> output_padding;
  };
  const Case cases[] = {
      {{2, 3, 4, 5}, {3, 2, 3, 3}, {2, 2, 6, 7}, {{1, 1}, {1, 1}, {0, 0, 0, 0}}, {0, 0}},
      {{1, 4, 3, 3}, {4, 2, 3, 2}, {1, 4, 9, 6}, {{3, 2}, {2, 1}, {1, 0, 2, 1}, 2}, {1, 1}},
      {{1, 2, 300}, {2, 5, 4}, {1, 5, 601}, {{2}, {1}, {1, 0}}, {0}},
      {{1, 2, 2, 3, 2}, {2, 3, 2, 2, 3}, {1, 3, 3, 6, 5}, {{1, 2, 2}, {1, 1, 1}, {0, 0, 0, 0, 0, 0}}, {0, 0, 0}},
      {{1, 70, 3, 3}, {70, 40, 3, 3}, {1, 40, 5, 5}, {{2, 2}, {1, 1}, {1, 1, 1, 1}}, {0, 0}},
  };
  for (const Case& c : cases) {
    const auto x = random_tensor<float>(c.x, 1, 2), w = random_tensor<float>(c.w, 2, 2);
    TestCall call("ConvTranspose", 11, {x, w});
    set_attributes(call, c.attributes);
    call.with("output_padding", c.output_padding);
    ASSERT_EQ(call.error(), "");
    ASSERT_EQ(call.out().dims(), c.y);
    EXPECT_EQ(doubles<float>(call.out()),
              reference_transpose(doubles<float>(x), c.x, doubles<float>(w), c.w, c.attributes, c.y));
  }
}

TEST(ConvTranspose, OutputShapeDecidesThePads) {
  const auto x = random_tensor<float>({1, 1, 3}, 1), w = random_tensor<float>({1, 1, 3}, 2);
  const auto run = [&](const char* auto_pad, std::vector<int64_t> shape) {
    TestCall call("ConvTranspose", 11, {x, w});
    call.with("auto_pad", std::string(auto_pad)).with("strides", {2});
    if (!shape.empty()) call.with("output_shape", std::move(shape));
    EXPECT_EQ(call.error(), "");
    return doubles<float>(call.out());
  };
  // All of it is 7 long.
  const auto from = [&](int64_t begin, int64_t size) {
    return reference_transpose(doubles<float>(x), {1, 1, 3}, doubles<float>(w), {1, 1, 3}, {{2}, {1}, {begin}},
                               {1, 1, size});
  };
  EXPECT_EQ(run("NOTSET", {6}), from(1, 6));
  EXPECT_EQ(run("SAME_UPPER", {6}), from(0, 6));
  EXPECT_EQ(run("SAME_UPPER", {}), from(0, 6));  // input times stride
  EXPECT_EQ(run("SAME_LOWER", {}), from(1, 6));
  EXPECT_EQ(run("NOTSET", {1, 1, 4}), from(2, 4));  // batch and channels repeated
  EXPECT_EQ(run("NOTSET", {9}), from(0, 9));        // larger than it has: zeros at the end
  TestCall padding("ConvTranspose", 11, {x, w});
  padding.with("output_padding", {2}).with("strides", {2});
  EXPECT_EQ(padding.error(),
            "[ConvTranspose] attribute 'output_padding'; got 2, need less than the stride 2 or dilation 1");
  TestCall huge("ConvTranspose", 11, {x, w});
  huge.with("output_shape", {int64_t{1} << 39});
  EXPECT_NE(huge.error(), "");
}

TEST(DeformConv, WholeOffsetsMoveTaps) {
  // Every tap is moved one row down and one column left: a convolution of the image moved the other way.
  const auto x = random_tensor<float>({1, 2, 5, 5}, 1, 3), w = random_tensor<float>({4, 1, 2, 2}, 2, 3);
  std::vector<double> offsets;
  for (int tap = 0; tap < 4; ++tap)
    for (const double move : {1.0, -1.0}) offsets.insert(offsets.end(), 16, move);
  TestCall call("DeformConv", 19, {x, w, tensor_of<float>({1, 8, 4, 4}, offsets)});
  call.with("group", int64_t{2});
  ASSERT_EQ(call.error(), "");
  Dims dims;
  const auto want = reference_conv(doubles<float>(x), {1, 2, 5, 5}, doubles<float>(w), {4, 1, 2, 2},
                                   {{1, 1}, {1, 1}, {-1, 1, 1, -1}, 2}, dims);
  ASSERT_EQ(call.out().dims(), dims);
  EXPECT_EQ(doubles<float>(call.out()), want);
}

TEST(DeformConv, FractionsInterpolateInEveryAxisAndMaskScales) {
  const auto x = tensor<float>({1, 1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  TestCall call(
      "DeformConv", 19,
      {x, tensor<float>({1, 1, 1, 1, 1}, {2}), tensor_of<float>({1, 3, 2, 2, 2}, std::vector<double>(24, 0.5)), Value(),
       tensor_of<float>({1, 1, 2, 2, 2}, {1, 1, 1, 1, 1, 1, 1, 0.5})});
  ASSERT_EQ(call.error(), "");
  // The first place lies amid all eight; the last one meets only element 7, by an eighth, twice halved by the mask.
  const auto y = doubles<float>(call.out());
  EXPECT_EQ(y[0], 2 * 3.5);
  EXPECT_EQ(y[7], 2 * 0.5 * 7 / 8);
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  TestCall outside("DeformConv", 19,
                   {tensor<float>({1, 1, 1, 2}, {1, 2}), tensor<float>({1, 1, 1, 1}, {1}),
                    tensor<float>({1, 2, 1, 2}, {nan, 0, 0, -inf})});
  ASSERT_EQ(outside.error(), "");
  EXPECT_EQ(doubles<float>(outside.out()), (std::vector<double>{0, 0}));
}

TEST(DeformConv, RefusesOffsetsOfAnotherSize) {
  TestCall call("DeformConv", 19,
                {random_tensor<float>({1, 2, 3, 3}, 1), random_tensor<float>({1, 2, 2, 2}, 1),
                 random_tensor<float>({1, 8, 3, 3}, 1)});
  EXPECT_EQ(call.error(), "[DeformConv] offset; got [1, 8, 3, 3], need [1, 8, 2, 2]");
}

TEST(CausalConvWithState, StepsGiveWhatTheWholeGives) {
  const auto x = random_tensor<float>({2, 3, 6}, 1), w = random_tensor<float>({3, 1, 4}, 2);
  TestCall whole("CausalConvWithState", 27, {x, w}, 2);
  ASSERT_EQ(whole.error(), "");
  ASSERT_EQ(whole.out(1).dims(), (Dims{2, 3, 3}));
  const auto part = [&](int64_t from, int64_t to) {
    std::vector<double> some;
    for (int64_t row = 0; row < 6; ++row)
      for (int64_t t = from; t < to; ++t) some.push_back(doubles<float>(x)[static_cast<size_t>(row * 6 + t)]);
    return tensor_of<float>({2, 3, to - from}, some);
  };
  TestCall first("CausalConvWithState", 27, {part(0, 2), w}, 2);
  ASSERT_EQ(first.error(), "");
  TestCall second("CausalConvWithState", 27, {part(2, 6), w, Value(), first.out(1)}, 2);
  ASSERT_EQ(second.error(), "");
  EXPECT_EQ(values<float>(second.out(1)), values<float>(whole.out(1)));
  for (size_t row = 0; row < 6; ++row)
    for (size_t t = 2; t < 6; ++t)
      EXPECT_EQ(values<float>(second.out(0))[row * 4 + t - 2], values<float>(whole.out(0))[row * 6 + t]);
}

TEST(Conv, LargeKernelOverPadsCostsWhatItMeets) {
  // A quarter of a million taps, of which each window meets one input.
  constexpr int64_t kTaps = 1 << 18;
  const Tensor x = tensor<float>({1, 1, 1}, {3}), w = tensor_of<float>({1, 1, kTaps}, std::vector<double>(kTaps, 2));
  for (const bool constant : {false, true}) {
    TestCall call("Conv", 22, {x, w});
    call.with("pads", {kTaps - 1, kTaps - 1});
    if (constant) call.constant(1);
    ASSERT_EQ(call.error(), "");
    EXPECT_EQ(values<float>(call.out()), std::vector<float>(kTaps, 6));
  }
}

}  // namespace
}  // namespace hearth::operators
