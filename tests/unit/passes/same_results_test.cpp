// What the passes make computes what the model says: outputs with all of them against those with none.
#include <cmath>
#include <cstring>
#include <random>

#include "graph/text.h"
#include "rewritten.h"
#include "runtime/session.h"

namespace hearth::passes {
namespace {

using runtime::Feed;
using runtime::Session;

struct Case {
  std::string_view name, text;
  std::vector<std::vector<int64_t>> shapes;  // of the inputs, floats all
};

Tensor random_tensor(std::span<const int64_t> dims, std::mt19937& engine) {
  auto made = Tensor::allocate(DType::F32, Dims(dims));
  CHECK(made);
  std::normal_distribution<float> normal;
  for (int64_t i = 0; i < made->size(); ++i) made->mutable_data<float>()[i] = normal(engine);
  return std::move(*made);
}

std::vector<Value> run(std::string_view text, OptLevel level, const std::vector<std::vector<int64_t>>& shapes,
                       std::vector<std::string> disabled = {}) {
  auto model = graph::parse_text(text);
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return {};
  auto session =
      Session::open(std::move(*model), {.level = level, .disabled_passes = std::move(disabled), .threads = 2});
  EXPECT_TRUE(session) << session.error().message;
  if (!session) return {};
  std::mt19937 engine(1);
  std::vector<Feed> feeds;
  for (size_t i = 0; i < shapes.size(); ++i)
    feeds.push_back({(*session)->inputs().at(i).name, random_tensor(shapes[i], engine)});
  auto made = (*session)->run(feeds);
  EXPECT_TRUE(made) << made.error().message;
  return made ? std::move(*made) : std::vector<Value>{};
}

class SameResults : public testing::TestWithParam<Case> {};

TEST_P(SameResults, AtEveryLevel) {
  const Case& c = GetParam();
  const auto wanted = run(c.text, OptLevel::None, c.shapes);
  ASSERT_FALSE(wanted.empty());
  const auto hold = [&](const std::vector<Value>& got, std::string_view how) {
    ASSERT_EQ(got.size(), wanted.size()) << how;
    for (size_t i = 0; i < got.size(); ++i) {
      const Tensor &a = *got[i].tensor(), &b = *wanted[i].tensor();
      ASSERT_EQ(to_string(a.dims()), to_string(b.dims())) << how;
      ASSERT_EQ(a.dtype(), b.dtype()) << how;
      if (a.dtype() != DType::F32) {
        ASSERT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0) << how << ", output " << i;
        continue;
      }
      for (int64_t j = 0; j < a.size(); ++j)
        ASSERT_NEAR(a.data<float>()[j], b.data<float>()[j], 1e-4f * (1 + std::abs(b.data<float>()[j])))
            << how << ", output " << i << ", element " << j;
    }
  };
  hold(run(c.text, OptLevel::Extended, c.shapes), "extended");
  hold(run(c.text, OptLevel::All, c.shapes), "all");
  hold(run(c.text, OptLevel::All, c.shapes, {"pack_weights"}), "weights plain");
  hold(run(c.text, OptLevel::All, c.shapes, {"fuse_pointwise"}), "not fused");
}

#define HEAD "<ir_version: 8, opset_import: [\"\": 17]>\n"
constexpr std::string_view kResidual = HEAD R"(
g (float[N,2,H,W] x) => (float[N,2,H,W] y) <float[2,2,3,3] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0,
  -1.0, 0.5, 0.25, 1.0, 2.0, -3.0, 0.5, 1.0, 1.5, 2.0, 2.5, -1.0, 1.0, 0.0, 0.0, 1.0, 0.5, 0.25,
  0.125, 1.0, -2.0, 3.0, 1.0, 0.5, -0.5, 1.0, 2.0}, float[2] b = {0.5, -1.0}, float[2,1,1] slope = {0.25, 0.5}> {
  a = Conv <pads = [1, 1, 1, 1]> (x, w, b)  c = PRelu (a, slope)  d = Conv <pads = [1, 1, 1, 1]> (c, w)
  e = Add (d, x)  f = Conv <pads = [2, 1, 2, 1], dilations = [2, 1]> (e, w)  g = Add (e, f)  y = Sigmoid (g)
})";
constexpr std::string_view kBranches = HEAD R"(
g (float[N,2,8,8] x) => (float[N,2,16] y, float[N,4,8,8] z, int64[4] s)
  <float[2,2,1,1] w = {1.0, 2.0, -3.0, 4.0}, float[2,1,3,3] v = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0,
  -1.0, 0.5, 0.25, 1.0, 2.0, -3.0, 0.5, 1.0, 1.5}, int64[2] halves = {1, 1}, float[4] up = {1.0, 1.0, 2.0, 2.0},
  int64[8] pads = {0, 0, 1, 0, 0, 0, 0, 1}, int64[1] spatial = {3}, int64[1] low = {1}, int64[1] high = {5}, int64[3] flat = {0, 2, -1},
  int64[1] two = {2}> {
  a = Conv (x, w)  b = Conv <group = 2, strides = [2, 2], auto_pad = "SAME_UPPER"> (a, v)
  c = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (b, , up)
  z = Concat <axis = 1> (a, c)
  l, r = Split <axis = 1> (a, halves)  d = Concat <axis = 1> (r, l)
  e = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2]> (d)
  f = Pad (e, pads)  f2 = Slice (f, low, high, spatial)  f3 = Slice (f2, low, high, two)
  h = Softmax <axis = 1> (f3)  y = Reshape (h, flat)  s = Shape (h)
})";
constexpr std::string_view kSqueezeExcite = HEAD R"(
g (float[N,2,6,5] x) => (float[N,3] y) <float[2,2,1,1] w = {1.0, 2.0, -3.0, 4.0}, float[2] b = {0.1, 0.2},
  int64[2] spatial = {2, 3}, float[60,3] m = {)";
