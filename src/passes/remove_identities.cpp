// Nodes whose output is their input: Identity, Dropout outside of training, Cast to the same type, Transpose in order,
// Reshape, Expand and Tile that change nothing, Pad by nothing, Concat and Sum of one.
#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

bool known_equal_shapes(const Graph& graph, ValueId a, ValueId b) {
  const auto &x = graph.value(a).type.shape, &y = graph.value(b).type.shape;
  return x && y && std::ranges::all_of(*x, &graph::Dimension::known) && *x == *y;
}

bool is_identity(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs[0] == kNoValue)
    return false;
  const std::string& op = node.op_type;
  const ValueId in = node.inputs[0], out = node.outputs[0];
  if (op == "Identity") return true;
  if (op == "Dropout")
    return node.inputs.size() < 3 && (node.outputs.size() < 2 || node.outputs[1] == kNoValue) && !node.has("is_test");
  if (op == "Concat" || op == "Sum" || op == "Max" || op == "Min" || op == "Mean") return node.inputs.size() == 1;
  if (op == "Cast") {
    const auto &from = graph.value(in).type.dtype, &to = graph.value(out).type.dtype;
    return from && to && *from == *to;
  }
  if (op == "Transpose") {
    const auto perm = node.ints("perm");
    if (perm.empty()) return false;
    for (size_t i = 0; i < perm.size(); ++i)
      if (perm[i] != static_cast<int64_t>(i)) return false;
    return true;
  }
  if (op == "Reshape" || op == "Expand" || op == "Tile" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze")
    return known_equal_shapes(graph, in, out);
  return false;
}

int64_t sweep(Graph& graph) {
  int64_t changes = 0;
  std::vector<bool> doomed(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!is_identity(graph, node) || !replace_value(graph, node.outputs[0], node.inputs[0])) continue;
    doomed[i] = true;
    ++changes;
  }
  remove_nodes(graph, doomed);
  return changes;
}

}  // namespace

Result<int64_t> remove_identities(graph::Model& model, const Options&) {
  return for_each_graph(model.graph, [](Graph& graph) -> Result<int64_t> { return sweep(graph); });
}

}  // namespace hearth::passes
