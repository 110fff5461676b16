#include "same_model.h"

#include <algorithm>

namespace hearth::import::testing {

using graph::Attribute;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::SparseTensor;
using graph::Type;
using graph::ValueInfo;

std::string difference(const Tensor& a, const Tensor& b) {
  if (!a || !b) return !a && !b ? "" : "one tensor is none";
  if (a.dtype() != b.dtype() || !(a.dims() == b.dims())) return "tensor: type or dims";
  const bool same = a.dtype() == DType::String ? std::ranges::equal(a.strings(), b.strings())
                                               : a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
  return same ? "" : "tensor: elements";
}

std::string difference(const Value& a, const Value& b) {
  if (a.tensor() != nullptr && b.tensor() != nullptr) return difference(*a.tensor(), *b.tensor());
  if (a.sequence() != nullptr && b.sequence() != nullptr) {
    if (a.sequence()->items.size() != b.sequence()->items.size()) return "sequence: length";
    for (size_t i = 0; i < a.sequence()->items.size(); ++i)
      if (auto text = difference(a.sequence()->items[i], b.sequence()->items[i]); !text.empty()) return text;
    return "";
  }
  if (a.map() != nullptr && b.map() != nullptr)
    return a.map()->keys == b.map()->keys ? difference(a.map()->values, b.map()->values) : "map: keys";
  return a.empty() && b.empty() ? "" : "values of two kinds";
}

namespace {

bool same(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.dtype != b.dtype || a.shape != b.shape || !a.inner != !b.inner) return false;
  return !a.inner || same(*a.inner, *b.inner);
}

std::string compare_graphs(const Graph& a, const Graph& b);

std::string compare(const SparseTensor& a, const SparseTensor& b) {
  if (!(a.dims == b.dims)) return "sparse dims";
  const auto values = difference(a.values, b.values);
  return values.empty() ? difference(a.indices, b.indices) : values;
}

template <class T>
std::string compare_data(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, Tensor>) {
    return difference(a, b);
  } else if constexpr (std::is_same_v<T, SparseTensor>) {
    return compare(a, b);
  } else if constexpr (std::is_same_v<T, Type>) {
    return same(a, b) ? "" : "type";
  } else if constexpr (std::is_same_v<T, std::unique_ptr<Graph>>) {
    return compare_graphs(*a, *b);
  } else if constexpr (std::is_same_v<T, float>) {
    return std::memcmp(&a, &b, sizeof a) == 0 ? "" : "float";
  } else if constexpr (requires { a.begin(), a.front(); } && !std::is_same_v<T, std::string>) {
    if (a.size() != b.size()) return "length of a list";
    for (size_t i = 0; i < a.size(); ++i)
      if (auto text = compare_data(a[i], b[i]); !text.empty()) return text;
    return "";
  } else {
    return a == b ? "" : "data";
  }
}

std::string compare(const Attribute& a, const Attribute& b) {
  if (a.name != b.name || a.reference != b.reference || a.data.index() != b.data.index()) return "name or type";
  return std::visit(
      [&](const auto& data) { return compare_data(data, std::get<std::decay_t<decltype(data)>>(b.data)); }, a.data);
}

std::string name_of(const Graph& graph, graph::ValueId id) {
  return id == kNoValue ? "" : graph.value(id).name;
}
bool same_names(const Graph& a, const std::vector<graph::ValueId>& x, const Graph& b,
                const std::vector<graph::ValueId>& y) {
  return std::ranges::equal(x, y, [&](auto i, auto j) { return name_of(a, i) == name_of(b, j); });
}

std::string compare(const Graph& a, const Node& x, const Graph& b, const Node& y) {
  if (x.name != y.name || x.domain != y.domain || x.op_type != y.op_type || x.overload != y.overload) return "names";
  if (!same_names(a, x.inputs, b, y.inputs)) return "inputs";
  if (!same_names(a, x.outputs, b, y.outputs)) return "outputs";
  if (x.attributes.size() != y.attributes.size()) return "number of attributes";
  for (size_t i = 0; i < x.attributes.size(); ++i)
    if (auto text = compare(x.attributes[i], y.attributes[i]); !text.empty())
      return "attribute " + x.attributes[i].name + ": " + text;
  return "";
}

std::string compare(const ValueInfo& a, const ValueInfo& b) {
  if (!same(a.type, b.type)) return "type " + to_string(a.type) + " and " + to_string(b.type);
  if ((a.captured == kNoValue) != (b.captured == kNoValue)) return "captured";
  if (a.sparse_constant.has_value() != b.sparse_constant.has_value()) return "sparse";
  if (a.sparse_constant)
    if (auto text = compare(*a.sparse_constant, *b.sparse_constant); !text.empty()) return text;
  return difference(a.constant, b.constant);
}

std::string compare_graphs(const Graph& a, const Graph& b) {
  if (a.name != b.name || a.doc != b.doc) return "name or doc of a graph";
  if (!same_names(a, a.inputs, b, b.inputs)) return "inputs of a graph";
  if (!same_names(a, a.outputs, b, b.outputs)) return "outputs of a graph";
  if (a.values.size() != b.values.size()) return "number of values";
  std::map<std::string, const ValueInfo*> values;
  for (const ValueInfo& value : b.values) values[value.name] = &value;
  for (const ValueInfo& value : a.values) {
    if (values[value.name] == nullptr) return "value " + value.name + " is gone";
    if (auto text = compare(value, *values[value.name]); !text.empty()) return "value " + value.name + ": " + text;
  }
  if (a.nodes.size() != b.nodes.size()) return "number of nodes";
  for (size_t i = 0; i < a.nodes.size(); ++i)
    if (auto text = compare(a, a.nodes[i], b, b.nodes[i]); !text.empty())
      return "node " + a.nodes[i].op_type + ": " + text;
  return "";
}

}  // namespace

std::string difference(const graph::Model& a, const graph::Model& b) {
  if (a.ir_version != b.ir_version || a.producer_name != b.producer_name || a.producer_version != b.producer_version ||
      a.domain != b.domain || a.doc != b.doc || a.model_version != b.model_version || a.opsets != b.opsets ||
      a.metadata != b.metadata)
    return "fields of the model";
  if (a.functions.size() != b.functions.size()) return "number of functions";
  for (size_t i = 0; i < a.functions.size(); ++i) {
    const graph::Function &f = a.functions[i], &g = b.functions[i];
    if (f.domain != g.domain || f.name != g.name || f.overload != g.overload || f.attributes != g.attributes ||
        f.opsets != g.opsets || f.defaults.size() != g.defaults.size())
      return "function " + f.name;
    for (size_t j = 0; j < f.defaults.size(); ++j)
      if (auto text = compare(f.defaults[j], g.defaults[j]); !text.empty()) return "default: " + text;
    if (auto text = compare_graphs(f.body, g.body); !text.empty()) return "function " + f.name + ": " + text;
  }
  return compare_graphs(a.graph, b.graph);
}

}  // namespace hearth::import::testing
