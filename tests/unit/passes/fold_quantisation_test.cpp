#include "rewritten.h"

namespace hearth::passes {
namespace {

constexpr std::string_view kHead = R"(<ir_version: 8, opset_import: ["": 17]>
)";
// Parameters of bytes: s and z of activations, t and u of others, and weights [4, 3] with a scale a column.
constexpr std::string_view kConstants = R"(float s = {0.5}, uint8 z = {3}, float t = {0.25}, uint8 u = {0},
  int8[4,3] w = {1, -2, 3, 4, -5, 6, 7, -8, 9, 10, -11, 12}, float[3] ws = {0.5, 0.25, 0.125}, int8[3] wz = {0, 0, 0},
  int8[2,1,1,1] v = {3, -4}, float vs = {0.5}, int8 vz = {0})";

std::string model_of(std::string_view ports, std::string_view body, std::string_view more = {}) {
  return fmt::format("{}g {} <{}{}{}> {{ {} }}", kHead, ports, kConstants, more.empty() ? "" : ", ", more, body);
}
Shown after(std::string_view ports, std::string_view body, std::string_view more = {}) {
  return shown(model_of(ports, body, more), {"fold_quantisation"});
}
const graph::Node& only(const graph::Model& model, std::string_view op_type) {
  const graph::Node* found = nullptr;
  for (const graph::Node& node : model.graph.nodes)
    if (node.op_type == op_type) found = &node;
  static const graph::Node kNone;
  EXPECT_NE(found, nullptr) << op_type;
  return found != nullptr ? *found : kNone;
}

constexpr std::string_view kRows = "(uint8[N,4] x) => (uint8[N,4] y)";

TEST(FoldQuantisation, ThereAndBackCancel) {
  EXPECT_EQ(after(kRows, "a = DequantizeLinear (x, s, z)  b = QuantizeLinear (a, s, z)  y = Abs (b)"), Shown{"Abs"});
  // An output of the graph keeps its name.
  EXPECT_EQ(after(kRows, "a = DequantizeLinear (x, s, z)  y = QuantizeLinear (a, s, z)"), Shown{"Identity"});
  EXPECT_EQ(after("(int8[N,3] x) => (int8[N,3] y)",
                  "a = DequantizeLinear (x, ws, wz)  b = QuantizeLinear (a, ws, wz)  y = Abs (b)"),
            Shown{"Abs"});
}

TEST(FoldQuantisation, OtherNumbersStay) {
  const Shown both{"DequantizeLinear", "QuantizeLinear"};
  EXPECT_EQ(after(kRows, "a = DequantizeLinear (x, s, z)  y = QuantizeLinear (a, t, z)"), both);
  EXPECT_EQ(after(kRows, "a = DequantizeLinear (x, s, z)  y = QuantizeLinear (a, s, u)"), both);
  EXPECT_EQ(after("(uint8[N,4] x) => (int8[N,4] y)", "a = DequantizeLinear (x, s)  y = QuantizeLinear (a, s, vz)"),
            both);
  EXPECT_EQ(
      after("(uint8[N,4] x, float r) => (uint8[N,4] y)", "a = DequantizeLinear (x, r)  y = QuantizeLinear (a, r)"),
      both);
  // Along another axis.
  const auto other = after("(int8[3,3] x) => (int8[3,3] y)",
                           "a = DequantizeLinear <axis = 0> (x, ws, wz)  y = QuantizeLinear <axis = 1> (a, ws, wz)");
  EXPECT_EQ(other, (Shown{"DequantizeLinear@0", "QuantizeLinear@1"}));
}

