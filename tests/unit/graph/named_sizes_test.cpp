// Symbols for sizes that stay open: InferOptions::named.
#include <gtest/gtest.h>

#include "graph/infer_shapes.h"
#include "graph/text.h"

namespace hearth::graph {
namespace {

// The type of value y of a graph.
std::string inferred(const std::string& graph, std::set<std::string>* named) {
  auto model = parse_text("<ir_version: 8, opset_import: [\"\": 17]>\n" + graph);
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return {};
  const auto done = infer_shapes(*model, {.named = named});
  EXPECT_TRUE(done) << done.error().message;
  return to_string(model->graph.value(model->graph.find_value("y")).type);
}

TEST(NamedSizes, FlowOnLikeTheModelsOwn) {
  const std::string text = R"(g (float[N] x, float low, float[size_1] z) => (float[?] w) {
    m = Greater (x, low)  a = Compress (x, m)  b = Exp (a)  y = Add (a, b)  w = Neg (y) })";
  std::set<std::string> named;
  EXPECT_EQ(inferred(text, &named), "float[size_2]") << "size_1 is the model's";
  EXPECT_TRUE(named.contains("size_2"));
  EXPECT_FALSE(named.contains("size_1"));
  EXPECT_EQ(inferred(text, nullptr), "float[?]");
}

TEST(NamedSizes, ATableCutToASymbolAddsToThatSymbol) {
  const std::string text = R"(g (float[N,S,2] x) => (float[?,?,2] w) <float[7,2] table = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
      1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}, int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}> {
    s = Shape (x)  n = Slice (s, one, two)  t = Slice (table, zero, n, zero)  y = Add (x, t)  w = Neg (y) })";
  std::set<std::string> named;
  EXPECT_EQ(inferred(text, &named), "float[N,S,2]");
  // From another start on the rows are fewer.
  std::string later = text;
  later.replace(later.find("(table, zero"), 12, "(table, one");
  EXPECT_NE(inferred(later, &named), "float[N,S,2]");
}

TEST(NamedSizes, AWindowThatPadsWhatItTakesKeepsTheSize) {
  std::set<std::string> named;
  const std::string text = R"(g (float[N,1,H,W] x, float[1,1,3,3] w) => (float[?,1,?,?] z) {
    y = Conv <pads = [1, 0, 1, 0]> (x, w)  z = Neg (y) })";
  EXPECT_EQ(inferred(text, &named), "float[N,1,H,size_1]");
}

}  // namespace
}  // namespace hearth::graph
