#include <gtest/gtest.h>

#include <cmath>

#include "recognised.h"

namespace hearth::passes {
namespace {

// Two heads of size 4 over q, k, v [batch, rows, 8]; an exporter's pieces, each of which a test may write differently.
struct Pieces {
  std::string heads_q = "q3 = Reshape (q, split)  q4 = Transpose <perm = [0, 2, 1, 3]> (q3)";
  std::string heads_k = "k3 = Reshape (k, split)  k4 = Transpose <perm = [0, 2, 3, 1]> (k3)";
  std::string heads_v = "v3 = Reshape (v, split)  v4 = Transpose <perm = [0, 2, 1, 3]> (v3)";
  std::string scores = "p = MatMul (q4, k4)  scores = Div (p, two)";
  std::string weights = "weights = Softmax <axis = -1> (scores)";
  std::string join = "c = MatMul (weights, v4)  c3 = Transpose <perm = [0, 2, 1, 3]> (c)  y = Reshape (c3, join)";
  std::string more, outputs = "float[] y", type = "float", inputs;
  int opset = 17;

  std::string text() const {
    return fmt::format(R"(<ir_version: 8, opset_import: ["": {}]>
g ({}[batch, rows, 8] q, {}[batch, keys, 8] k, {}[batch, keys, 8] v, float[batch, 1, 1, keys] mask, int64[batch, keys] ids{}) => ({})
<int64[4] split = {{0, 0, 2, 4}}, int64[3] join = {{0, 0, 8}}, {} two = {{2.0}}, {} half = {{0.5}}{}> {{
{}
{}
{}
{}
{}
{}
}})",
                       opset, type, type, type, inputs, outputs, type, type, more, heads_q, heads_k, heads_v, scores,
                       weights, join);
  }
};

graph::Model expect_attention(const Pieces& pieces, double scale, size_t inputs = 3) {
  const std::string text = pieces.text();
  graph::Model model = recognised(text);
  EXPECT_EQ(operators(model), Operators{"hearth.Attention"}) << text;
  expect_same_results(text);
  if (const graph::Node* node = find_node(model, "Attention")) {
    EXPECT_EQ(node->inputs.size(), inputs);
    EXPECT_EQ(node->int_or("heads", 0), 2);
    EXPECT_EQ(node->int_or("kv_heads", 0), 2);
    EXPECT_NEAR(node->float_or("scale", 0), scale, 1e-6);
  }
  return model;
}
void expect_left(const Pieces& pieces) {
  for (const std::string& name : operators(pieces.text()))
    EXPECT_FALSE(name.starts_with("hearth.")) << name << " in\n" << pieces.text();
}

TEST(RecogniseAttention, WithKeysTurnedAtOnceOrTwice) {
  expect_attention({}, 0.5);
  expect_attention({.heads_k = "k3 = Reshape (k, split)  k2 = Transpose <perm = [0, 2, 1, 3]> (k3)  "
                               "k4 = Transpose <perm = [0, 1, 3, 2]> (k2)"},
                   0.5);
}

TEST(RecogniseAttention, WithTheScaleAnywhere) {
  expect_attention({.scores = "scores = MatMul (q4, k4)"}, 1);
  expect_attention({.scores = "p = MatMul (q4, k4)  scores = Mul (half, p)"}, 0.5);
  expect_attention(
      {.heads_q = "qs = Mul (q, half)  q3 = Reshape (qs, split)  q4 = Transpose <perm = [0, 2, 1, 3]> (q3)",
       .scores = "q5 = Div (q4, two)  k5 = Mul (half, k4)  scores = MatMul (q5, k5)"},
      0.25);
}

TEST(RecogniseAttention, WithAMaskOnEitherSide) {
  expect_attention({.scores = "p = MatMul (q4, k4)  s = Div (p, two)  scores = Add (s, mask)"}, 0.5, 4);
  expect_attention({.scores = "p = MatMul (q4, k4)  s = Div (p, two)  scores = Add (mask, s)"}, 0.5, 4);
  expect_attention({.scores = "p = MatMul (q4, k4)  s = Div (p, two)  scores = Add (bias, s)",
                    .more = ", float[2, 1, 1] bias = {1.0, -1.0}"},
                   0.5, 4);
}

TEST(RecogniseAttention, WithTargetsThatLeaveTheRowsOpen) {
  expect_attention({.join = "c = MatMul (weights, v4)  c3 = Transpose <perm = [0, 2, 1, 3]> (c)  "
                            "j = Constant <value_ints = [0, -1, 8]> ()  y = Reshape (c3, j)"},
                   0.5);
}

// What an exporter with open sizes writes: the targets are put together from sizes asked for, also of the result.
TEST(RecogniseAttention, WithTargetsComputedFromSizes) {
  Pieces pieces;
  pieces.more =
      ", int64 i0 = {0}, int64 i1 = {1}, int64[1] zero = {0}, int64[1] minus = {-1}, int64[1] h = {2}, int64[1] d = "
      "{4}, int64[1] w = {8}";
  pieces.heads_q =
      "qs = Shape (q)  b0 = Gather (qs, i0)  r0 = Gather (qs, i1)  b1 = Unsqueeze (b0, zero)  r1 = Unsqueeze (r0, "
      "zero)  "
      "t = Concat <axis = 0> (b1, r1, h, d)  q3 = Reshape (q, t)  q4 = Transpose <perm = [0, 2, 1, 3]> (q3)";
  pieces.heads_k =
      "ks = Shape (k)  b2 = Gather (ks, i0)  b3 = Unsqueeze (b2, zero)  tk = Concat <axis = 0> (b3, minus, h, d)  "
      "k3 = Reshape (k, tk)  k4 = Transpose <perm = [0, 2, 3, 1]> (k3)";
  pieces.join =
      "c = MatMul (weights, v4)  c3 = Transpose <perm = [0, 2, 1, 3]> (c)  cs = Shape (c3)  b5 = Gather (cs, i0)  "
      "r5 = Gather (cs, i1)  b6 = Unsqueeze (b5, zero)  r6 = Unsqueeze (r5, zero)  tj = Concat <axis = 0> (b6, r6, w)  "
      "y = Reshape (c3, tj)";
  const graph::Model model = recognised(pieces.text());
  EXPECT_NE(find_node(model, "Attention"), nullptr);
  EXPECT_EQ(find_node(model, "Softmax"), nullptr);
  expect_same_results(pieces.text());
}

// The scale as PyTorch's scaled_dot_product_attention is exported: from the size of a head, its root on either side.
TEST(RecogniseAttention, WithTheScaleComputedFromTheSizeOfAHead) {
  expect_attention(
      {.scores = "qs = Shape (q4)  n = Slice (qs, last, end)  f = Cast <to = 1> (n)  g = Sqrt (f)  i = Div (one, g)  "
                 "s = Sqrt (i)  q5 = Mul (q4, s)  k5 = Mul (k4, s)  scores = MatMul (q5, k5)",
       .more = ", int64[1] last = {-1}, int64[1] end = {9223372036854775807}, float[1] one = {1.0}"},
      0.5);
}

TEST(RecogniseAttention, KeepsAReshapeToOtherSizes) {
  Pieces pieces;
  pieces.more = ", int64[2] flat = {-1, 8}";
  pieces.join = "c = MatMul (weights, v4)  c3 = Transpose <perm = [0, 2, 1, 3]> (c)  y = Reshape (c3, flat)";
  EXPECT_EQ(operators(pieces.text()), (Operators{"hearth.Attention", "Reshape"}));
  expect_same_results(pieces.text());
}

TEST(RecogniseAttention, OneHeadOfKeysForAll) {
  Pieces pieces;
  pieces.more = ", int64[4] single = {0, 0, 1, 4}";
  pieces.inputs = ", float[batch, keys, 4] k1, float[batch, keys, 4] v1";
  pieces.heads_k = "k3 = Reshape (k1, single)  k4 = Transpose <perm = [0, 2, 3, 1]> (k3)";
  pieces.heads_v = "v3 = Reshape (v1, single)  v4 = Transpose <perm = [0, 2, 1, 3]> (v3)";
  const graph::Model model = recognised(pieces.text());
  EXPECT_EQ(operators(model), Operators{"hearth.Attention"});
  ASSERT_NE(find_node(model, "Attention"), nullptr);
  EXPECT_EQ(find_node(model, "Attention")->int_or("kv_heads", 0), 1);
  expect_same_results(pieces.text());
}

TEST(RecogniseAttention, LeavesWhatOthersRead) {
  expect_left({.outputs = "float[] y, float[] weights"});
  expect_left({.outputs = "float[] y, float[] p"});
  expect_left({.join = "c = MatMul (weights, v4)  c3 = Transpose <perm = [0, 2, 1, 3]> (c)  z = Reshape (c3, join)  "
                       "n = ReduceSum <keepdims = 0> (weights)  y = Add (z, n)"});
}

TEST(RecogniseAttention, LeavesOtherFunctions) {
  expect_left({.weights = "weights = Softmax <axis = 2> (scores)"});
  expect_left({.weights = "weights = Softmax (scores)", .opset = 12});
  expect_left({.heads_q = "q3 = Reshape (q, split)  q4 = Transpose <perm = [0, 2, 1, 3]> (q3)  qx = Exp (q4)",
               .scores = "p = MatMul (qx, k4)  scores = Div (p, two)"});
  // The mask is scaled as well; the scale differs by head; the values are scaled.
  expect_left({.scores = "p = MatMul (q4, k4)  s = Add (p, mask)  scores = Div (s, two)"});
  expect_left({.scores = "p = MatMul (q4, k4)  scores = Div (p, by)", .more = ", float[2, 1, 1] by = {1.0, 2.0}"});
  expect_left({.heads_v = "v3 = Reshape (v, split)  vs = Mul (v3, half)  v4 = Transpose <perm = [0, 2, 1, 3]> (vs)"});
}

TEST(RecogniseAttention, LeavesOtherOrdersOfHeads) {
  // Rows and heads are not exchanged before the joining; the heads are the inner dimension.
  expect_left(
      {.join =
           "c = MatMul (weights, v4)  c3 = Transpose <perm = [0, 1, 2, 3]> (c)  n = Exp (c3)  y = Reshape (n, flat)",
       .more = ", int64[2] flat = {-1, 8}"});
  expect_left({.heads_q = "q3 = Reshape (q, other)  q4 = Transpose <perm = [0, 3, 1, 2]> (q3)",
               .more = ", int64[4] other = {0, 0, 4, 2}"});
}

TEST(RecogniseAttention, LeavesAMaskThatMakesTheScoresLarger) {
  expect_left({.scores = "p = MatMul (q4, k4)  scores = Add (p, wide)", .inputs = ", float[many, 1, 1, keys] wide"});
  expect_left(
      {.scores = "p = MatMul (q4, k4)  scores = Add (p, wide)", .inputs = ", float[1, batch, 1, 1, keys] wide"});
}

TEST(RecogniseAttention, LeavesKeysOfAnotherBatch) {
  expect_left({.heads_k = "k3 = Reshape (kb, split)  k4 = Transpose <perm = [0, 2, 3, 1]> (k3)",
               .inputs = ", float[1, keys, 8] kb"});
}

TEST(RecogniseAttention, LeavesDoubles) {
  expect_left({.type = "double"});
}

}  // namespace
}  // namespace hearth::passes