TEST(FoldQuantisation, WhatMovesElementsMovesBytes) {
  const auto between = [](std::string_view body, std::string_view ports = "(uint8[2,4,6] x) => (uint8[] y)",
                          std::string_view more = {}) {
    return after(ports, fmt::format("a = DequantizeLinear (x, s, z)  {}  y = QuantizeLinear (b, s, z)", body), more);
  };
  EXPECT_EQ(between("c = Transpose <perm = [0, 2, 1]> (a)  b = Reshape (c, n)", "(uint8[2,4,6] x) => (uint8[] y)",
                    "int64[2] n = {2, 24}"),
            (Shown{"Transpose[0,2,1]", "Reshape", "Identity"}));
  EXPECT_EQ(between("b = Flatten (a)"), (Shown{"Flatten", "Identity"}));
  EXPECT_EQ(between("c = Slice (a, one, two, one)  d = Unsqueeze (c, one)  b = Squeeze (d, one)",
                    "(uint8[2,4,6] x) => (uint8[] y)", "int64[1] one = {1}, int64[1] two = {2}"),
            (Shown{"Slice", "Unsqueeze", "Squeeze", "Identity"}));
  EXPECT_EQ(between("b = Gather <axis = 2> (a, one)", "(uint8[2,4,6] x) => (uint8[] y)", "int64[2] one = {1, 0}"),
            (Shown{"Gather@2", "Identity"}));
  EXPECT_EQ(between("b = MaxPool <kernel_shape = [2]> (a)"), (Shown{"MaxPool", "Identity"}));
  EXPECT_EQ(between("b = Relu (a)"), (Shown{"Clip", "Identity"}));
  EXPECT_EQ(between("b = Clip (a, t)"), (Shown{"Clip", "Identity"}));
  EXPECT_EQ(between("e = DequantizeLinear (x2, s, z)  b = Concat <axis = 1> (a, e)",
                    "(uint8[2,4,6] x, uint8[2,4,6] x2) => (uint8[] y)"),
            (Shown{"Concat@1", "Identity"}));
  // Below 0 nothing is left of a Relu whose zero point is the least byte.
  EXPECT_EQ(after("(uint8[2,4] x) => (uint8[2,4] y)",
                  "a = DequantizeLinear (x, s, u)  b = Relu (a)  c = QuantizeLinear (b, s, u)  y = Abs (c)"),
            Shown{"Abs"});
}

TEST(FoldQuantisation, WhatMovesElementsAndIsReadElsewhereStays) {
  EXPECT_EQ(after("(uint8[2,4] x) => (uint8[] y, float[] b)",
                  "a = DequantizeLinear (x, s, z)  b = Flatten (a)  y = QuantizeLinear (b, s, z)"),
            (Shown{"DequantizeLinear", "Flatten", "QuantizeLinear"}));
  EXPECT_EQ(after("(uint8[2,4] x, uint8[2,4] x2) => (uint8[] y)",
                  "a = DequantizeLinear (x, s, z)  e = DequantizeLinear (x2, t, z)  b = Concat <axis = 1> (a, e)  "
                  "y = QuantizeLinear (b, s, z)"),
            (Shown{"DequantizeLinear", "DequantizeLinear", "Concat@1", "QuantizeLinear"}));
  // A sum is no movement.
  EXPECT_EQ(after("(uint8[2,4] x) => (uint8[2,4] y)",
                  "a = DequantizeLinear (x, s, z)  b = Add (a, s)  y = QuantizeLinear (b, s, z)"),
            (Shown{"DequantizeLinear", "Add", "QuantizeLinear"}));
}

TEST(FoldQuantisation, ScalesOfAnAxisMoveWithIt) {
  const auto along = [](std::string_view move, int64_t axis) {
    return after("(int8[3,4] x) => (int8[] y)",
                 fmt::format("a = DequantizeLinear <axis = 0> (x, ws, wz)  {}  c = QuantizeLinear <axis = {}> (b, ws, "
                             "wz)  y = Abs (c)",
                             move, axis),
                 "int64[2] two = {1, 0}, int64[1] one = {1}, int64[1] zero = {0}");
  };
  EXPECT_EQ(along("b = Gather <axis = 1> (a, two)", 0), (Shown{"Gather@1", "Abs"}));
  EXPECT_EQ(along("b = Slice (a, zero, one, one)", 0), (Shown{"Slice", "Abs"}));
  EXPECT_EQ(along("b = Gather <axis = 0> (a, two)", 0).size(), 4u);
  EXPECT_EQ(along("b = Slice (a, zero, one, zero)", 0).size(), 4u);
}

