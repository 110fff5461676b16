// What every rewrite needs: replacing a value, removing nodes, walking subgraphs.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"

namespace hearth::passes {

// Every reader of `from`, subgraphs and graph outputs included, reads `to` instead. An output keeps its name by passing
// it on to `to`. False, and nothing changed, when that is impossible: `from` is an output, and `to` is an input, a
// constant, captured, or an output itself.
bool replace_value(graph::Graph& graph, graph::ValueId from, graph::ValueId to);

// Removes the marked nodes (indices into graph.nodes), keeping the order of the rest.
void remove_nodes(graph::Graph& graph, const std::vector<bool>& doomed);

// Calls `visit` for the graph and then for every subgraph below it, outermost first; the first error ends the walk.
Result<int64_t> for_each_graph(graph::Graph& graph, const std::function<Result<int64_t>(graph::Graph&)>& visit);

// Two calls with the same inputs may give different outputs: random values.
bool is_random(const graph::Node& node);
bool has_graphs(const graph::Node& node);

}  // namespace hearth::passes
