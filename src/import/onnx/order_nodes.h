// Brings the nodes of one graph into topological order. Nodes that stand right stay where they are.
#pragma once

#include "base/result.h"
#include "graph/graph.h"

namespace hearth::import::onnx {

// A cycle is an error that names the nodes on it.
Result<> order_nodes(graph::Graph& graph);

}  // namespace hearth::import::onnx