constexpr std::string_view kWeights = "k = DequantizeLinear <axis = 1> (w, ws, wz)";

TEST(FoldQuantisation, AProductBetweenThemIsOneNode) {
  const auto model = rewritten(model_of("(uint8[N,4] x) => (uint8[N,3] y)",
                                        fmt::format(R"(
      a = DequantizeLinear (x, s, z)  {}  p = MatMul (a, k)  q = Add (b, p)  r = Relu (q)
      y = QuantizeLinear (r, t, z))",
                                                    kWeights),
                                        "float[3] b = {1.0, 2.0, 3.0}"),
                               {"fold_quantisation"});
  EXPECT_EQ(shown(model), Shown{"hearth.QuantisedMatMul"});
  const graph::Node& node = only(model, "QuantisedMatMul");
  EXPECT_EQ(node.string_or("out_type", ""), "u8");
  EXPECT_EQ(node.float_or("out_scale", 0), 0.25f);
  EXPECT_EQ(node.int_or("out_zero", 0), 3);
  EXPECT_EQ(node.int_or("out_low", 0), 3);  // the Relu
  EXPECT_EQ(node.int_or("out_high", 0), 255);
  const Tensor& scales = model.graph.value(node.inputs.at(3)).constant;
  EXPECT_EQ(std::vector<float>(scales.data<float>(), scales.data<float>() + 3),
            (std::vector<float>{0.25f, 0.125f, 0.0625f}));
  EXPECT_EQ(model.graph.value(node.inputs.at(2)).constant.dims(), Dims{3});
}

TEST(FoldQuantisation, UnsignedAndTransposedWeightsBecomeSignedRows) {
  const auto model = rewritten(model_of("(uint8[N,2] x) => (float[N,3] y)", R"(
      a = DequantizeLinear (x, s, z)  k = DequantizeLinear <axis = 0> (wt, ws, zt)
      y = Gemm <transB = 1, alpha = 2.0> (a, k, b))",
                                        "uint8[3,2] wt = {128, 129, 130, 0, 255, 1}, uint8[3] zt = {128, 128, 130}, "
                                        "float[1,3] b = {1.0, 2.0, 3.0}"),
                               {"fold_quantisation"});
  EXPECT_EQ(shown(model), Shown{"hearth.QuantisedMatMul"});
  const graph::Node& node = only(model, "QuantisedMatMul");
  const Tensor& weights = model.graph.value(node.inputs.at(1)).constant;
  EXPECT_EQ(weights.dims(), (Dims{2, 3}));
  EXPECT_EQ(std::vector<int8_t>(weights.data<int8_t>(), weights.data<int8_t>() + 6),
            (std::vector<int8_t>{0, 2, 127, 1, -128, -127}));
  const Tensor& zeros = model.graph.value(node.inputs.at(5)).constant;
  EXPECT_EQ(std::vector<int32_t>(zeros.data<int32_t>(), zeros.data<int32_t>() + 3), (std::vector<int32_t>{0, 0, 2}));
  EXPECT_EQ(model.graph.value(node.inputs.at(3)).constant.data<float>()[0], 0.5f);
  EXPECT_FALSE(node.has("out_type"));
}

