// NodeProto and AttributeProto. Internal to read_graph.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/scope.h"

namespace hearth::import::onnx {

// `index` counts the graph's nodes in the file's order: errors name nodes without a name by it.
Result<graph::Node> read_node(std::string_view bytes, size_t index, Scope& scope);
Result<graph::Attribute> read_attribute(std::string_view bytes, Scope& scope);
// A graph within a node of `outer`.
Result<graph::Graph> read_subgraph(std::string_view bytes, Scope& outer);

// `node "a" (Conv)`, `node 7 (Conv)`.
std::string node_label(std::string_view name, std::string_view op_type, size_t index);

}  // namespace hearth::import::onnx
