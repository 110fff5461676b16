#include <gtest/gtest.h>

#include "recognised.h"

namespace hearth::passes {
namespace {

std::string model_of(std::string_view body, std::string_view more = {}, std::string_view outputs = "float[] y") {
  return fmt::format(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, 4] x, float[batch, 4] r) => ({})
<float[4, 5] w = {}, float[5, 4] wt = {}, float[5] b = {}, float half = {{0.5}}, float[3, 1] rows = {{1.0, 2.0, 3.0}}{}{}> {{
{}
}})",
                     outputs, random_numbers(20, 1), random_numbers(20, 2), random_numbers(5, 3),
                     more.empty() ? "" : ", ", more, body);
}

graph::Model expect_matmul(const std::string& text, size_t inputs) {
  graph::Model model = recognised(text);
  EXPECT_EQ(operators(model), Operators{"hearth.MatMul"}) << text;
  expect_same_results(text);
  const graph::Node* node = find_node(model, "MatMul");
  if (node == nullptr) return model;
  EXPECT_EQ(node->inputs.size(), inputs);
  EXPECT_EQ(node->int_or("k", 0), 4);
  EXPECT_EQ(node->int_or("n", 0), 5);
  EXPECT_EQ(model.graph.value(node->inputs[1]).constant.dims(), (Dims{4, 5}));
  EXPECT_EQ(model.opset("hearth"), 1);
  return model;
}

TEST(RecogniseMatmul, AMatrixThatIsConstant) {
  expect_matmul(model_of("y = MatMul (x, w)"), 2);
}

TEST(RecogniseMatmul, ABiasOnEitherSide) {
  expect_matmul(model_of("p = MatMul (x, w)  y = Add (b, p)"), 3);
  expect_matmul(model_of("p = MatMul (x, w)  y = Add (p, b)"), 3);
  expect_matmul(model_of("p = MatMul (x, w)  y = Sub (p, b)"), 3);
  expect_matmul(model_of("p = MatMul (x, w)  q = Add (b, p)  h = Mul (q, half)  y = Add (h, b)"), 3);
}

TEST(RecogniseMatmul, Gemm) {
  expect_matmul(model_of("y = Gemm (r, w)"), 2);
  expect_matmul(model_of("y = Gemm <transB = 1> (r, wt, b)"), 3);
  expect_matmul(
      model_of("y = Gemm <transB = 1, alpha = 2.0, beta = 0.5> (r, wt, c)", "float[1, 5] c = " + random_numbers(5, 4)),
      3);
  expect_matmul(model_of("y = Gemm <alpha = -1.0> (r, w, half)"), 3);
  expect_matmul(model_of("y = Gemm <beta = 0.0> (r, w, b)"), 2);
  expect_matmul(model_of("p = Gemm (r, w)  y = Add (p, b)"), 3);
}

TEST(RecogniseMatmul, LargerThanATileOfTheTransposition) {
  const std::string text = fmt::format(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 67] x) => (float[batch, 45] y) <float[45, 67] w = {}> {{ y = Gemm <transB = 1> (x, w) }})",
                                       random_numbers(45 * 67, 1));
  EXPECT_EQ(operators(text), Operators{"hearth.MatMul"});
  expect_same_results(text);
}

TEST(RecogniseMatmul, LeavesASumThatIsNotOfAColumn) {
  EXPECT_EQ(operators(model_of("p = MatMul (x, w)  y = Add (p, rows)")), (Operators{"hearth.MatMul", "Add"}));
  EXPECT_EQ(operators(model_of("p = MatMul (x, w)  y = Add (p, c)", "float[1, 1, 1, 5] c = " + random_numbers(5, 4))),
            (Operators{"hearth.MatMul", "Add"}));
  EXPECT_EQ(operators(model_of("p = MatMul (x, w)  y = Add (p, b)", {}, "float[] y, float[batch, 3, 5] p")),
            (Operators{"hearth.MatMul", "Add"}));
  EXPECT_EQ(operators(model_of("p = MatMul (x, w)  q = Add (p, b)  y = Add (p, q)")),
            (Operators{"hearth.MatMul", "Add", "Add"}));
}

TEST(RecogniseMatmul, LeavesWhatIsNotAConstantMatrix) {
  EXPECT_EQ(operators(model_of("t = Transpose <perm = [0, 2, 1]> (x)  y = MatMul (t, x)")),
            (Operators{"Transpose", "MatMul"}));
  EXPECT_EQ(operators(model_of("y = MatMul (x, c)", "float[1, 4, 5] c = " + random_numbers(20, 4))),
            Operators{"MatMul"});
  EXPECT_EQ(operators(model_of("t = Transpose <perm = [1, 0]> (r)  y = MatMul (wt, t)")),
            (Operators{"Transpose", "MatMul"}));
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2, batch] x) => (float[batch, 2] y) <float[2, 2] w = {1.0, 2.0, 3.0, 4.0}> { y = Gemm <transA = 1> (x, w) })"),
            Operators{"Gemm"});
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2, 2] x) => (float[2, 2] y) <float[2, 2] w = {1.0, 2.0, 3.0, 4.0}, float[2, 1] c = {1.0, 2.0}> { y = Gemm (x, w, c) })"),
            Operators{"Gemm"});
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2, 2] x, float[2, 2] w = {1.0, 2.0, 3.0, 4.0}) => (float[2, 2] y) { y = MatMul (x, w) })"),
            Operators{"MatMul"});
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (double[2, 2] x) => (double[2, 2] y) <double[2, 2] w = {1.0, 2.0, 3.0, 4.0}> { y = MatMul (x, w) })"),
            Operators{"MatMul"});
}

}  // namespace
}  // namespace hearth::passes
