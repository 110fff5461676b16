#include "graph/graph.h"

#include <algorithm>

namespace hearth::graph {

namespace {

template <class T, class Attributes>
auto* typed(Attributes& attributes, std::string_view name) {
  for (auto& attribute : attributes)
    if (attribute.name == name) return std::get_if<T>(&attribute.data);
  return static_cast<decltype(std::get_if<T>(&attributes.front().data))>(nullptr);
}

void add_subgraph_uses(const Node& node, int32_t index, Uses& uses) {
  const auto add = [&](const Graph& graph) {
    for (const ValueInfo& value : graph.values)
      if (value.captured != kNoValue) {
        auto& readers = uses.consumers[static_cast<size_t>(value.captured)];
        if (readers.empty() || readers.back() != index) readers.push_back(index);
      }
  };
  for (const Attribute& attribute : node.attributes) {
    if (const auto* graph = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) add(**graph);
    if (const auto* graphs = std::get_if<std::vector<std::unique_ptr<Graph>>>(&attribute.data))
      for (const auto& graph : *graphs) add(*graph);
  }
}

}  // namespace

Attribute Attribute::clone() const {
  Attribute copy{name, int64_t{0}, reference};
  std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::unique_ptr<Graph>>) {
          copy.data = std::make_unique<Graph>(held->clone());
        } else if constexpr (std::is_same_v<Held, std::vector<std::unique_ptr<Graph>>>) {
          std::vector<std::unique_ptr<Graph>> graphs;
          for (const auto& graph : held) graphs.push_back(std::make_unique<Graph>(graph->clone()));
          copy.data = std::move(graphs);
        } else {
          copy.data = held;
        }
      },
      data);
  return copy;
}

const Attribute* Node::find(std::string_view attribute) const {
  const auto at = std::ranges::find(attributes, attribute, &Attribute::name);
  return at != attributes.end() ? &*at : nullptr;
}
Attribute* Node::find(std::string_view attribute) {
  return const_cast<Attribute*>(std::as_const(*this).find(attribute));
}
int64_t Node::int_or(std::string_view attribute, int64_t otherwise) const {
  const auto* held = typed<int64_t>(attributes, attribute);
  return held != nullptr ? *held : otherwise;
}
float Node::float_or(std::string_view attribute, float otherwise) const {
  const auto* held = typed<float>(attributes, attribute);
  return held != nullptr ? *held : otherwise;
}
std::string_view Node::string_or(std::string_view attribute, std::string_view otherwise) const {
  const auto* held = typed<std::string>(attributes, attribute);
  return held != nullptr ? std::string_view(*held) : otherwise;
}
std::span<const int64_t> Node::ints(std::string_view attribute) const {
  const auto* held = typed<std::vector<int64_t>>(attributes, attribute);
  return held != nullptr ? std::span<const int64_t>(*held) : std::span<const int64_t>();
}
std::span<const float> Node::floats(std::string_view attribute) const {
  const auto* held = typed<std::vector<float>>(attributes, attribute);
  return held != nullptr ? std::span<const float>(*held) : std::span<const float>();
}
std::span<const std::string> Node::strings(std::string_view attribute) const {
  const auto* held = typed<std::vector<std::string>>(attributes, attribute);
  return held != nullptr ? std::span<const std::string>(*held) : std::span<const std::string>();
}
const Tensor* Node::tensor(std::string_view attribute) const {
  return typed<Tensor>(attributes, attribute);
}
const Graph* Node::graph(std::string_view attribute) const {
  const auto* held = typed<std::unique_ptr<Graph>>(attributes, attribute);
  return held != nullptr ? held->get() : nullptr;
}
void Node::set(std::string_view attribute, Attribute::Data data) {
  if (Attribute* held = find(attribute))
    held->data = std::move(data);
  else
    attributes.push_back({std::string(attribute), std::move(data), {}});
}

Node Node::clone() const {
  Node copy;
  copy.name = name;
  copy.domain = domain;
  copy.op_type = op_type;
  copy.overload = overload;
  copy.inputs = inputs;
  copy.outputs = outputs;
  copy.attributes.reserve(attributes.size());
  for (const Attribute& attribute : attributes) copy.attributes.push_back(attribute.clone());
  return copy;
}

ValueId Graph::find_value(std::string_view wanted) const {
  const auto at = std::ranges::find(values, wanted, &ValueInfo::name);
  return at != values.end() ? static_cast<ValueId>(at - values.begin()) : kNoValue;
}

ValueId Graph::add_value(std::string wanted, Type type) {
  std::string unique = wanted;
  for (int suffix = 1; find_value(unique) != kNoValue; ++suffix) unique = fmt::format("{}_{}", wanted, suffix);
  ValueInfo& added = values.emplace_back();
  added.name = std::move(unique);
  added.type = std::move(type);
  return static_cast<ValueId>(values.size() - 1);
}

Graph Graph::clone() const {
  Graph copy;
  copy.name = name;
  copy.doc = doc;
  copy.values = values;
  copy.inputs = inputs;
  copy.outputs = outputs;
  copy.nodes.reserve(nodes.size());
  for (const Node& node : nodes) copy.nodes.push_back(node.clone());
  return copy;
}

int64_t Model::opset(std::string_view wanted) const {
  const auto at = opsets.find(wanted == "ai.onnx" ? std::string() : std::string(wanted));
  return at != opsets.end() ? at->second : 0;
}

Model Model::clone() const {
  Model copy;
  copy.ir_version = ir_version;
  copy.producer_name = producer_name;
  copy.producer_version = producer_version;
  copy.domain = domain;
  copy.doc = doc;
  copy.model_version = model_version;
  copy.opsets = opsets;
  copy.metadata = metadata;
  for (const Function& function : functions) {
    Function& made = copy.functions.emplace_back();
    made.domain = function.domain;
    made.name = function.name;
    made.overload = function.overload;
    made.attributes = function.attributes;
    for (const Attribute& attribute : function.defaults) made.defaults.push_back(attribute.clone());
    made.opsets = function.opsets;
    made.body = function.body.clone();
  }
  copy.graph = graph.clone();
  copy.backing = backing;
  copy.external_files = external_files;
  return copy;
}

Uses find_uses(const Graph& graph) {
  Uses uses;
  uses.producer.assign(graph.values.size(), Uses::kNone);
  uses.consumers.resize(graph.values.size());
  uses.is_output.assign(graph.values.size(), false);
  for (const ValueId id : graph.outputs) uses.is_output[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto index = static_cast<int32_t>(i);
    for (const ValueId id : graph.nodes[i].outputs)
      if (id != kNoValue) uses.producer[static_cast<size_t>(id)] = index;
    for (const ValueId id : graph.nodes[i].inputs) {
      if (id == kNoValue) continue;
      auto& readers = uses.consumers[static_cast<size_t>(id)];
      if (readers.empty() || readers.back() != index) readers.push_back(index);
    }
    add_subgraph_uses(graph.nodes[i], index, uses);
  }
  return uses;
}

}  // namespace hearth::graph
