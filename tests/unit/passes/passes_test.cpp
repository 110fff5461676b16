#include <gtest/gtest.h>

#include "graph/text.h"
#include "recognised.h"
#include "runtime/session.h"

namespace hearth::passes {
namespace {

// Operators that are left, in order, after the model was opened; with the basic passes only, unless said otherwise.
std::vector<std::string> left(std::string_view text, runtime::SessionOptions options = {.level = OptLevel::Basic}) {
  auto model = graph::parse_text(text);
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return {};
  auto session = runtime::Session::open(std::move(*model), std::move(options));
  EXPECT_TRUE(session) << session.error().message;
  if (!session) return {};
  std::vector<std::string> operators;
  for (const auto& node : (*session)->model().graph.nodes) operators.push_back(node.op_type);
  return operators;
}

TEST(FoldConstants, ComputesWhatDependsOnConstantsOnly) {
  constexpr std::string_view kText = R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2] x) => (float[2] y) <float[2] a = {1.0, 2.0}, float[2] b = {3.0, 4.0}> {
  c = Add (a, b)
  d = Mul (c, a)
  y = Add (x, d)
})";
  EXPECT_EQ(left(kText), Operators{"Add"});
  EXPECT_EQ(left(kText, {.level = OptLevel::None}), (Operators{"Add", "Mul", "Add"}));
  EXPECT_EQ(left(kText, {.level = OptLevel::Basic, .disabled_passes = {"fold_constants"}}),
            (Operators{"Add", "Mul", "Add"}));
}

TEST(FoldConstants, LeavesRandomValuesAndLargeOnesAlone) {
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g () => (float[2] y) { y = RandomNormal <shape = [2]> () })"),
            Operators{"RandomNormal"});
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g () => (float[n] y) <int64[1] n = {100000000}> { y = ConstantOfShape (n) })"),
            Operators{"ConstantOfShape"});
}

TEST(FoldConstants, ReachesIntoSubgraphs) {
  constexpr std::string_view kText = R"(<ir_version: 8, opset_import: ["": 17]>
g (bool c, float[2] x) => (float[2] y) <float[2] a = {1.0, 2.0}> {
  y = If (c) <then_branch = t () => (float[2] r) { s = Add (a, a)  r = Mul (s, x) }, else_branch = e () => (float[2] r) { r = Identity (x) }>
})";
  auto model = graph::parse_text(kText);
  ASSERT_TRUE(model) << model.error().message;
  auto session = runtime::Session::open(std::move(*model));
  ASSERT_TRUE(session) << session.error().message;
  const auto& node = (*session)->model().graph.nodes.at(0);
  EXPECT_EQ(node.graph("then_branch")->nodes.size(), 1u);
}

TEST(FoldSizes, PutsWhatIsKnownInThePlaceOfWhatAsks) {
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2, 3] x) => (int64[2] y) <int64[2] a = {1, 1}> { s = Shape (x)  y = Add (s, a) })"),
            Operators{});
  // Of a shape with an open size: the sizes that are known.
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, 4] x) => (int64 a, int64[2] b, int64[1] c) <int64 i = {-1}, int64[2] j = {2, 1}, int64[1] k = {-2}, int64[1] end = {-1}, int64 one = {1}> {
  s = Shape (x)  t = Gather (s, i)  u = Gather (s, j)  v = Slice (s, k, end)  a = Add (t, one)  b = Add (u, one)  c = Add (v, one)
})"),
            Operators{});
  EXPECT_EQ(operators(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3] x) => (int64 a, int64[2] b) <int64 i = {0}, int64[1] k = {0}, int64[1] end = {2}, int64 one = {1}> {
  s = Shape (x)  t = Gather (s, i)  v = Slice (s, k, end)  a = Add (t, one)  b = Add (v, one)
})"),
            (Operators{"Shape", "Gather", "Slice", "Add", "Add"}));
}

TEST(MergeCommonNodes, ComputesEqualNodesOnce) {
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2] x) => (float[2] y) { a = Exp (x)  b = Exp (x)  y = Add (a, b) })"),
            (Operators{"Exp", "Add"}));
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2, 3] x) => (float y) { a = ReduceSum <keepdims = 0> (x)  b = ReduceSum <keepdims = 1> (x)  c = ReduceSum <keepdims = 0> (b)  y = Add (a, c) })"),
            (Operators{"ReduceSum", "ReduceSum", "ReduceSum", "Add"}));
}

TEST(RemoveIdentities, DropsWhatDoesNothing) {
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2, 3] x) => (float[2, 3] y) {
  a = Identity (x)
  b = Cast <to = 1> (a)
  c = Transpose <perm = [0, 1]> (b)
  y = Exp (c)
})"),
            Operators{"Exp"});
}

TEST(RemoveIdentities, KeepsAnOutputThatIsAnInput) {
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2] x) => (float[2] y) { y = Identity (x) })"),
            Operators{"Identity"});
}

TEST(RemoveDeadNodes, DropsWhatNoOutputNeeds) {
  EXPECT_EQ(left(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2] x) => (float[2] y) { dead = Exp (x)  deader = Exp (dead)  y = Neg (x) })"),
            Operators{"Neg"});
}

TEST(Pipeline, KnowsItsPasses) {
  auto model = graph::parse_text(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[2] x) => (float[2] y) { y = Neg (x) })");
  ASSERT_TRUE(model);
  const auto session = runtime::Session::open(std::move(*model), {.disabled_passes = {"no_such_pass"}});
  ASSERT_FALSE(session);
  EXPECT_NE(session.error().message.find("fold_constants"), std::string::npos) << session.error().message;
}

}  // namespace
}  // namespace hearth::passes
