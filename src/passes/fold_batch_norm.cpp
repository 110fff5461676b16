// BatchNormalization, and Add, Sub, Mul, Div by constants of a channel, into the weights of the convolution or product
// before them. A BatchNormalization that finds no weights becomes Mul and Add: two steps that later passes can put
// behind or before anything.
#include "passes/channel_map.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

Node binary(std::string_view op_type, const std::string& name, ValueId a, ValueId b, ValueId output) {
  Node made;
  made.name = name;
  made.op_type = op_type;
  made.inputs = {a, b};
  made.outputs = {output};
  return made;
}

Result<int64_t> expand(graph::Model& model, Graph& graph, const Options& options) {
  Matcher matcher(model, graph, options);
  int64_t changes = 0;
  std::vector<Node> nodes;
  for (int32_t at = 0; at < matcher.size(); ++at) {
    Node& node = graph.nodes[static_cast<size_t>(at)];
    const graph::Shape* shape = node.inputs.empty() ? nullptr : matcher.shape(node.inputs[0]);
    std::optional<ChannelMap> map;
    // The broadcast of opset 7 is what the constants rely on.
    if (matcher.is(node, "BatchNormalization") && matcher.opset() >= 7 && shape != nullptr && shape->size() >= 2 &&
        Dims::fits(shape->size()) && (*shape)[1].known())
      map = channel_map(matcher, node, 0, shape->size(), 1, (*shape)[1].size);
    if (!map) {
      nodes.push_back(std::move(node));
      continue;
    }
    Dims dims;
    dims.push_back((*shape)[1].size);
    for (size_t i = 2; i < shape->size(); ++i) dims.push_back(1);
    ASSIGN_OR_RETURN(const auto scale, float_vector(map->scale));
    ASSIGN_OR_RETURN(const auto shift, float_vector(map->shift));
    const std::string name = graph.value(node.outputs[0]).name;
    const graph::Type type = graph.value(node.outputs[0]).type;
    const ValueId scaled = matcher.add_value(name + "/scaled", type);
    nodes.push_back(
        binary("Mul", node.name, map->input, matcher.add_constant(name + "/scale", scale->reshaped(dims)), scaled));
    nodes.push_back(binary("Add", node.name, scaled, matcher.add_constant(name + "/shift", shift->reshaped(dims)),
                           node.outputs[0]));
    ++changes;
  }
  graph.nodes = std::move(nodes);
  return changes;
}

}  // namespace

Result<int64_t> fold_batch_norm(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) -> Result<int64_t> {
    ASSIGN_OR_RETURN(const int64_t folded, match_nodes(model, graph, options, fold_channel_map));
    ASSIGN_OR_RETURN(const int64_t expanded, expand(model, graph, options));
    return folded + expanded;
  });
}

}  // namespace hearth::passes
