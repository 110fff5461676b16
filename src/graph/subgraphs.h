// Walking the graphs that a node's attributes own.
#pragma once

#include <memory>
#include <vector>

#include "graph/graph.h"

namespace hearth::graph {

// How deep graphs may lie in each other. Whoever walks them recurses no deeper.
inline constexpr int kMaxGraphDepth = 64;

// Calls visit(const Attribute&, Graph&) for every graph of the node, in the order of its attributes.
template <class NodeType, class Visit>
void for_each_subgraph(NodeType& node, Visit&& visit) {
  for (auto& attribute : node.attributes) {
    if (auto* graph = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) visit(attribute, **graph);
    if (auto* graphs = std::get_if<std::vector<std::unique_ptr<Graph>>>(&attribute.data))
      for (auto& graph : *graphs) visit(attribute, *graph);
  }
}

// The same for visits that return Result<>: the first error ends the walk.
template <class NodeType, class Visit>
Result<> try_each_subgraph(NodeType& node, Visit&& visit) {
  Result<> first;
  for_each_subgraph(node, [&](auto& attribute, auto& graph) {
    if (first) first = visit(attribute, graph);
  });
  return first;
}

}  // namespace hearth::graph
