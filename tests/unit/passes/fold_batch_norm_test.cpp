#include <gtest/gtest.h>

#include <cmath>

#include "recognised.h"

namespace hearth::passes {
namespace {

// A model over x [batch, 4, 5, 5] with six channels after the body's first node.
std::string image_model(std::string_view body, std::string_view constants = {}, std::string_view output = "float[] y",
                        int opset = 17) {
  return fmt::format(R"(<ir_version: 8, opset_import: ["": {}]>
g (float[batch, 4, 5, 5] x) => ({})
<float[6, 4, 3, 3] w = {}, float[6] b = {}, float[6] s = {}, float[6] t = {}, float[6] m = {}, float[6] v = {}{}{}> {{
{}
}})",
                     opset, output, random_numbers(216, 1), random_numbers(6, 2), random_numbers(6, 3),
                     random_numbers(6, 4), random_numbers(6, 5), random_numbers(6, 6, 0.5, 2),
                     constants.empty() ? "" : ", ", constants, body);
}

void expect_folded(const std::string& text, const Operators& left) {
  EXPECT_EQ(operators(text), left);
  expect_same_results(text);
}

TEST(FoldBatchNorm, IntoAConvolutionWithAndWithoutBias) {
  expect_folded(image_model("c = Conv <pads = [1, 1, 1, 1]> (x, w)  y = BatchNormalization (c, s, t, m, v)"), {"Conv"});
  expect_folded(
      image_model("c = Conv <strides = [2, 2]> (x, w, b)  y = BatchNormalization <epsilon = 0.5> (c, s, t, m, v)"),
      {"Conv"});
}

TEST(FoldBatchNorm, IntoAGroupedTransposedConvolution) {
  const std::string weights = "float[4, 3, 2, 2] u = " + random_numbers(48, 9);
  expect_folded(image_model("c = ConvTranspose <group = 2> (x, u, b)  y = BatchNormalization (c, s, t, m, v)", weights),
                {"ConvTranspose"});
}

TEST(FoldBatchNorm, IntoAGemmOfEitherOrder) {
  for (const bool transposed : {false, true})
    expect_folded(fmt::format(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3] x) => (float[batch, 2] y) <float[{}] w = {}, float[1, 2] c = {{0.5, -1.0}}, float[2] s = {{2.0, 3.0}}, float[2] t = {{1.0, -2.0}}, float[2] m = {{0.1, 0.2}}, float[2] v = {{1.0, 4.0}}> {{
  a = Gemm <alpha = 0.5, beta = 2.0, transB = {}> (x, w, c)
  y = BatchNormalization (a, s, t, m, v)
}})",
                              transposed ? "2, 3" : "3, 2", random_numbers(6, 1), transposed ? 1 : 0),
                  {"hearth.MatMul"});
}

TEST(FoldBatchNorm, TakesElementwiseConstantsOfChannels) {
  const std::string constants = "float[6, 1, 1] p = " + random_numbers(6, 7, 0.5, 2) +
                                ", float[1, 6, 1, 1] q = " + random_numbers(6, 8) + ", float h = {0.5}";
  expect_folded(
      image_model("c = Conv (x, w)  d = Mul (p, c)  e = Sub (q, d)  f = Div (e, p)  k = Mul (f, h)  y = Add (k, q)",
                  constants),
      {"Conv"});
}

TEST(FoldBatchNorm, BecomesMulAndAddWhereNoWeightsAre) {
  const std::string text = image_model("r = Conv (x, w)  a = Relu (r)  y = BatchNormalization (a, s, t, m, v)");
  expect_folded(text, {"Conv", "Relu", "Mul", "Add"});
  const graph::Model model = recognised(text);
  const graph::Node* mul = find_node(model, "Mul");
  ASSERT_NE(mul, nullptr);
  EXPECT_EQ(model.graph.value(mul->inputs[1]).constant.dims(), (Dims{6, 1, 1}));
  EXPECT_EQ(to_string(model.graph.value(mul->outputs[0]).type), "float[batch,6,3,3]");
}

TEST(FoldBatchNorm, LeavesAConvolutionThatIsReadTwiceOrIsAnOutput) {
  EXPECT_EQ(operators(image_model("c = Conv (x, w)  n = BatchNormalization (c, s, t, m, v)  y = Add (n, c)")),
            (Operators{"Conv", "Mul", "Add", "Add"}));
  EXPECT_EQ(operators(image_model("c = Conv (x, w)  y = BatchNormalization (c, s, t, m, v)", {},
                                  "float[] y, float[batch, 6, 3, 3] c")),
            (Operators{"Conv", "Mul", "Add"}));
}

TEST(FoldBatchNorm, LeavesWhatIsNotOfAChannel) {
  const Operators left = {"Conv", "Mul"};
  // Along the last dimension, and one that makes the result larger.
  EXPECT_EQ(operators(image_model("c = Conv <pads = [1, 1, 2, 2]> (x, w)  y = Mul (c, s)")), left);
  EXPECT_EQ(
      operators(image_model("c = Conv (x, w)  y = Mul (c, p)", "float[1, 1, 6, 1, 1] p = " + random_numbers(6, 7))),
      left);
  EXPECT_EQ(operators(image_model("c = Conv (x, w)  y = Mul (c, p)", "float[1, 1, 1, 1, 1] p = {2.0}")), left);
  // A constant that is divided.
  EXPECT_EQ(operators(image_model("c = Conv (x, w)  y = Div (p, c)", "float[6, 1, 1] p = " + random_numbers(6, 7))),
            (Operators{"Conv", "Div"}));
  // Division by zero is not put into weights.
  EXPECT_EQ(operators(image_model("c = Conv (x, w)  y = Div (c, p)", "float p = {0.0}")), (Operators{"Conv", "Div"}));
}

TEST(FoldBatchNorm, LeavesTrainingAndWeightsThatACallerMayReplace) {
  EXPECT_EQ(operators(image_model("c = Conv (x, w)  y, u, o = BatchNormalization <training_mode = 1> (c, s, t, m, v)")),
            (Operators{"Conv", "BatchNormalization"}));
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 1, 4] x, float[1, 1, 2] w = {1.0, 2.0}) => (float[] y) <float[1] p = {2.0}> {
  c = Conv (x, w)  y = Mul (c, p)
})"),
            (Operators{"Conv", "Mul"}));
}

TEST(FoldBatchNorm, LeavesDoubles) {
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (double[batch, 1, 4] x) => (double[] y) <double[1, 1, 2] w = {1.0, 2.0}, double p = {2.0}> { c = Conv (x, w)  y = Mul (c, p) })"),
            (Operators{"Conv", "Mul"}));
}

TEST(FoldBatchNorm, ReachesIntoSubgraphs) {
  const graph::Model model = recognised(R"(<ir_version: 8, opset_import: ["": 17]>
g (bool c, float[2, 1, 4] x) => (float[2, 1, 3] y) <float[1, 1, 2] w = {1.0, 2.0}, float p = {2.0}> {
  y = If (c) <then_branch = t () => (float[2, 1, 3] r) { s = Conv (x, w)  r = Mul (s, p) }, else_branch = e () => (float[2, 1, 3] r) { r = Conv (x, w) }>
})");
  ASSERT_EQ(model.graph.nodes.size(), 1u);
  EXPECT_EQ(model.graph.nodes[0].graph("then_branch")->nodes.size(), 1u);
}

}  // namespace
}  // namespace hearth::passes
