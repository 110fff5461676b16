#include <gtest/gtest.h>

#include "recognised.h"

namespace hearth::passes {
namespace {

std::string model_of(std::string_view body, std::string_view outputs = "float[batch, 7] y", int opset = 17) {
  return fmt::format(R"(<ir_version: 8, opset_import: ["": {}]>
g (float[batch, 7] x, float[batch, 7] z) => ({})
<float half = {{0.5}}, float one = {{1.0}}, float root = {{1.4142135}}, float inverse = {{0.70710677}}, float three = {{3.0}},
 float two = {{2.0}}, float six = {{6.0}}, float zero = {{0.0}}, float sixth = {{0.16666667}}, float cubic = {{0.044715}}, float slope = {{0.7978845608}},
 float[1] half1 = {{0.5}}> {{
{}
}})",
                     opset, outputs, body);
}

void expect_step(std::string_view step, std::string_view body, int opset = 17) {
  const std::string text = model_of(body, "float[batch, 7] y", opset);
  EXPECT_EQ(operators(text), Operators{fmt::format("hearth.Pointwise {}", step)}) << body;
  expect_same_results(text);
}

// Nothing of the internal domain is made.
void expect_left(const std::string& text) {
  for (const std::string& name : operators(text)) EXPECT_FALSE(name.starts_with("hearth.")) << name << " in\n" << text;
}

TEST(RecogniseActivations, Silu) {
  expect_step("silu", "s = Sigmoid (x)  y = Mul (x, s)");
  expect_step("silu", "s = Sigmoid (x)  y = Mul (s, x)");
  expect_step("silu", "y = Swish (x)", 24);
}

TEST(RecogniseActivations, GeluByErf) {
  expect_step("gelu", "a = Div (x, root)  e = Erf (a)  p = Add (e, one)  m = Mul (x, p)  y = Mul (m, half)");
  expect_step("gelu", "h = Mul (half, x)  a = Mul (inverse, x)  e = Erf (a)  p = Add (one, e)  y = Mul (p, h)");
  expect_step("gelu", "a = Div (x, root)  e = Erf (a)  p = Add (e, one)  h = Mul (p, half1)  y = Mul (h, x)");
  expect_step("gelu", "a = Div (x, root)  e = Erf (a)  p = Add (e, one)  m = Mul (x, p)  y = Div (m, two)");
  expect_step("gelu", "y = Gelu (x)", 20);
}

TEST(RecogniseActivations, GeluByTanh) {
  expect_step(
      "gelu_tanh",
      "c = Pow (x, three)  d = Mul (c, cubic)  e = Add (x, d)  f = Mul (e, slope)  t = Tanh (f)  p = Add (t, one)  "
      "h = Mul (x, half)  y = Mul (h, p)");
  expect_step("gelu_tanh",
              "q = Mul (x, x)  c = Mul (x, q)  d = Mul (cubic, c)  e = Add (d, x)  f = Mul (slope, e)  t = Tanh (f)  "
              "p = Add (one, t)  m = Mul (x, p)  y = Mul (half, m)");
  expect_step("gelu_tanh",
              "k = Mul (x, slope)  a = Mul (x, cubic)  b = Mul (a, x)  c = Add (b, one)  u = Mul (k, c)  t = Tanh (u)  "
              "p = Add (t, one)  h = Mul (x, half)  y = Mul (p, h)");
  expect_step("gelu_tanh", "y = Gelu <approximate = \"tanh\"> (x)", 20);
}

TEST(RecogniseActivations, HardSwish) {
  expect_step("hard_swish", "a = Add (x, three)  c = Clip (a, zero, six)  m = Mul (x, c)  y = Div (m, six)");
  expect_step("hard_swish", "a = Add (three, x)  c = Clip (a, zero, six)  d = Mul (c, sixth)  y = Mul (d, x)");
  expect_step("hard_swish", "h = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x)  y = Mul (h, x)");
  expect_step("hard_swish", "y = HardSwish (x)");
  expect_step("hard_swish", "a = Add (x, three)  c = Clip <min = 0.0, max = 6.0> (a)  m = Mul (c, x)  y = Div (m, six)",
              9);
}

TEST(RecogniseActivations, Mish) {
  expect_step("mish", "s = Softplus (x)  t = Tanh (s)  y = Mul (x, t)");
  expect_step("mish", "y = Mish (x)", 18);
}

TEST(RecogniseActivations, LeavesWhatOthersRead) {
  expect_left(model_of("s = Sigmoid (x)  y = Mul (x, s)", "float[batch, 7] y, float[batch, 7] s"));
  expect_left(model_of("s = Sigmoid (x)  m = Mul (x, s)  y = Add (m, s)"));
  expect_left(model_of("a = Div (x, root)  e = Erf (a)  p = Add (e, one)  m = Mul (x, p)  y = Mul (m, half)",
                       "float[batch, 7] y, float[batch, 7] a"));
}

TEST(RecogniseActivations, LeavesOtherFunctions) {
  expect_left(model_of("s = Sigmoid (z)  y = Mul (x, s)"));
  expect_left(model_of("s = Sigmoid (x)  m = Mul (s, half)  y = Mul (x, m)"));
  expect_left(model_of("a = Div (x, two)  e = Erf (a)  p = Add (e, one)  m = Mul (x, p)  y = Mul (m, half)"));
  expect_left(model_of("a = Div (x, root)  e = Erf (a)  p = Add (e, half)  m = Mul (x, p)  y = Mul (m, half)"));
  expect_left(model_of("a = Div (x, root)  e = Erf (a)  p = Add (e, one)  m = Mul (z, p)  y = Mul (m, half)"));
  expect_left(model_of("a = Add (x, three)  c = Clip (a, zero, three)  m = Mul (x, c)  y = Div (m, six)"));
  expect_left(model_of("h = HardSigmoid (x)  y = Mul (h, x)"));
  expect_left(model_of(
      "c = Pow (x, two)  d = Mul (c, cubic)  e = Add (x, d)  f = Mul (e, slope)  t = Tanh (f)  p = Add (t, one)  "
      "h = Mul (x, half)  y = Mul (h, p)"));
  expect_left(model_of("y = Swish <alpha = 1.5> (x)", "float[batch, 7] y", 24));
}

TEST(RecogniseActivations, LeavesANumberThatAddsDimensions) {
  expect_left(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[7] x) => (float[1, 7] y) <float[1, 1] half = {0.5}, float one = {1.0}, float root = {1.4142135}> {
  a = Div (x, root)  e = Erf (a)  p = Add (e, one)  m = Mul (x, p)  y = Mul (m, half)
})");
}

TEST(RecogniseActivations, LeavesDoubles) {
  expect_left(R"(<ir_version: 8, opset_import: ["": 17]>
g (double[7] x) => (double[7] y) { s = Sigmoid (x)  y = Mul (x, s) })");
}

}  // namespace
}  // namespace hearth::passes
