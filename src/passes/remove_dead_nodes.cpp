#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

void mark_captures(const Node& node, std::vector<bool>& live) {
  for (const graph::Attribute& attribute : node.attributes) {
    const auto mark = [&](const Graph& inner) {
      for (const graph::ValueInfo& value : inner.values)
        if (value.captured != kNoValue) live[static_cast<size_t>(value.captured)] = true;
    };
    if (const auto* inner = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) mark(**inner);
    if (const auto* many = std::get_if<std::vector<std::unique_ptr<Graph>>>(&attribute.data))
      for (const auto& inner : *many) mark(*inner);
  }
}

int64_t sweep(Graph& graph) {
  // Inner graphs first: what they no longer read dies here as well.
  int64_t removed = 0;
  for (Node& node : graph.nodes)
    for (graph::Attribute& attribute : node.attributes)
      if (auto* inner = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) removed += sweep(**inner);
  std::vector<bool> live(graph.values.size()), doomed(graph.nodes.size());
  for (const ValueId id : graph.outputs) live[static_cast<size_t>(id)] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    doomed[i] =
        std::ranges::none_of(node.outputs, [&](ValueId id) { return id != kNoValue && live[static_cast<size_t>(id)]; });
    if (doomed[i]) {
      ++removed;
      continue;
    }
    for (const ValueId id : node.inputs)
      if (id != kNoValue) live[static_cast<size_t>(id)] = true;
    mark_captures(node, live);
  }
  remove_nodes(graph, doomed);
  for (const ValueId id : graph.inputs) live[static_cast<size_t>(id)] = true;
  for (size_t id = 0; id < live.size(); ++id)
    if (!live[id]) {  // weights that nobody reads any more give their memory back; nobody captures for nothing
      graph.values[id].constant = Tensor();
      graph.values[id].sparse_constant.reset();
      graph.values[id].captured = kNoValue;
    }
  return removed;
}

}  // namespace

Result<int64_t> remove_dead_nodes(graph::Model& model, const Options&) {
  return sweep(model.graph);
}

}  // namespace hearth::passes