constexpr std::string_view kOneDimension = HEAD R"(
g (float[N,T,2] x) => (float[N,T,2] y) <float[4,2,1] w = {1.0, 2.0, -3.0, 4.0, 0.5, 0.25, 0.125, -1.0},
  float[2,1,3] v = {1.0, -2.0, 3.0, 0.5, 0.25, 1.0}, int64[2] halves = {2, 2}> {
  a = Transpose <perm = [0, 2, 1]> (x)  b = Conv (a, w)  l, r = Split <axis = 1> (b, halves)
  s = Sigmoid (r)  g = Mul (l, s)  d = Conv <group = 2, pads = [1, 1]> (g, v)
  t = Transpose <perm = [0, 2, 1]> (d)  y = Add (t, x)
})";

constexpr std::string_view kTails = HEAD R"(
g (float[N,2,7,6] x) => (float[N,7,6] a, int64[N,7,6] b, float[N,2] c, float[N,4,14,12] d, float[N,2,?,?] e,
  float[N,1,7,6] f, float[N,2,?,?] k, float[7,2,N,6] o)
  <float[2,2,1,1] w = {1.0, 2.0, -3.0, 4.0}, float[2,2,2,2] u = {1.0, 2.0, 3.0, 4.0, 0.5, 0.25, 0.125, -1.0,
  -1.0, -2.0, 0.5, 1.0, 2.0, 1.0, 0.75, 0.5}, int64[1] two = {2}, int64[1] four = {4}, int64[2] spatial = {2, 3},
  float zero = {0.0}, int64[1] none = {0}, float[4] up = {1.0, 1.0, 2.0, 2.0}, float[4,2,1,1] w4 = {1.0, 2.0, -3.0, 4.0,
  0.5, 0.25, 0.125, -1.0}> {
  p = Conv (x, w)
  q = MaxPool <kernel_shape = [3, 2], strides = [2, 2], ceil_mode = 1> (p)
  r = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (p)
  a = ReduceMax <axes = [1], keepdims = 0> (p)
  b = ArgMax <axis = 1, keepdims = 0> (r)
  s = ReduceSum (p, spatial)  c = Squeeze (s, spatial)
  t = ConvTranspose <strides = [2, 2]> (r, u)
  v = Resize <mode = "nearest"> (r, , up)
  j = Concat <axis = 1> (t, v)  d = Conv <group = 2> (j, w4)
  whole = Shape (r)  size = Shape (q)  tail = Slice (size, two, four)  head = Slice (whole, none, two)
  sizes = Concat <axis = 0> (head, tail)  e = Resize <mode = "linear"> (r, , , sizes)
  m = Greater (p, zero)  n = Where (m, p, r)  f = ReduceMean <axes = [1]> (n)
  h = GlobalAveragePool (q)  k = Sub (q, h)
  o = Transpose <perm = [2, 1, 0, 3]> (n)
})";
// A convolution within a branch, over an image from outside.
constexpr std::string_view kBranch = HEAD R"(
g (float[N,2,4,4] x, float low) => (float[N,2,4,4] y) <float[2,2,1,1] w = {1.0, 2.0, -3.0, 4.0}, float zero = {0.0}> {
  p = Conv (x, w)  go = Less (low, zero)
  q = If (go) <then_branch = t () => (float[N,2,4,4] r) { s = Relu (p)  r = Conv (s, w) },
               else_branch = e () => (float[N,2,4,4] r) { r = Neg (p) }>
  y = Conv (q, w)
})";

std::string squeeze_excite() {
  std::string text(kSqueezeExcite);
  for (int i = 0; i < 180; ++i) text += fmt::format("{}{:.3f}", i > 0 ? ", " : "", 0.01 * (i % 37) - 0.2);
  return text + R"(}> {
  a = Conv (x, w, b)  p = GlobalAveragePool (a)  q = Conv (p, w)  s = HardSigmoid (q)  t = Mul (a, s)
  u = ReduceMean <axes = [2, 3]> (t)  v = Sub (t, u)  f = Flatten (v)  y = MatMul (f, m)
})";
}

std::vector<Case> cases() {
  static const std::string excite = squeeze_excite();
  return {{"Residual", kResidual, {{2, 2, 7, 9}}},
          {"Branches", kBranches, {{3, 2, 8, 8}}},
          {"SqueezeExcite", excite, {{2, 2, 6, 5}}},
          {"SqueezeExciteOfOne", excite, {{1, 2, 6, 5}}},
          {"OneDimension", kOneDimension, {{2, 11, 2}}},
          {"OneDimensionOfOne", kOneDimension, {{1, 1, 2}}},
          {"Tails", kTails, {{2, 2, 7, 6}}},
          {"Branch", kBranch, {{2, 2, 4, 4}, {}}}};
}

INSTANTIATE_TEST_SUITE_P(All, SameResults, testing::ValuesIn(cases()),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hearth::passes
