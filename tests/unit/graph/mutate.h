// Random damage to a graph: ids that point anywhere, nodes out of order, attributes and types of another kind.
#pragma once

#include <random>

#include "graph/attribute_type.h"
#include "graph/graph.h"
#include "graph/subgraphs.h"

namespace hearth::graph {

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  // One change somewhere in the graph or below it.
  void mutate(Graph& graph) {
    std::vector<Graph*> all;
    collect(graph, all);
    change(*all[below(all.size())]);
  }

 private:
  size_t below(size_t count) { return count == 0 ? 0 : random_() % count; }
  bool one_in(size_t n) { return below(n) == 0; }

  static void collect(Graph& graph, std::vector<Graph*>& all) {
    all.push_back(&graph);
    for (Node& node : graph.nodes) for_each_subgraph(node, [&](Attribute&, Graph& inner) { collect(inner, all); });
  }

  int64_t number() {
    static constexpr int64_t kNumbers[] = {0, 1,       -1,        2,         3,         -2,       7,
                                           8, 1 << 20, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    return one_in(3) ? static_cast<int64_t>(random_() % 20) - 5 : kNumbers[below(std::size(kNumbers))];
  }
  ValueId id(const Graph& graph) {
    if (one_in(8)) return static_cast<ValueId>(number());
    return static_cast<ValueId>(below(graph.values.size()));
  }
  Type type(int depth = 0) {
    Type made;
    made.kind = static_cast<TypeKind>(below(6));
    if (!one_in(4)) made.dtype = *dtype_from_onnx(1 + static_cast<int64_t>(below(26)));
    if (!one_in(4)) {
      made.shape.emplace();
      for (size_t rank = below(5); made.shape->size() < rank;)
        made.shape->push_back(one_in(3)   ? Dimension()
                              : one_in(3) ? Dimension("N")
                                          : Dimension(one_in(8) ? int64_t{1} << 62 : int64_t(below(9))));
    }
    if (depth < 3 && made.kind != TypeKind::Tensor && !one_in(4))
      made.inner = std::make_shared<const Type>(type(depth + 1));
    return made;
  }
  Tensor tensor() {
    static constexpr int64_t kSizes[] = {0, 1, 2, 3, 4};
    std::vector<int64_t> values(static_cast<size_t>(kSizes[below(5)]));
    for (int64_t& value : values) value = number();
    if (values.size() == 1 && one_in(2)) return Tensor::of<int64_t>(DType::I64, {}, values);
    return Tensor::of<int64_t>(DType::I64, {static_cast<int64_t>(values.size())}, values);
  }

  void change(Graph& graph) {
    if (graph.nodes.empty() || one_in(4)) {
      change_values(graph);
      return;
    }
    Node& node = graph.nodes[below(graph.nodes.size())];
    switch (below(8)) {
      case 0:
        if (!node.inputs.empty()) node.inputs[below(node.inputs.size())] = id(graph);
        break;
      case 1:
        if (!node.outputs.empty()) node.outputs[below(node.outputs.size())] = id(graph);
        break;
      case 2:
        std::swap(node, graph.nodes[below(graph.nodes.size())]);
        break;
      case 3:
        if (one_in(2))
          node.inputs.push_back(id(graph));
        else if (!node.inputs.empty())
          node.inputs.pop_back();
        break;
      case 4: {
        const auto schemas = all_schemas();
        const OperatorSchema& schema = schemas[below(schemas.size())];
        node.op_type = schema.name;
        node.domain = schema.domain;
        break;
      }
      default:
        change_attribute(node);
    }
  }

  void change_attribute(Node& node) {
    if (node.attributes.empty() || one_in(3)) {
      const OperatorSchema* schema = find_schema(node.domain, node.op_type, 21);
      if (schema == nullptr || schema->attributes.empty()) return;
      const AttributeSchema& chosen = schema->attributes[below(schema->attributes.size())];
      Attribute& added = node.attributes.emplace_back();
      added.name = chosen.name;
      added.data = empty_data(chosen.type);
      fill(added);
      return;
    }
    const size_t at = below(node.attributes.size());
    if (one_in(4)) {
      node.attributes.erase(node.attributes.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    }
    if (one_in(8)) node.attributes[at].data = empty_data(static_cast<AttributeType>(below(13)));
    fill(node.attributes[at]);
  }

  void fill(Attribute& attribute) {
    if (auto* value = std::get_if<int64_t>(&attribute.data)) *value = number();
    if (auto* value = std::get_if<float>(&attribute.data)) *value = static_cast<float>(number());
    if (auto* value = std::get_if<Tensor>(&attribute.data)) *value = tensor();
    if (auto* value = std::get_if<Type>(&attribute.data)) *value = type();
    if (auto* values = std::get_if<std::vector<int64_t>>(&attribute.data)) {
      if (one_in(3) && !values->empty()) values->pop_back();
      if (one_in(3)) values->push_back(number());
      if (!values->empty()) (*values)[below(values->size())] = number();
    }
    if (auto* value = std::get_if<std::string>(&attribute.data); value != nullptr && !value->empty())
      (*value)[below(value->size())] = static_cast<char>(random_());
  }

  void change_values(Graph& graph) {
    if (graph.values.empty()) return;
    ValueInfo& value = graph.values[below(graph.values.size())];
    switch (below(8)) {
      case 0:
        value.captured = id(graph);
        break;
      case 1:
        value.constant = tensor();
        break;
      case 2:
        value.constant = {};
        break;
      case 3:
        value.name = graph.values[below(graph.values.size())].name;
        break;
      case 4:
        graph.inputs.push_back(id(graph));
        break;
      case 5:
        if (!graph.outputs.empty()) graph.outputs[below(graph.outputs.size())] = id(graph);
        break;
      default:
        value.type = type();
    }
  }

  std::mt19937_64 random_;
};

}  // namespace hearth::graph
