#include "rewritten.h"

namespace hearth::passes {
namespace {

Shown after(const std::string& graph, const std::vector<std::string>& names = {"fuse_pointwise"}) {
  return shown(R"(<ir_version: 8, opset_import: ["": 20]>
)" + graph,
               names);
}

TEST(FusePointwise, AChainBecomesOneNode) {
  EXPECT_EQ(after(R"(g (float[N,3] x, float[N,3] z) => (float[N,3] y)
      <float half = {0.5}, float[3] row = {1.0, 2.0, 3.0}, float zero = {0.0}, float six = {6.0}> {
      a = Mul (x, half)  b = Sub (row, a)  c = Clip (b, zero, six)  d = Div (c, z)  e = Mul (d, d)
      y = LeakyRelu <alpha = 0.1> (e) })"),
            Shown{"hearth.Pointwise(mul 1, reverse_sub 2, clip 0 6, div 3, square, leaky_relu 0.1)"});
}

TEST(FusePointwise, StepsJoinTheLaterOfTwoConvolutions) {
  const auto model = rewritten(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[N,2,4,4] x) => (float[N,2,4,4] y) <float[2,2,1,1] w = {1.0, 2.0, 3.0, 4.0}> {
  a = Conv (x, w)  r = Relu (a)  b = Conv (x, w)  s = Add (r, b)  y = Tanh (s) })",
                               {"channels_last", "fuse_pointwise"});
  EXPECT_EQ(shown(model),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv(relu)", "hearth.Conv(add 3, tanh)", "Transpose[0,3,1,2]"}));
  EXPECT_EQ(model.graph.nodes.at(2).inputs.at(2), graph::kNoValue) << "the place of the bias";
  EXPECT_EQ(model.graph.nodes.at(2).inputs.at(3), model.graph.nodes.at(1).outputs.at(0));
}

TEST(FusePointwise, AFirstColumnOfConstantsIsTheBias) {
  const auto model = rewritten(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[N,2,4,4] x) => (float[N,2,4,4] y) <float[2,2,1,1] w = {1.0, 2.0, 3.0, 4.0}, float[1,2,1,1] b = {1.0, 2.0}> {
  p = Conv (x, w)  s = Add (b, p)  y = Relu (s) })",
                               {"channels_last", "fuse_pointwise"});
  ASSERT_EQ(shown(model), (Shown{"Transpose[0,2,3,1]", "hearth.Conv(relu)", "Transpose[0,3,1,2]"}));
  const Tensor& bias = model.graph.value(model.graph.nodes.at(1).inputs.at(2)).constant;
  EXPECT_EQ(bias.dims(), Dims{2});
}

TEST(FusePointwise, AValueThatOthersReadStays) {
  EXPECT_EQ(after(R"(g (float[N,3] x) => (float[N,3] y, float[N,3] z) { a = Exp (x)  y = Neg (a)  z = Abs (a) })"),
            (Shown{"hearth.Pointwise(exp)", "hearth.Pointwise(neg)", "hearth.Pointwise(abs)"}));
  EXPECT_EQ(after(R"(g (float[N,3] x) => (float[N,3] a, float[N,3] y) { a = Exp (x)  y = Neg (a) })"),
            (Shown{"hearth.Pointwise(exp)", "hearth.Pointwise(neg)"}));
}

TEST(FusePointwise, TheMainInputIsTheOneOfTheResultsShape) {
  EXPECT_EQ(after(R"(g (float[1,3] x, float[N,3] z) => (float[N,3] y) { a = Exp (x)  y = Sub (a, z) })"),
            (Shown{"hearth.Pointwise(exp)", "hearth.Pointwise(reverse_sub 1)"}));
  // Neither has it.
  EXPECT_EQ(after(R"(g (float[N,1] x, float[1,3] z) => (float[N,3] y) { y = Sub (x, z) })"), Shown{"Sub"});
}

TEST(FusePointwise, AnOperandMustLieAsTheKernelsReadIt) {
  EXPECT_EQ(after("g (float[N,4,3] x, float[N,4,1] z) => (float[N,4,3] y) { y = Mul (x, z) }"),
            Shown{"hearth.Pointwise(mul 1)"});
  EXPECT_EQ(after("g (float[N,4,3] x, float[1,4,1] z) => (float[N,4,3] y) { y = Mul (x, z) }"),
            Shown{"hearth.Pointwise(mul 1)"});
  EXPECT_EQ(after("g (float[N,4,3] x, float[N,1,3] z) => (float[N,4,3] y) { y = Mul (x, z) }"), Shown{"Mul"});
  // Open sizes that have no common name may differ: one of them may be 1.
  EXPECT_EQ(after("g (float[?,3] x, float[?,3] z) => (float[?,3] y) { y = Mul (x, z) }"), Shown{"Mul"});
}

TEST(FusePointwise, AnOpenSizeIsTheSameAlongAChain) {
  // The length of b is known to nobody; that of c is the same.
  EXPECT_EQ(after(R"(g (float[N] x, float low) => (float[?] y) {
      m = Greater (x, low)  b = Compress (x, m)  c = Exp (b)  y = Add (c, b) })"),
            (Shown{"Greater", "Compress", "hearth.Pointwise(exp, add 1)"}));
}

TEST(FusePointwise, OnlyFloats) {
  EXPECT_EQ(after("g (double[N] x, int64[N] i) => (double[N] y, int64[N] j) { y = Abs (x)  j = Mul (i, i) }"),
            (Shown{"Abs", "Mul"}));
}

}  // namespace
}  // namespace hearth::passes
