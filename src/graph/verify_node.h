// One node against the schema of its operator: part of verify().
#pragma once

#include <tuple>

#include "graph/graph.h"
#include "graph/schema.h"
#include "graph/verify.h"

namespace hearth::graph {

// Domain ("" for ai.onnx), name, overload.
using FunctionKey = std::tuple<std::string_view, std::string_view, std::string_view>;
using FunctionTable = std::map<FunctionKey, const Function*>;

struct NodeContext {
  const Model& model;
  const FunctionTable& functions;  // of the model
  const Function* function;        // whose body the node belongs to; nullptr: the model's graph
  const VerifyOptions& options;
  const Graph& graph;
};

// Expects input ids that are in range. Errors do not name the node.
Result<> verify_node(const NodeContext& context, const Node& node);

// Element types of a node's inputs and outputs against the schema, where they are known.
Result<> verify_types(const Graph& graph, const Node& node, const OperatorSchema& schema);

// The type of a value with a constant, sparse or not: to operators both are tensors.
Type constant_type(const ValueInfo& value);

}  // namespace hearth::graph
