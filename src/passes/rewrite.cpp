#include "passes/rewrite.h"

#include <algorithm>
#include <array>

namespace hearth::passes {

namespace {

using graph::Attribute;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

template <class Visit>
void for_each_subgraph(Node& node, Visit&& visit) {
  for (Attribute& attribute : node.attributes) {
    if (auto* inner = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) visit(**inner);
    if (auto* many = std::get_if<std::vector<std::unique_ptr<Graph>>>(&attribute.data))
      for (auto& inner : *many) visit(*inner);
  }
}

bool is_produced(const Graph& graph, ValueId id) {
  return std::ranges::any_of(
      graph.nodes, [&](const Node& node) { return std::ranges::find(node.outputs, id) != node.outputs.end(); });
}

}  // namespace

bool replace_value(Graph& graph, ValueId from, ValueId to) {
  if (std::ranges::find(graph.outputs, from) != graph.outputs.end()) {
    if (std::ranges::find(graph.outputs, to) != graph.outputs.end() || !is_produced(graph, to)) return false;
    std::swap(graph.value(from).name, graph.value(to).name);
    std::ranges::replace(graph.outputs, from, to);
  }
  for (Node& node : graph.nodes) {
    std::ranges::replace(node.inputs, from, to);
    for_each_subgraph(node, [&](Graph& inner) {
      for (graph::ValueInfo& value : inner.values)
        if (value.captured == from) value.captured = to;
    });
  }
  return true;
}

void remove_nodes(Graph& graph, const std::vector<bool>& doomed) {
  size_t kept = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (doomed[i]) continue;
    if (kept != i) graph.nodes[kept] = std::move(graph.nodes[i]);
    ++kept;
  }
  graph.nodes.erase(graph.nodes.begin() + static_cast<ptrdiff_t>(kept), graph.nodes.end());
}

Result<int64_t> for_each_graph(Graph& graph, const std::function<Result<int64_t>(Graph&)>& visit) {
  ASSIGN_OR_RETURN(int64_t changes, visit(graph));
  for (Node& node : graph.nodes) {
    Result<> outcome;
    for_each_subgraph(node, [&](Graph& inner) {
      if (!outcome) return;
      const auto more = for_each_graph(inner, visit);
      if (more)
        changes += *more;
      else
        outcome = std::unexpected(more.error());
    });
    TRY(outcome);
  }
  return changes;
}

bool is_random(const Node& node) {
  static constexpr std::array<std::string_view, 7> kRandom = {
      "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout"};
  if (node.op_type == "Dropout")
    return node.inputs.size() > 2 && node.inputs[2] != kNoValue;  // training mode may be on
  return std::ranges::find(kRandom, node.op_type) != kRandom.end();
}

bool has_graphs(const Node& node) {
  return std::ranges::any_of(node.attributes, [](const Attribute& attribute) {
    return std::holds_alternative<std::unique_ptr<Graph>>(attribute.data) ||
           std::holds_alternative<std::vector<std::unique_ptr<Graph>>>(attribute.data);
  });
}

}  // namespace hearth::passes
