#include "graph/text.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "graph/attribute_type.h"
#include "graph/text_words.h"

namespace hearth::graph {
namespace {

// The text is the same after a trip, and so is what `look` says of the model.
Model trip(const Model& model, const TextOptions& options = {}) {
  const std::string text = to_text(model, options);
  auto again = parse_text(text);
  EXPECT_TRUE(again) << again.error().message << '\n' << text;
  if (!again) return {};
  EXPECT_EQ(to_text(*again, options), text);
  return std::move(*again);
}

Model model_of(const char* text) {
  auto model = parse_text(text);
  EXPECT_TRUE(model) << model.error().message;
  return std::move(*model);
}

TEST(Text, Layout) {
  const Model model = model_of(
      "<ir_version: 10, opset_import: [\"\": 21, \"f\": 1], producer_name: \"me\", metadata_props: [\"k\": \"v\"]>\n"
      "g (float[N,3] x, float[2] d = {1.5, 2}) => (y) <int64[2] s = {1, -1}, float[N] t> {"
      "  [node] t, \"\", \"odd name\" = a.b.Op:over <i = 1, f = 2.0> (x, \"\", d)"
      "  y = If (t) <then_branch = b () => (z) { z = Neg (t) }>"
      "}"
      "<domain: \"f\", overload: \"o\", opset_import: [\"\": 21]>"
      "h <a, b: float = 1.0> (p) => (q) { q = Elu <alpha: float = @b> (p) }");
  EXPECT_EQ(
      to_text(model),
      "<ir_version: 10, opset_import: [\"\": 21, \"f\": 1], producer_name: \"me\", metadata_props: [\"k\": \"v\"]>\n"
      "g (float[N,3] x, float[2] d = {1.5, 2}) => (y)\n"
      "  <int64[2] s = {1, -1}, float[N] t>\n"
      "{\n"
      "  [node] t, \"\", \"odd name\" = a.b.Op:over <i: int = 1, f: float = 2.0> (x, \"\", d)\n"
      "  y = If (t) <then_branch: graph = b () => (z) {\n"
      "      z = Neg (t)\n"
      "    }>\n"
      "}\n"
      "<domain: \"f\", overload: \"o\", opset_import: [\"\": 21]>\n"
      "h <a, b: float = 1.0> (p) => (q) {\n"
      "  q = Elu <alpha: float = @b> (p)\n"
      "}\n");
  trip(model);
}

TEST(Text, NamesAreFoundInTheGraphsAround) {
  const Model model = model_of(
      "g (float x, bool c) => (y) { t = Neg (x) y = If (c) <then_branch = a () => (r) {"
      "  r = If (c) <then_branch = b () => (s) { s = Add (t, x) }, else_branch = d () => (t) { }> } > }");
  const Graph& outer = model.graph;
  const Graph& middle = *outer.nodes[1].graph("then_branch");
  const Graph& inner = *middle.nodes[0].graph("then_branch");
  const ValueInfo& in_inner = inner.value(inner.find_value("t"));
  ASSERT_NE(in_inner.captured, kNoValue);
  const ValueInfo& in_middle = middle.value(in_inner.captured);
  EXPECT_EQ(in_middle.name, "t");
  EXPECT_EQ(in_middle.captured, outer.find_value("t"));
  EXPECT_EQ(inner.value(inner.find_value("s")).captured, kNoValue);
  trip(model);
}

TEST(Text, AnOwnValueMayHaveTheNameOfACapturedOne) {
  Model model = model_of("g (float x, bool c) => (y) { y = If (c) <then_branch = a () => (s) { s = Neg (x) }> }");
  Graph& inner = **std::get_if<std::unique_ptr<Graph>>(&model.graph.nodes[0].attributes[0].data);
  // Within the graph the captured value and the own one change names: outside nothing has changed.
  inner.value(inner.find_value("x")).name = "other";
  inner.value(inner.find_value("s")).name = "x";
  const Model again = trip(model);
  const Graph& read = *again.graph.nodes[0].graph("then_branch");
  EXPECT_EQ(read.value(read.nodes[0].inputs[0]).captured, again.graph.find_value("x"));
  EXPECT_EQ(read.value(read.nodes[0].outputs[0]).captured, kNoValue);
}

TEST(Text, EveryKindOfAttribute) {
  const Model model = model_of(
      "g (float x) => (y) { y = d.Op <"
      "  a = 1, b = 2.5, c = \"text\", d = float[2] {1, 2}, e = sparse_tensor(float[9]) {float[2] {1, 2}, int64[2] {0, "
      "3}},"
      "  f = seq(float[N,?]), g = sub (z) => (z) { }, h = [1, 2], i = [1.5, 2], j = [\"a\", \"\"],"
      "  k = [int64 {7}, string[1] {\"s\"}], l = [float, optional(int64[])], m = [s1 () => () { }, s2 () => () { }],"
      "  n: ints = [], o: floats = [], p: strings = [], q: tensors = [], r: graphs = [], s: type_protos = [],"
      "  t: float = 3, u = inf, v = -inf, w = nan, \"odd name\" = -1, x: float = 1e-30> (x) }");
  const Node& node = model.graph.nodes[0];
  const auto type = [&](std::string_view name) { return type_of(node.find(name)->data); };
  EXPECT_EQ(type("a"), AttributeType::Int);
  EXPECT_EQ(type("e"), AttributeType::SparseTensor);
  EXPECT_EQ(type("f"), AttributeType::Type);
  EXPECT_EQ(type("i"), AttributeType::Floats);
  EXPECT_EQ(type("k"), AttributeType::Tensors);
  EXPECT_EQ(type("l"), AttributeType::Types);
  EXPECT_EQ(type("m"), AttributeType::Graphs);
  EXPECT_EQ(type("r"), AttributeType::Graphs);
  EXPECT_EQ(node.float_or("t", 0), 3.0f);
  EXPECT_EQ(node.float_or("v", 0), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(node.float_or("x", 0), 1e-30f);
  EXPECT_EQ(node.int_or("odd name", 0), -1);
  const Model again = trip(model);
  ASSERT_EQ(again.graph.nodes.size(), 1u);
  for (const Attribute& attribute : node.attributes)
    EXPECT_EQ(type_of(again.graph.nodes[0].find(attribute.name)->data), type_of(attribute.data)) << attribute.name;
}

TEST(Text, ConstantsOfEveryTypeKeepTheirBits) {
  std::mt19937_64 random(1);
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (is_quantised(dtype) || dtype == DType::String) continue;
    SCOPED_TRACE(std::string(onnx_name(dtype)));
    const int64_t count = 200, width = info(dtype).block_bytes;
    std::vector<uint8_t> bytes(static_cast<size_t>(count * width));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    for (int64_t k = 0; k < count; ++k) {  // only what such elements hold
      uint8_t& byte = bytes[static_cast<size_t>(k * width)];
      if (dtype == DType::Bool || dtype == DType::U2) byte &= dtype == DType::Bool ? 1 : 3;
      if (dtype == DType::U4 || dtype == DType::F4E2M1) byte &= 15;
      if (dtype == DType::I4) byte = static_cast<uint8_t>(static_cast<int8_t>(byte << 4) >> 4);
      if (dtype == DType::I2) byte = static_cast<uint8_t>(static_cast<int8_t>(byte << 6) >> 6);
      // A NaN's payload is not written for 32 bits and more: their highest byte is kept out of its range.
      if (dtype == DType::F32 || dtype == DType::F64 || dtype == DType::C64 || dtype == DType::C128) {
        const int64_t part = dtype == DType::F32 || dtype == DType::C64 ? 4 : 8;
        for (int64_t p = part - 1; p < width; p += part) bytes[static_cast<size_t>(k * width + p)] &= 0xbf;
      }
    }
    Model model;
    model.graph.name = "g";
    const ValueId id = model.graph.add_value("c", Type::tensor(dtype, Shape{10, 20}));
    auto held = std::make_shared<std::vector<uint8_t>>(bytes);
    model.graph.value(id).constant = Tensor::borrow(held->data(), dtype, {10, count / 10}, held);
    model.graph.outputs = {id};
    const Model again = trip(model, {.max_elements = 1000});
    const Tensor& read = again.graph.value(again.graph.find_value("c")).constant;
    ASSERT_TRUE(read);
    EXPECT_EQ(read.dtype(), dtype);
    EXPECT_EQ(read.dims(), Dims({10, count / 10}));
    EXPECT_EQ(std::memcmp(read.raw(), bytes.data(), bytes.size()), 0);
  }
}

TEST(Text, HalfFloatsAreCodesOrValues) {
  const Model model = model_of("g () => (c) <float16[3] c = {15360, 1.0, inf}> { }");
  const auto* bits = model.graph.values[0].constant.data<uint16_t>();
  EXPECT_EQ(bits[0], 0x3c00);
  EXPECT_EQ(bits[1], 0x3c00);
  EXPECT_EQ(bits[2], 0x7c00);
}

TEST(Text, StringsKeepTheirBytes) {
  const std::string odd("quote\" back\\slash\nline\0zero\xff", 27);
  Model model;
  model.graph.name = "not an identifier";
  model.doc = odd;
  model.metadata[odd] = odd;
  const ValueId id = model.graph.add_value("float", Type::tensor(DType::String, Shape{2}));  // a type's name
  model.graph.value(id).constant = Tensor::of<std::string>(DType::String, {2}, std::vector<std::string>{odd, ""});
  model.graph.outputs = {id};
  const Model again = trip(model);
  EXPECT_EQ(again.doc, odd);
  EXPECT_EQ(again.metadata.at(odd), odd);
  EXPECT_EQ(again.graph.value(again.graph.find_value("float")).constant.strings()[0], odd);
}

TEST(Text, LargeConstantsAreShortened) {
  const Model model = model_of("g () => (c) <int64[3] c = {1, 2, 3}> { }");
  EXPECT_NE(to_text(model, {.max_elements = 2}).find("int64[3] c = …"), std::string::npos);
  EXPECT_FALSE(parse_text(to_text(model, {.max_elements = 2})));
}

TEST(Text, BrokenModelsAreWrittenToo) {
  Model model = model_of("g (float x) => (y) { y = Neg (x) }");
  model.graph.nodes[0].inputs[0] = 17;
  model.graph.outputs.push_back(-5);
  EXPECT_NE(to_text(model).find("y = Neg (\"#17\")"), std::string::npos);
}

TEST(Text, TooLong) {
  const auto model = parse_text(std::string(kMaxTextBytes + 1, ' '));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message, "[text] bytes; got 67108865, need at most 67108864");
}

}  // namespace
}  // namespace hearth::graph
