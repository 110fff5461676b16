// Common subexpressions: of two nodes with the same operator, attributes and inputs the second is dropped.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Attribute;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

constexpr size_t kMaxComparedBytes = 4096;  // a larger constant attribute makes its node unlike any other

void add_bytes(std::string& key, const void* data, size_t bytes) {
  key.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
  key.append(static_cast<const char*>(data), bytes);
}

// What the attribute says, as bytes; false when it cannot be compared cheaply.
bool add_attribute(std::string& key, const Attribute& attribute) {
  add_bytes(key, attribute.name.data(), attribute.name.size());
  key += static_cast<char>(attribute.data.index());
  if (const auto* number = std::get_if<int64_t>(&attribute.data)) return add_bytes(key, number, sizeof *number), true;
  if (const auto* number = std::get_if<float>(&attribute.data)) return add_bytes(key, number, sizeof *number), true;
  if (const auto* text = std::get_if<std::string>(&attribute.data))
    return add_bytes(key, text->data(), text->size()), true;
  if (const auto* many = std::get_if<std::vector<int64_t>>(&attribute.data))
    return add_bytes(key, many->data(), many->size() * sizeof(int64_t)), true;
  if (const auto* many = std::get_if<std::vector<float>>(&attribute.data))
    return add_bytes(key, many->data(), many->size() * sizeof(float)), true;
  if (const auto* many = std::get_if<std::vector<std::string>>(&attribute.data)) {
    for (const std::string& text : *many) add_bytes(key, text.data(), text.size());
    return true;
  }
  if (const auto* tensor = std::get_if<Tensor>(&attribute.data)) {
    if (tensor->dtype() == DType::String || tensor->bytes() > kMaxComparedBytes) return false;
    key += static_cast<char>(tensor->dtype());
    add_bytes(key, tensor->dims().begin(), tensor->dims().size() * sizeof(int64_t));
    add_bytes(key, tensor->raw(), tensor->bytes());
    return true;
  }
  return false;
}

bool key_of(const Node& node, std::string& key) {
  if (is_random(node) || has_graphs(node) || node.op_type == "If") return false;
  add_bytes(key, node.domain.data(), node.domain.size());
  add_bytes(key, node.op_type.data(), node.op_type.size());
  add_bytes(key, node.inputs.data(), node.inputs.size() * sizeof(ValueId));
  for (const ValueId id : node.outputs) key += id == kNoValue ? '0' : '1';
  std::vector<const Attribute*> sorted;
  for (const Attribute& attribute : node.attributes) sorted.push_back(&attribute);
  std::ranges::sort(sorted, {}, [](const Attribute* attribute) { return std::string_view(attribute->name); });
  return std::ranges::all_of(sorted, [&](const Attribute* attribute) { return add_attribute(key, *attribute); });
}

int64_t merge(Graph& graph, const Options& options) {
  std::unordered_map<std::string, size_t> first;
  std::vector<bool> doomed(graph.nodes.size());
  int64_t changes = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    // A custom operator may have effects or a memory of its own.
    if (options.is_custom && options.is_custom(graph.nodes[i].domain, graph.nodes[i].op_type)) continue;
    std::string key;
    if (!key_of(graph.nodes[i], key)) continue;
    const auto [at, fresh] = first.emplace(std::move(key), i);
    if (fresh) continue;
    const auto same = graph.nodes[at->second].outputs, dropped = graph.nodes[i].outputs;
    bool all = true;
    for (size_t j = 0; j < dropped.size(); ++j)
      if (dropped[j] != kNoValue) all = replace_value(graph, dropped[j], same[j]) && all;
    if (all) doomed[i] = true, ++changes;
  }
  remove_nodes(graph, doomed);
  return changes;
}

}  // namespace

Result<int64_t> merge_common_nodes(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) -> Result<int64_t> { return merge(graph, options); });
}

}  // namespace hearth::passes
