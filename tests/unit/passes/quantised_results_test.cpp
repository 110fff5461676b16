// Quantised models compute at every level what they compute with no pass at all. Integers throughout agree exactly. A
// number that is rounded to bytes may lie so near to a half that the order of two float operations decides: sums are
// exact in integers here, and float sums of dequantised factors there. Such a result is one byte off, and what follows
// from it is as far off as a byte is worth there.
#include <cmath>
#include <random>

#include "recognised.h"
#include "rewritten.h"
#include "runtime/session.h"

namespace hearth::passes {
namespace {

using runtime::Feed;
using runtime::Session;

std::string random_bytes(int64_t count, uint32_t seed, int low, int high) {
  std::mt19937 random(seed);
  std::string made = "{";
  for (int64_t i = 0; i < count; ++i)
    made += fmt::format("{}{}", i == 0 ? "" : ", ", std::uniform_int_distribution<int>(low, high)(random));
  return made + "}";
}

Tensor random_tensor(const graph::Type& type, const std::vector<int64_t>& dims, std::mt19937& random) {
  auto made = Tensor::allocate(*type.dtype, Dims(dims));
  CHECK(made);
  for (int64_t i = 0; i < made->size(); ++i) {
    if (made->dtype() == DType::F32)
      made->mutable_data<float>()[i] = std::normal_distribution<float>()(random);
    else
      made->mutable_data<uint8_t>()[i] = static_cast<uint8_t>(random());
  }
  return std::move(*made);
}

struct Case {
  std::string name, text;
  std::vector<std::vector<int64_t>> shapes;
  double quantum = 0;  // what one byte of an output is worth; 0: exact
};

std::vector<Value> run(const Case& c, OptLevel level, std::vector<std::string> disabled = {}) {
  auto model = graph::parse_text(c.text);
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return {};
  auto session =
      Session::open(std::move(*model), {.level = level, .disabled_passes = std::move(disabled), .threads = 2});
  EXPECT_TRUE(session) << session.error().message;
  if (!session) return {};
  std::mt19937 random(1);
  std::vector<Feed> feeds;
  for (size_t i = 0; i < c.shapes.size(); ++i) {
    const auto& port = (*session)->inputs().at(i);
    feeds.push_back({port.name, random_tensor(port.type, c.shapes[i], random)});
  }
  auto made = (*session)->run(feeds);
  EXPECT_TRUE(made) << made.error().message;
  return made ? std::move(*made) : std::vector<Value>{};
}

double element(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::U8:
      return tensor.data<uint8_t>()[i];
    case DType::I8:
      return tensor.data<int8_t>()[i];
    default:
      return double{tensor.data<float>()[i]};
  }
}

class QuantisedResults : public testing::TestWithParam<Case> {};

TEST_P(QuantisedResults, AtEveryLevel) {
  const Case& c = GetParam();
  const auto wanted = run(c, OptLevel::None);
  ASSERT_FALSE(wanted.empty());
  const auto hold = [&](const std::vector<Value>& got, std::string_view how) {
    ASSERT_EQ(got.size(), wanted.size()) << how;
    for (size_t i = 0; i < got.size(); ++i) {
      const Tensor &a = *got[i].tensor(), &b = *wanted[i].tensor();
      ASSERT_EQ(to_string(a.dims()), to_string(b.dims())) << how;
      ASSERT_EQ(a.dtype(), b.dtype()) << how;
      int64_t apart = 0;
      for (int64_t j = 0; j < a.size(); ++j) {
        const double slack = a.dtype() == DType::F32 ? 1e-4 * (1 + std::abs(element(b, j))) : 0;
        ASSERT_NEAR(element(a, j), element(b, j), c.quantum + slack) << how << ", output " << i << ", element " << j;
        if (std::abs(element(a, j) - element(b, j)) > slack) ++apart;
      }
      EXPECT_LE(apart, a.size() / 50) << how << ": too many are off for numbers next to a half";
    }
  };
  hold(run(c, OptLevel::Basic), "basic");
  hold(run(c, OptLevel::Extended), "extended");
  hold(run(c, OptLevel::All), "all");
  hold(run(c, OptLevel::All, {"pack_weights"}), "weights plain");
  hold(run(c, OptLevel::All, {"fold_quantisation"}), "not folded");
  hold(run(c, OptLevel::All, {"channels_last"}), "channels first");
}

std::string model(std::string_view ports, std::string_view constants, std::string_view body) {
  return fmt::format("<ir_version: 8, opset_import: [\"\": 17]>\ng {} <{}> {{ {} }}", ports, constants, body);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::string scales3 = "float[3] ws = {0.01, 0.02, 0.015}";
  all.push_back({"LinearMatMul",
                 model("(uint8[N,5,18] x) => (int8[N,5,3] y)",
                       "float s = {0.1}, uint8 z = {120}, int8[18,3] w = " + random_bytes(54, 1, -128, 127) + ", " +
                           scales3 + ", int8[3] wz = {0, 3, -7}, float t = {0.17}, int8 u = {-4}",
                       "y = QLinearMatMul (x, s, z, w, ws, wz, t, u)"),
                 {{3, 5, 18}}});
  all.push_back(
      {"LinearConv",
       model("(int8[N,6,9,8] x) => (uint8[N,3,5,4] y)",
             "float s = {0.1}, int8 z = {-3}, uint8[3,6,3,3] w = " + random_bytes(162, 1, 0, 255) + ", " + scales3 +
                 ", uint8[3] wz = {128, 120, 131}, float t = {0.4}, uint8 u = {100}, int32[3] b = "
                 "{500, -900, 12}",
             "y = QLinearConv <strides = [2, 2], auto_pad = \"SAME_UPPER\"> (x, s, z, w, ws, wz, t, u, b)"),
       {{2, 6, 9, 8}}});
  all.push_back({"DynamicMatMul",
                 model("(float[N,5,18] x) => (float[N,5,3] y)",
                       "int8[18,3] w = " + random_bytes(54, 1, -128, 127) + ", " + scales3 +
                           ", int8[3] wz = {0, 3, -7}, float[3] b = {1.0, 2.0, -3.0}",
                       "q, s, z = DynamicQuantizeLinear (x)  p = MatMulInteger (q, w, z, wz)  c = Cast <to = 1> (p) "
                       " f = Mul (s, ws)  m = Mul (c, f)  a = Add (b, m)  y = Relu (a)"),
                 {{3, 5, 18}}});
  all.push_back({"DynamicConv",
                 model("(float[N,6,9,8] x) => (float[N,3,9,8] y)",
                       "uint8[3,6,3,3] w = " + random_bytes(162, 1, 0, 255) +
                           ", float ws = {0.01}, uint8 wz = {120}, "
                           "float[1,3,1,1] b = {1.0, 2.0, -3.0}",
                       "q, s, z = DynamicQuantizeLinear (x)  p = ConvInteger <pads = [1, 1, 1, 1]> (q, w, z, wz)  "
                       "c = Cast <to = 1> (p)  f = Mul (s, ws)  m = Mul (c, f)  a = Add (m, b)  y = Relu (a)"),
                 {{2, 6, 9, 8}}});
  all.push_back({"Moves",
                 model("(uint8[N,4,8,6] x) => (uint8[N,8] y)",
                       "float s = {0.1}, uint8 z = {120}, float low = {-3.0}, float high = {4.0}, int64[2] flat = {0, "
                       "-1}, int64[1] one = {1}, int64[1] nine = {9}",
                       "a = DequantizeLinear (x, s, z)  b = Clip (a, low, high)  c = Relu (b)  d = MaxPool "
                       "<kernel_shape = [2, 2], strides = [2, 2]> (c)  e = Transpose <perm = [0, 3, 1, 2]> (d)  f = "
                       "Concat <axis = 1> (e, e)  h = Reshape (f, flat)  i = Slice (h, one, nine, one)  y = "
                       "QuantizeLinear (i, s, z)"),
                 {{2, 4, 8, 6}}});
  // A residual block, quantised as tools write it, then a depthwise convolution, a mean and a linear layer.
  const std::string block = R"(
      xq = QuantizeLinear (x, xs, xz)  xd = DequantizeLinear (xq, xs, xz)
      w1d = DequantizeLinear <axis = 0> (w1, w1s, w1z)  b1d = DequantizeLinear <axis = 0> (b1, b1s)
      c1 = Conv <pads = [1, 1, 1, 1]> (xd, w1d, b1d)  r1 = Relu (c1)
      q1 = QuantizeLinear (r1, s1, z1)  d1 = DequantizeLinear (q1, s1, z1)
      w2d = DequantizeLinear (w2, w2s, w2z)
      c2 = Conv (d1, w2d)  q2 = QuantizeLinear (c2, s2, z2)  d2 = DequantizeLinear (q2, s2, z2)
      a = Add (d2, xd)  r = Relu (a)  q3 = QuantizeLinear (r, s3, z3)  d3 = DequantizeLinear (q3, s3, z3)
      w3d = DequantizeLinear (w3, w2s, w2z)
      c3 = Conv <group = 8, strides = [2, 2], pads = [1, 1, 1, 1]> (d3, w3d)  k3 = Clip (c3, low, high)
      q4 = QuantizeLinear (k3, s2, z2)  d4 = DequantizeLinear (q4, s2, z2)
      m = GlobalAveragePool (d4)  q5 = QuantizeLinear (m, s2, z2)  d5 = DequantizeLinear (q5, s2, z2)
      f = Flatten (d5)  q6 = QuantizeLinear (f, s2, z2)  d6 = DequantizeLinear (q6, s2, z2)
      w4d = DequantizeLinear <axis = 0> (w4, ws, wz)  y = Gemm <transB = 1> (d6, w4d)
  )";
  for (const std::string type : {"uint8", "int8"}) {
    const bool is_signed = type == "int8";
    const std::string constants = fmt::format(
        "float xs = {{0.03}}, {0} xz = {{{1}}}, int8[8,8,3,3] w1 = {2}, float[8] w1s = {3}, int8[8] w1z = {{0, 0, 0, "
        "0, "
        "0, 0, 0, 0}}, int32[8] b1 = {4}, float[8] b1s = {5}, float s1 = {{0.04}}, {0} z1 = {{{6}}}, int8[8,8,1,1] w2 "
        "= "
        "{7}, float w2s = {{0.01}}, int8 w2z = {{0}}, float s2 = {{0.05}}, {0} z2 = {{{8}}}, float s3 = {{0.04}}, {0} "
        "z3 "
        "= {{{6}}}, int8[8,1,3,3] w3 = {9}, int8[3,8] w4 = {10}, float[3] ws = {{0.01, 0.02, 0.015}}, int8[3] wz = "
        "{{0, "
        "0, 0}}, float low = {{-2.0}}, float high = {{3.0}}",
        type, is_signed ? 3 : 131, random_bytes(576, 2, -128, 127), random_numbers(8, 3, 0.001, 0.003),
        random_bytes(8, 4, -3000, 3000), random_numbers(8, 5, 0.00003, 0.00009), is_signed ? -128 : 0,
        random_bytes(64, 6, -128, 127), is_signed ? -8 : 120, random_bytes(72, 7, -128, 127),
        random_bytes(24, 8, -128, 127));
    all.push_back({"Block_" + type,
                   model("(float[N,8,11,10] x) => (float[N,3] y)", constants, block),
                   {{2, 8, 11, 10}},
                   0.05 * 128 * 0.02});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, QuantisedResults, testing::ValuesIn(cases()),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hearth::passes
