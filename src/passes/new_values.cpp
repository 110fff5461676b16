#include "passes/new_values.h"

#include <algorithm>

#include "graph/internal_operators.h"

namespace hearth::passes {

using graph::Graph;
using graph::Type;
using graph::ValueId;

NewValues::NewValues(Graph& graph) : graph_(graph) {
  names_.reserve(graph.values.size());
  for (const graph::ValueInfo& value : graph.values) names_.insert(value.name);
}

ValueId NewValues::add(std::string_view near, std::string_view suffix, Type type) {
  const std::string wanted = fmt::format("{}{}", near, suffix);
  std::string name = wanted;
  if (names_.contains(name)) {
    size_t& number = next_.try_emplace(wanted, 2).first->second;
    do name = fmt::format("{}_{}", wanted, number++);
    while (names_.contains(name));
  }
  names_.insert(name);
  graph::ValueInfo& value = graph_.values.emplace_back();
  value.name = std::move(name);
  value.type = std::move(type);
  return static_cast<ValueId>(graph_.values.size() - 1);
}

ValueId NewValues::constant(std::string_view near, std::string_view suffix, Tensor tensor) {
  const ValueId id = add(near, suffix, type_of(tensor));
  graph_.value(id).constant = std::move(tensor);
  return id;
}

ValueId NewValues::integers(std::string_view near, std::string_view suffix, std::span<const int64_t> numbers) {
  return constant(near, suffix, Tensor::of<int64_t>(DType::I64, {static_cast<int64_t>(numbers.size())}, numbers));
}

const Tensor* plain_constant(const Graph& graph, ValueId id) {
  if (id == graph::kNoValue || !graph.value(id).constant) return nullptr;
  return std::ranges::find(graph.inputs, id) == graph.inputs.end() ? &graph.value(id).constant : nullptr;
}

Type type_of(const Tensor& tensor) {
  return Type::tensor(tensor.dtype(), graph::Shape(tensor.dims().begin(), tensor.dims().end()));
}

void import_internal_operators(graph::Model& model) {
  model.opsets.emplace(graph::kInternalDomain, graph::kInternalOpset);
}

}  // namespace hearth::passes
