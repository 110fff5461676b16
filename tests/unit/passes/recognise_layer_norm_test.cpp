#include <gtest/gtest.h>

#include "recognised.h"

namespace hearth::passes {
namespace {

std::string model_of(std::string_view body, int opset = 17, std::string_view outputs = "float[batch, 3, 4] y") {
  return fmt::format(R"(<ir_version: 8, opset_import: ["": {}]>
g (float[batch, 3, 4] x) => ({})
<float[4] s = {}, float[4] t = {}, float[3, 1] u = {{1.0, 2.0, 3.0}}, float two = {{2.0}}, float one = {{1.0}}, float eps = {{0.001}}, int64[1] last = {{-1}},
 int64[1] middle = {{1}}> {{
{}
}})",
                     opset, outputs, random_numbers(4, 1, 0.5, 2), random_numbers(4, 2), body);
}

void expect_layer_norm(const std::string& text) {
  EXPECT_EQ(operators(text), Operators{"hearth.LayerNormalization"}) << text;
  expect_same_results(text);
}
void expect_left(const std::string& text) {
  for (const std::string& name : operators(text)) EXPECT_FALSE(name.starts_with("hearth.")) << name << " in\n" << text;
}

constexpr std::string_view kHead =
    "m = ReduceMean <axes = [-1]> (x)  d = Sub (x, m)  q = Pow (d, two)  "
    "v = ReduceMean <axes = [-1]> (q)  e = Add (v, eps)  r = Sqrt (e)  ";
std::string with_head(std::string_view rest) {
  return std::string(kHead) + std::string(rest);
}

TEST(RecogniseLayerNorm, AsExportersWriteIt) {
  expect_layer_norm(model_of(with_head("n = Div (d, r)  w = Mul (n, s)  y = Add (w, t)")));
  expect_layer_norm(model_of(with_head("n = Div (d, r)  w = Mul (s, n)  y = Add (t, w)")));
  expect_layer_norm(model_of(with_head("i = Reciprocal (r)  n = Mul (d, i)  w = Mul (n, s)  y = Add (w, t)")));
  expect_layer_norm(model_of(with_head("i = Div (one, r)  n = Mul (i, d)  w = Mul (n, s)  y = Add (w, t)")));
}

TEST(RecogniseLayerNorm, WithAxesAsInputAndSquaresByMul) {
  expect_layer_norm(
      model_of("m = ReduceMean (x, last)  d = Sub (x, m)  q = Mul (d, d)  v = ReduceMean (q, last)  "
               "e = Add (eps, v)  r = Sqrt (e)  n = Div (d, r)  w = Mul (n, s)  y = Add (w, t)",
               18));
}

TEST(RecogniseLayerNorm, WithTheDifferenceWrittenTwice) {
  expect_layer_norm(
      model_of("m = ReduceMean <axes = [2]> (x)  d = Sub (x, m)  d2 = Sub (x, m)  q = Pow (d2, two)  "
               "v = ReduceMean <axes = [2]> (q)  e = Add (v, eps)  r = Sqrt (e)  n = Div (d, r)  w = Mul (n, s)  y = "
               "Add (w, t)"));
}

TEST(RecogniseLayerNorm, AsTensorFlowWritesIt) {
  expect_layer_norm(model_of(
      with_head("i = Reciprocal (r)  a = Mul (i, s)  p = Mul (x, a)  k = Mul (m, a)  b = Sub (t, k)  y = Add (p, b)")));
}

TEST(RecogniseLayerNorm, TheOperator) {
  expect_layer_norm(model_of("y = LayerNormalization <axis = -1, epsilon = 0.01> (x, s, t)"));
  expect_layer_norm(model_of("y = LayerNormalization <axis = 2> (x, s)"));
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 2, 2] x) => (float[batch, 2, 2] y) <float[2, 2] s = {1.0, 2.0, 3.0, 4.0}> { y = LayerNormalization <axis = 1> (x, s) })"),
            Operators{"LayerNormalization"});
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 2] x, float[2] s) => (float[batch, 2] y) { y = LayerNormalization (x, s) })"),
            Operators{"LayerNormalization"});
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 2] x) => (float[batch, 2] y, float[batch, 1] m) <float[2] s = {1.0, 2.0}> { y, m = LayerNormalization (x, s) })"),
            Operators{"LayerNormalization"});
}

TEST(RecogniseLayerNorm, WithoutScaleOrShift) {
  expect_layer_norm(model_of(with_head("y = Div (d, r)")));
  expect_layer_norm(model_of(with_head("n = Div (d, r)  y = Mul (n, s)")));
  expect_layer_norm(model_of(with_head("n = Div (d, r)  y = Add (n, t)")));
  const std::string other = model_of(with_head("n = Div (d, r)  y = Mul (n, u)"));
  EXPECT_EQ(operators(other), (Operators{"hearth.LayerNormalization", "Mul"}));
  expect_same_results(other);
}

TEST(RecogniseLayerNorm, LeavesOtherAxes) {
  expect_left(
      model_of("m = ReduceMean <axes = [1]> (x)  d = Sub (x, m)  q = Pow (d, two)  v = ReduceMean <axes = [1]> (q)  "
               "e = Add (v, eps)  r = Sqrt (e)  n = Div (d, r)  w = Mul (n, s)  y = Add (w, t)"));
  expect_left(model_of(
      "m = ReduceMean <axes = [1, 2]> (x)  d = Sub (x, m)  q = Pow (d, two)  v = ReduceMean <axes = [1, 2]> (q)  "
      "e = Add (v, eps)  r = Sqrt (e)  n = Div (d, r)  w = Mul (n, s)  y = Add (w, t)"));
}

TEST(RecogniseLayerNorm, LeavesOtherFunctions) {
  // Not the square; another value's spread; the mean of something else.
  expect_left(
      model_of("m = ReduceMean <axes = [-1]> (x)  d = Sub (x, m)  q = Abs (d)  v = ReduceMean <axes = [-1]> (q)  "
               "e = Add (v, eps)  r = Sqrt (e)  y = Div (d, r)"));
  expect_left(model_of(with_head("y = Div (x, r)")));
  expect_left(
      model_of("z = Exp (x)  m = ReduceMean <axes = [-1]> (z)  d = Sub (x, m)  q = Pow (d, two)  "
               "v = ReduceMean <axes = [-1]> (q)  e = Add (v, eps)  r = Sqrt (e)  y = Div (d, r)"));
}

TEST(RecogniseLayerNorm, LeavesWhatOthersRead) {
  expect_left(model_of(with_head("y = Div (d, r)"), 17, "float[batch, 3, 4] y, float[batch, 3, 4] d"));
  expect_left(model_of(with_head("y = Div (d, r)"), 17, "float[batch, 3, 4] y, float[batch, 3, 1] m"));
  expect_left(model_of(with_head("n = Div (d, r)  y = Add (n, r)")));
}

}  // namespace
}  // namespace hearth::passes
