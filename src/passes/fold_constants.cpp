#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

// A folded value may be larger than what it was made from only up to this: a ConstantOfShape of a gigabyte is better
// made when it is needed.
constexpr int64_t kMaxGrownElements = 1 << 20;

// Constants that a subgraph captures become its own, so that its nodes can be folded as well.
int64_t take_captured_constants(const Graph& outer, Graph& inner) {
  int64_t taken = 0;
  for (graph::ValueInfo& value : inner.values) {
    if (value.captured == kNoValue) continue;
    const graph::ValueInfo& source = outer.value(value.captured);
    if (!source.constant || std::ranges::find(outer.inputs, value.captured) != outer.inputs.end()) continue;
    value.constant = source.constant;
    value.captured = kNoValue;
    ++taken;
  }
  return taken;
}

class Folder {
 public:
  Folder(const graph::Model& model, const Options& options, bool keeps_integers)
      : model_(model), options_(options), keeps_integers_(keeps_integers) {}

  int64_t fold(Graph& graph) {
    overridable_.assign(graph.values.size(), false);
    for (const ValueId id : graph.inputs) overridable_[static_cast<size_t>(id)] = true;
    std::vector<bool> doomed(graph.nodes.size());
    int64_t changes = 0;
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      if (fold_node(graph, graph.nodes[i])) doomed[i] = true, ++changes;
    remove_nodes(graph, doomed);
    for (Node& node : graph.nodes)
      for (graph::Attribute& attribute : node.attributes)
        if (auto* inner = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) {
          changes += take_captured_constants(graph, **inner);
          changes += Folder(model_, options_, keeps_integers_).fold(**inner);
        }
    return changes;
  }

 private:
  bool fold_node(Graph& graph, const Node& node) const {
    if (is_random(node) || has_graphs(node) || model_.opset(node.domain) == 0) return false;
    if (options_.is_custom && options_.is_custom(node.domain, node.op_type)) return false;
    if (keeps_integers_ && node.op_type == "DequantizeLinear" && node.domain.empty()) return false;
    std::vector<Value> inputs;
    int64_t elements = 0;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) {
        inputs.emplace_back();
        continue;
      }
      const graph::ValueInfo& value = graph.value(id);
      if (!value.constant || overridable_[static_cast<size_t>(id)]) return false;
      inputs.emplace_back(value.constant);
      elements += value.constant.size();
    }
    if (grows(graph, node, elements)) return false;
    auto outputs = options_.evaluate(node, model_.opset(node.domain), inputs);
    if (!outputs) return false;  // the error comes, with all its words, when the node runs
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue && (*outputs)[i].tensor() == nullptr) return false;
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue) {
        const Tensor& made = *(*outputs)[i].tensor();
        graph::ValueInfo& value = graph.value(node.outputs[i]);
        value.constant = made;
        graph::Shape shape;
        for (const int64_t size : made.dims()) shape.emplace_back(size);
        value.type = graph::Type::tensor(made.dtype(), std::move(shape));
      }
    return true;
  }

  // The sizes come from shape inference; what it could not tell is not folded unless nothing large can come of it.
  static bool grows(const Graph& graph, const Node& node, int64_t input_elements) {
    if (node.op_type == "Constant") return false;
    const int64_t allowed = std::max(kMaxGrownElements, input_elements);
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      const graph::Type& type = graph.value(id).type;
      if (!type.shape) return true;
      int64_t elements = 1;
      for (const graph::Dimension& dimension : *type.shape) {
        if (!dimension.known()) return true;
        if (dimension.size > 0 && elements > allowed / dimension.size) return true;
        elements *= dimension.size;
      }
      if (elements > allowed) return true;
    }
    return false;
  }

  const graph::Model& model_;
  const Options& options_;
  bool keeps_integers_;
  std::vector<bool> overridable_;
};

}  // namespace

Result<int64_t> fold_constants(graph::Model& model, const Options& options) {
  if (!options.evaluate) return fail(ErrorKind::Internal, "[fold_constants] nobody evaluates nodes");
  return Folder(model, options, runs(options, "fold_quantisation")).fold(model.graph);
}

Result<int64_t> fold_dequantised_constants(graph::Model& model, const Options& options) {
  return Folder(model, options, false).fold(model.graph);
}

}  // namespace hearth::passes
