#include "graph/infer_shapes.h"

#include <algorithm>
#include <set>

#include "base/nearest_word.h"
#include "graph/infer/engine.h"
#include "graph/label.h"
#include "graph/subgraphs.h"

namespace hearth::graph {

namespace {

// Calls change(type) for the type of every value of the graph and of those below it, inner types included.
template <class Change>
void change_types(Graph& graph, Change&& change) {
  const auto deep = [&](auto&& self, Type& type) -> void {
    change(type);
    if (type.inner == nullptr) return;
    Type inner = *type.inner;
    self(self, inner);
    type.inner = std::make_shared<const Type>(std::move(inner));
  };
  for (ValueInfo& value : graph.values) deep(deep, value.type);
  for (Node& node : graph.nodes)
    for_each_subgraph(node, [&](const Attribute&, Graph& inner) { change_types(inner, change); });
}

// What the overrides say of the model's symbols, and whether they take back a size that the model states.
struct Overrides {
  std::map<std::string, Dimension> symbols;  // unknown: different sizes in different places
  bool contradict = false;
};

Result<> apply_one(Graph& graph, ValueId id, const Shape& shape, Overrides& overrides) {
  ValueInfo& value = graph.value(id);
  if (value.type.kind != TypeKind::Unknown && value.type.kind != TypeKind::Tensor)
    return fail(ErrorKind::Usage, "[infer] shape of input {}; it is no tensor but {}", quoted_name(value.name),
                to_string(value.type));
  if (value.type.shape) {
    const Shape& declared = *value.type.shape;
    if (declared.size() != shape.size())
      return fail(ErrorKind::Usage, "[infer] shape of input {}; got {}, need {} dimensions as in {}",
                  quoted_name(value.name), to_string(shape), declared.size(), to_string(value.type));
    for (size_t i = 0; i < shape.size(); ++i) {
      if (declared[i].known()) {
        overrides.contradict = overrides.contradict || declared[i] != shape[i];
      } else if (!declared[i].symbol.empty()) {
        const auto [at, added] = overrides.symbols.emplace(declared[i].symbol, shape[i]);
        if (!added && at->second != shape[i]) at->second = Dimension();
      }
    }
  }
  value.type.kind = TypeKind::Tensor;
  value.type.shape = shape;
  return {};
}

Result<> apply(Graph& graph, const std::map<std::string, Shape>& shapes) {
  if (shapes.empty()) return {};
  Overrides overrides;
  std::set<ValueId> given;
  for (const auto& [name, shape] : shapes) {
    const auto at = std::ranges::find(graph.inputs, std::string_view(name),
                                      [&](ValueId id) -> std::string_view { return graph.value(id).name; });
    if (at == graph.inputs.end()) {
      std::vector<std::string_view> names;
      for (const ValueId id : graph.inputs) names.push_back(graph.value(id).name);
      return fail(ErrorKind::Usage, "[infer] shape of input {}; the graph has no such input{}", quoted_name(name),
                  suggestion(name, names));
    }
    TRY(apply_one(graph, *at, shape, overrides));
    given.insert(*at);
  }
  const auto substitute = [&](Type& type) {
    if (!type.shape) return;
    for (Dimension& size : *type.shape)
      if (const auto at = overrides.symbols.find(size.symbol); !size.symbol.empty() && at != overrides.symbols.end())
        size = at->second;
  };
  std::vector<Type> inputs;
  for (const ValueId id : graph.inputs) {
    Type& type = inputs.emplace_back(graph.value(id).type);
    if (!given.contains(id)) substitute(type);
  }
  change_types(graph, [&](Type& type) {
    // What the model says of its other values was said of the sizes that are taken back.
    if (overrides.contradict) type.shape.reset();
    substitute(type);
  });
  for (size_t i = 0; i < inputs.size(); ++i) graph.value(graph.inputs[i]).type = std::move(inputs[i]);
  return {};
}

}  // namespace

Result<> infer_shapes(Model& model, const InferOptions& options) {
  TRY(apply(model.graph, options.input_shapes));
  std::set<std::string> taken;
  if (options.named != nullptr)
    change_types(model.graph, [&](const Type& type) {
      if (type.shape)
        for (const Dimension& size : *type.shape) taken.insert(size.symbol);
    });
  auto done = infer::Engine(model, options.named, std::move(taken)).run(model.graph, nullptr, {});
  if (!done) return std::unexpected(std::move(done).error());
  return {};
}

}  // namespace hearth::graph