TEST(FoldQuantisation, ConvolutionsAndWhatIsAddedToThem) {
  // The result is quantised and taken back before the sum, as tools write residual networks.
  const std::string text = model_of("(uint8[N,1,4,4] x, uint8[N,2,4,4] r) => (uint8[N,2,4,4] y)", R"(
      a = DequantizeLinear (x, s, z)  k = DequantizeLinear (v, vs, vz)  b = DequantizeLinear (vb, vbs)
      c = Conv (a, k, b)  cq = QuantizeLinear (c, t, u)  cd = DequantizeLinear (cq, t, u)
      rd = DequantizeLinear (r, s, z)  e = Add (rd, cd)  f = Relu (e)  y = QuantizeLinear (f, s, u))",
                                    "int32[2] vb = {7, -9}, float vbs = {0.25}");
  const auto model = rewritten(text, {"fold_quantisation"});
  EXPECT_EQ(shown(model), Shown{"hearth.QuantisedConv"});
  const graph::Node& node = only(model, "QuantisedConv");
  EXPECT_EQ(node.int_or("channels_first", 0), 1);
  EXPECT_EQ(node.int_or("out_channels", 0), 2);
  EXPECT_EQ(node.string_or("between_type", ""), "u8");
  EXPECT_EQ(node.string_or("added_type", ""), "u8");
  EXPECT_EQ(node.int_or("added_zero", 0), 3);
  EXPECT_EQ(node.string_or("out_type", ""), "u8");
  const Tensor& bias = model.graph.value(node.inputs.at(2)).constant;
  EXPECT_EQ(bias.data<float>()[0], 1.75f);
  EXPECT_EQ(bias.data<float>()[1], -2.25f);
  // Channels last, the bytes are turned instead.
  EXPECT_EQ(shown(text, {"fold_quantisation", "channels_last"}),
            (Shown{"Transpose[0,2,3,1]", "Reshape", "hearth.QuantisedConv", "Transpose[0,3,1,2]"}));
}

TEST(FoldQuantisation, ChannelsLastImagesOfBytesStayTurned) {
  EXPECT_EQ(shown(model_of("(float[N,1,8,8] x) => (float[N,2,1,1] y)", R"(
      q = QuantizeLinear (x, s, z)  a = DequantizeLinear (q, s, z)  k = DequantizeLinear (v, vs, vz)  c = Conv (a, k)
      d = QuantizeLinear (c, t, u)  e = DequantizeLinear (d, t, u)  m = MaxPool <kernel_shape = [2, 2]> (e)
      n = QuantizeLinear (m, t, u)  o = DequantizeLinear (n, t, u)  y = GlobalAveragePool (o))"),
                  {"fold_quantisation", "channels_last"}),
            (Shown{"QuantizeLinear", "Reshape", "hearth.QuantisedConv", "hearth.MaxPool", "DequantizeLinear",
                   "hearth.GlobalAveragePool", "Reshape"}));
}

TEST(FoldQuantisation, DynamicQuantisation) {
  const std::string body = R"(
      q, qs, qz = DynamicQuantizeLinear (x)  p = MatMulInteger (q, w, qz, wz)  c = Cast <to = 1> (p)
      f = Mul (qs, ws)  m = Mul (c, f)  y = Add (m, b))";
  const auto model = rewritten(model_of("(float[N,4] x) => (float[N,3] y)", body, "float[3] b = {1.0, 2.0, 3.0}"),
                               {"fold_quantisation"});
  EXPECT_EQ(shown(model), (Shown{"DynamicQuantizeLinear", "hearth.QuantisedMatMul"}));
  const graph::Node& node = only(model, "QuantisedMatMul");
  EXPECT_EQ(model.graph.value(node.inputs.at(6)).name, "qs");
  EXPECT_EQ(model.graph.value(node.inputs.at(4)).name, "qz");
  EXPECT_EQ(shown(model_of("(float[N,1,4,4] x) => (float[N,2,4,4] y)", R"(
      q, qs, qz = DynamicQuantizeLinear (x)  p = ConvInteger (q, v, qz)  c = Cast <to = 1> (p)
      f = Mul (vs, qs)  m = Mul (f, c)  y = Relu (m))"),
                  {"fold_quantisation", "channels_last", "fuse_pointwise"}),
            (Shown{"DynamicQuantizeLinear", "Reshape", "hearth.QuantisedConv(relu)", "Transpose[0,3,1,2]"}));
}

