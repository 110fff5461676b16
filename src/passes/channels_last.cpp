#include "passes/channels_last.h"

#include <algorithm>
#include <array>

#include "graph/internal_operators.h"
#include "graph/subgraphs.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Type;
using graph::ValueId;

namespace {

constexpr std::array<std::string_view, 4> kWindows = {"Conv", "MaxPool", "AveragePool", "GlobalAveragePool"};

// Through these the wish for channels last goes on to the input.
constexpr std::array<std::string_view, 10> kNoPath = {"Reshape", "Flatten",   "MatMul", "Gemm",    "Shape",
                                                      "Size",    "Unsqueeze", "Loop",   "Squeeze", "Transpose"};

}  // namespace

LayoutRewriter::LayoutRewriter(const graph::Model& model, Graph& graph, const Options& options)
    : model_(model), graph_(graph), options_(options), values_(graph), uses_(graph::find_uses(graph)) {}

bool LayoutRewriter::is_custom(const Node& node) const {
  return options_.is_custom && options_.is_custom(node.domain, node.op_type);
}

const Shape* LayoutRewriter::shape_of(ValueId id) const {
  const Type& type = graph_.value(id).type;
  return type.kind == graph::TypeKind::Tensor && type.shape ? &*type.shape : nullptr;
}

LayoutRewriter::Source* LayoutRewriter::source_of(ValueId id) {
  const auto at = sources_.find(id);
  return at != sources_.end() ? &at->second : nullptr;
}

bool LayoutRewriter::read_once(ValueId id) const {
  const auto i = static_cast<size_t>(id);
  return i < uses_.consumers.size() && uses_.consumers[i].size() == 1 && !uses_.is_output[i];
}

void LayoutRewriter::find_wanted() {
  wanted_.assign(graph_.values.size(), false);
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    const Node& node = graph_.nodes[i];
    if (node.inputs.empty() || has_graphs(node)) continue;
    const bool window = node.domain.empty() ? std::ranges::find(kWindows, node.op_type) != kWindows.end()
                                            : node.domain == graph::kInternalDomain && node.op_type == "QuantisedConv";
    const bool path = std::ranges::find(kNoPath, node.op_type) == kNoPath.end() &&
                      std::ranges::any_of(
                          node.outputs, [&](ValueId id) { return id != kNoValue && wanted_[static_cast<size_t>(id)]; });
    if (window && node.inputs[0] != kNoValue) wanted_[static_cast<size_t>(node.inputs[0])] = true;
    if (!window && path)
      for (const ValueId id : node.inputs)
        if (id != kNoValue) wanted_[static_cast<size_t>(id)] = true;
  }
}

ValueId LayoutRewriter::emit_transpose(ValueId from, const Order& order, ValueId to) {
  const std::string name = graph_.value(to).name;
  const Shape* shape = shape_of(from);
  const auto sizes = shape != nullptr ? as_reshape(*shape, order) : std::nullopt;
  Node node;
  node.inputs = {from};
  node.outputs = {to};
  if (sizes && model_.opset("") >= 5) {
    node.op_type = "Reshape";
    node.inputs.push_back(values_.integers(name, "_sizes", *sizes));
  } else {
    node.op_type = "Transpose";
    node.set("perm", order);
  }
  emit(std::move(node));
  return to;
}

ValueId LayoutRewriter::plain(ValueId id) {
  if (id == kNoValue) return id;
  const Source* source = source_of(id);
  if (source == nullptr || written_[id]) return id;
  // An output of the graph keeps its own value: finish_outputs() gives it its name.
  if (is_identity(source->order)) return source->value;
  written_[id] = true;
  return emit_transpose(source->value, source->order, id);
}

ValueId LayoutRewriter::in_order(ValueId id, const Order& order) {
  const Source* source = source_of(id);
  const ValueId from = source != nullptr ? source->value : id;
  const Order whole = source != nullptr ? composed(order, source->order) : order;
  if (is_identity(whole)) return from;
  const auto [at, fresh] = transposes_.emplace(std::pair(from, whole), kNoValue);
  if (!fresh) return at->second;
  Type type = graph_.value(from).type;
  if (type.shape) type.shape = transposed(*type.shape, whole);
  const std::string name = graph_.value(id).name;
  return at->second = emit_transpose(from, whole, values_.add(name, "_last", std::move(type)));
}

void LayoutRewriter::emit_as_source(Node node, size_t output, ValueId was, const Order& order, bool image) {
  if (is_identity(order)) {
    node.outputs[output] = was;
  } else {
    Type type = graph_.value(was).type;
    if (type.shape) type.shape = transposed(*type.shape, inverse(order));
    const std::string name = graph_.value(was).name;
    node.outputs[output] = values_.add(name, "_last", std::move(type));
    sources_[was] = {node.outputs[output], order, image};
  }
  emit(std::move(node));
}

bool LayoutRewriter::remember_transpose(const Node& node) {
  if (!node.domain.empty() || node.op_type != "Transpose" || is_custom(node) || node.inputs.size() != 1) return false;
  const ValueId in = node.inputs[0];
  const Shape* shape = shape_of(in);
  if (shape == nullptr || shape->empty()) return false;
  auto order = order_of(node.ints("perm"), shape->size());
  if (!order) return false;
  const Source* source = source_of(in);
  if (source != nullptr)
    sources_[node.outputs[0]] = {source->value, composed(*order, source->order), false};
  else
    sources_[node.outputs[0]] = {in, std::move(*order), false};
  return true;
}

void LayoutRewriter::rewrite(Node& node) {
  if (remember_transpose(node)) return;
  if (!is_custom(node) && !has_graphs(node) && !node.inputs.empty()) {
    if (rewrite_window(node) || follow(node)) {
      ++changes_;
      return;
    }
  }
  for (ValueId& id : node.inputs) id = plain(id);
  graph::for_each_subgraph(node, [&](const graph::Attribute&, Graph& inner) {
    for (graph::ValueInfo& value : inner.values)
      if (value.captured != kNoValue) value.captured = plain(value.captured);
  });
  emit(std::move(node));
}

void LayoutRewriter::finish_outputs() {
  for (const ValueId id : graph_.outputs) plain(id);
  graph_.nodes = std::move(made_);
  const std::vector<ValueId> outputs = graph_.outputs;
  for (const ValueId id : outputs) {
    const Source* source = source_of(id);
    if (source == nullptr || written_[id] || replace_value(graph_, id, source->value)) continue;
    Node& same = graph_.nodes.emplace_back();
    same.op_type = "Identity";
    same.inputs = {source->value};
    same.outputs = {id};
  }
}

int64_t LayoutRewriter::run() {
  find_wanted();
  nodes_ = std::move(graph_.nodes);
  graph_.nodes.clear();
  for (Node& node : nodes_) rewrite(node);
  finish_outputs();
  return changes_;
}

Result<int64_t> channels_last(graph::Model& model, const Options& options) {
  ASSIGN_OR_RETURN(const int64_t changes, for_each_graph(model.graph, [&](Graph& graph) -> Result<int64_t> {
                     return LayoutRewriter(model, graph, options).run();
                   }));
  if (changes > 0) import_internal_operators(model);
  return changes;
}

}  // namespace hearth::passes
