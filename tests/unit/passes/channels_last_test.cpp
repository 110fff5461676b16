#include "rewritten.h"

namespace hearth::passes {
namespace {

constexpr std::string_view kHead = R"(<ir_version: 8, opset_import: ["": 17]>
)";
// Two channels to two, 1x1.
constexpr std::string_view kWeights = "float[2,2,1,1] w = {1.0, 2.0, 3.0, 4.0}";

Shown after(const std::string& graph) {
  return shown(std::string(kHead) + graph, {"channels_last"});
}
std::string conv(std::string_view ports, std::string_view body, std::string_view weights = kWeights) {
  return fmt::format("g {} <{}> {{ {} }}", ports, weights, body);
}

TEST(ChannelsLast, TransposesSinkThroughElementwiseNodesAndCancel) {
  EXPECT_EQ(after(conv("(float[N,2,4,4] x) => (float[N,2,4,4] y)", R"(
      a = Conv (x, w)  b = Relu (a)  c = Conv (b, w)  d = Add (b, c)  y = MaxPool <kernel_shape = [1, 1]> (d))")),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Relu", "hearth.Conv", "Add", "hearth.MaxPool",
                   "Transpose[0,3,1,2]"}));
}

TEST(ChannelsLast, ConstantsOfAChannelLieAlongTheLastAxis) {
  const auto model = rewritten(std::string(kHead) + conv("(float[N,2,4,4] x) => (float[N,2,4,4] y)", R"(
      a = Conv (x, w)  b = Mul (a, s)  c = Add (h, b)  y = PRelu (c, p))",
                                                         std::string(kWeights) + R"(, float[2,1,1] s = {2.0, 3.0},
      float h = {0.5}, float[1,2,1,1] p = {0.25, 0.5})"),
                               {"channels_last"});
  EXPECT_EQ(shown(model), (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Mul", "Add", "PRelu", "Transpose[0,3,1,2]"}));
  EXPECT_EQ(model.graph.value(model.graph.nodes.at(2).inputs.at(1)).constant.dims(), Dims{2});
  EXPECT_EQ(model.graph.value(model.graph.nodes.at(4).inputs.at(1)).constant.dims(), Dims{2});
}

TEST(ChannelsLast, AxesAndListsAreRenumbered) {
  const auto model = rewritten(std::string(kHead) + conv("(float[N,2,4,4] x) => (float[N,4,9,8] y)", R"(
      a = Conv (x, w)
      l, r = Split <axis = 1> (a, halves)
      c = Concat <axis = 1> (r, l, a)
      u = Resize <mode = "nearest"> (c, , scales)
      y = Pad (u, pads))",
                                                         std::string(kWeights) + R"(, int64[2] halves = {1, 1},
      float[4] scales = {1.0, 1.0, 2.0, 2.0}, int64[8] pads = {0, 0, 0, 0, 0, 0, 1, 0})"),
                               {"channels_last"});
  EXPECT_EQ(shown(model),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Split@3", "Concat@3", "Resize", "Pad", "Transpose[0,3,1,2]"}));
  const auto list = [&]<class T>(size_t node, size_t input, T) {
    const Tensor& tensor = model.graph.value(model.graph.nodes.at(node).inputs.at(input)).constant;
    return std::vector<T>(tensor.data<T>(), tensor.data<T>() + tensor.size());
  };
  EXPECT_EQ(list(4, 2, 0.0f), (std::vector<float>{1, 2, 2, 1}));
  EXPECT_EQ(list(5, 1, int64_t{0}), (std::vector<int64_t>{0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST(ChannelsLast, TheModelsOwnTransposesCancelAsWell) {
  EXPECT_EQ(after(R"(g (float[N,T,2] x) => (float[N,T,2] y) <float[2,2,1] w = {1.0, 2.0, 3.0, 4.0}> {
      a = Transpose <perm = [0, 2, 1]> (x)  b = Conv (a, w)  c = Sigmoid (b)  d = Conv (c, w)
      y = Transpose <perm = [0, 2, 1]> (d) })"),
            (Shown{"hearth.Conv", "Sigmoid", "hearth.Conv"}));
}

TEST(ChannelsLast, OnlySizesOfOneMoving_IsNoTranspose) {
  EXPECT_EQ(after(conv("(float[N,2,4,4] x) => (float[N,2] y)", R"(
      a = Conv (x, w)  b = GlobalAveragePool (a)  y = Flatten (b))")),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "hearth.GlobalAveragePool", "Reshape"}));
  EXPECT_EQ(after(R"(g (float[N,1,4,4] x) => (float[N,1,4,4] y) <float[1,1,1,1] w = {2.0}> { y = Conv (x, w) })"),
            (Shown{"Reshape", "hearth.Conv", "Reshape"}));
}

TEST(ChannelsLast, AFlattenedImageMixesTheRowsOfItsMatrixInstead) {
  const auto model =
      rewritten(std::string(kHead) + conv("(float[N,2,1,2] x) => (float[N,1] y)", R"(
      a = Conv (x, w)  b = Flatten (a)  y = Gemm <transB = 1> (b, m))",
                                          std::string(kWeights) + R"(, float[1,4] m = {1.0, 2.0, 3.0, 4.0})"),
                {"channels_last"});
  EXPECT_EQ(shown(model), (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Reshape", "Gemm"}));
  const Tensor& m = model.graph.value(model.graph.nodes.at(3).inputs.at(1)).constant;
  // Channels first counts c0x0 c0x1 c1x0 c1x1; channels last c0x0 c1x0 c0x1 c1x1.
  EXPECT_EQ(std::vector<float>(m.data<float>(), m.data<float>() + 4), (std::vector<float>{1, 3, 2, 4}));
}

TEST(ChannelsLast, MergedSpatialAxesKeepTheirOrder) {
  // What vision transformers do with their patches: no transpose is left of two.
  EXPECT_EQ(after(conv("(float[N,2,4,4] x) => (float[N,16,2] y)", R"(
      a = Conv (x, w)  b = Reshape (a, sizes)  y = Transpose <perm = [0, 2, 1]> (b))",
                       std::string(kWeights) + ", int64[3] sizes = {0, 2, -1}")),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Reshape"}));
}

TEST(ChannelsLast, ShapesAreAskedOfTheImageThatIsThere) {
  EXPECT_EQ(after(conv("(float[N,2,H,H] x) => (int64[4] y)", "a = Conv (x, w)  y = Shape (a)")),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Shape", "Gather@0"}));
}

TEST(ChannelsLast, WithoutImagesNothingGetsWorse) {
  // Behind two readers the one transpose would become two.
  EXPECT_EQ(after(R"(g (float[2,3] x) => (float[3,2] y, float[6] z) <int64[1] flat = {-1}> {
      a = Transpose <perm = [1, 0]> (x)  b = Exp (a)  y = Relu (b)  z = Reshape (b, flat) })"),
            (Shown{"Exp", "Transpose[1,0]", "Relu", "Reshape"}));
}

TEST(ChannelsLast, WhatItCannotKnowItLeavesAlone) {
  EXPECT_EQ(after(conv("(float[] x) => (float[] y)", "y = Conv (x, w)")), Shown{"Conv"});
  // A caller may give other weights.
  EXPECT_EQ(after(R"(g (float[N,2,4,4] x, float[2,2,1,1] w) => (float[N,2,4,4] y) { y = Conv (x, w) })"),
            Shown{"Conv"});
  // Where the window lies depends on sizes that are open.
  EXPECT_EQ(after(conv("(float[N,2,H,H] x) => (float[N,2,K,K] y)",
                       R"(y = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w))")),
            Shown{"Conv"});
  EXPECT_EQ(after(conv("(float[N,2,H,H] x) => (float[N,2,H,H] y)", R"(y = Conv <auto_pad = "SAME_UPPER"> (x, w))")),
            (Shown{"Transpose[0,2,3,1]", "hearth.Conv", "Transpose[0,3,1,2]"}));
  // Indices of a maximum count in the model's own order.
  EXPECT_EQ(after(R"(g (float[N,2,4,4] x) => (float[N,2,2,2] y, int64[N,2,2,2] i) {
      y, i = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (x) })"),
            Shown{"MaxPool"});
}

}  // namespace
}  // namespace hearth::passes