TEST(FoldQuantisation, QuantisedOperatorsOfOnnx) {
  const auto model =
      rewritten(model_of("(uint8[N,4] x) => (uint8[N,3] y)", "y = QLinearMatMul (x, s, z, w, ws, wz, t, u)"),
                {"fold_quantisation"});
  EXPECT_EQ(shown(model), Shown{"hearth.QuantisedMatMul"});
  EXPECT_EQ(only(model, "QuantisedMatMul").float_or("out_scale", 0), 1.0f);
  EXPECT_EQ(after("(uint8[N,1,4,4] x) => (uint8[N,2,4,4] y)", "y = QLinearConv (x, s, z, v, vs, vz, t, u, vb)",
                  "int32[2] vb = {7, -9}"),
            Shown{"hearth.QuantisedConv"});
}

TEST(FoldQuantisation, WhatItCannotTakeStays) {
  // Weights that a caller may replace, and activations that are no bytes.
  EXPECT_EQ(after("(uint8[N,4] x, int8[4,3] k) => (float[N,3] y)",
                  "a = DequantizeLinear (x, s, z)  d = DequantizeLinear <axis = 1> (k, ws, wz)  y = MatMul (a, d)"),
            (Shown{"DequantizeLinear", "DequantizeLinear@1", "MatMul"}));
  EXPECT_EQ(after("(float[N,4] x) => (float[N,3] y)", fmt::format("{}  y = MatMul (x, k)", kWeights)),
            (Shown{"DequantizeLinear@1", "MatMul"}));
  // Scales that differ along the sums.
  EXPECT_EQ(after("(uint8[N,4] x) => (float[N,3] y)",
                  "a = DequantizeLinear (x, s, z)  k = DequantizeLinear <axis = 0> (w, rs)  y = MatMul (a, k)",
                  "float[4] rs = {1.0, 2.0, 3.0, 4.0}"),
            (Shown{"DequantizeLinear", "DequantizeLinear@0", "MatMul"}));
  EXPECT_EQ(after("(uint8[N,4] x, float r) => (uint8[N,3] y)", "y = QLinearMatMul (x, r, z, w, ws, wz, t, u)"),
            Shown{"QLinearMatMul"});
  // The sum has another reader.
  EXPECT_EQ(after("(uint8[N,4] x) => (float[N,3] y, int32[N,3] p)",
                  "p = MatMulInteger (x, w, z)  c = Cast <to = 1> (p)  y = Mul (c, s)"),
            (Shown{"MatMulInteger", "Cast", "Mul"}));
}

TEST(FoldQuantisation, AResultThatIsReadTwiceIsQuantisedBesides) {
  EXPECT_EQ(after("(uint8[N,4] x) => (uint8[N,3] y, float[N,3] p)",
                  fmt::format("a = DequantizeLinear (x, s, z)  {}  p = MatMul (a, k)  y = QuantizeLinear (p, t, z)",
                              kWeights)),
            (Shown{"hearth.QuantisedMatMul", "QuantizeLinear"}));
}

TEST(FoldQuantisation, CanBeTurnedOff) {
  const std::string text =
      model_of("(uint8[N,4] x) => (uint8[N,3] y)", fmt::format("a = DequantizeLinear (x, s, z)  {}  p = MatMul (a, k)  "
                                                               "y = QuantizeLinear (p, t, z)",
                                                               kWeights));
  EXPECT_EQ(shown(text, {"remove_identities"}),
            (Shown{"DequantizeLinear", "DequantizeLinear@1", "MatMul", "QuantizeLinear"}));
}

}  // namespace
}  // namespace hearth::passes
