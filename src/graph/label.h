// How errors name a node, a value, an operator.
#pragma once

#include <string>

#include "graph/graph.h"

namespace hearth::graph {

// "Conv 'conv1'"; a node without a name is told by what it makes: "Conv → 'y'"; with neither "Conv".
std::string label(const Node& node, const Graph& graph);
// "'x'"; "absent" for kNoValue, "#17" for an id that the graph does not have.
std::string label(ValueId id, const Graph& graph);
// Bytes from outside between single quotes, printable, shortened.
std::string quoted_name(std::string_view name);
// "ai.onnx.ml.Scaler", "Conv".
std::string operator_name(std::string_view domain, std::string_view op_type);

}  // namespace hearth::graph
