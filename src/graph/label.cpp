#include "graph/label.h"

#include "base/quote_bytes.h"

namespace hearth::graph {

std::string quoted_name(std::string_view name) {
  std::string text = quote_bytes(name);
  text.front() = '\'';
  text.back() = '\'';
  return text;
}

std::string operator_name(std::string_view domain, std::string_view op_type) {
  const auto printable = [](std::string_view name) {
    const std::string text = quote_bytes(name);
    return text.substr(1, text.size() - 2);
  };
  return domain.empty() || domain == "ai.onnx" ? printable(op_type)
                                               : fmt::format("{}.{}", printable(domain), printable(op_type));
}

std::string label(ValueId id, const Graph& graph) {
  if (id == kNoValue) return "absent";
  if (id < 0 || static_cast<size_t>(id) >= graph.values.size()) return fmt::format("#{}", id);
  return quoted_name(graph.value(id).name);
}

std::string label(const Node& node, const Graph& graph) {
  const std::string op = operator_name(node.domain, node.op_type);
  if (!node.name.empty()) return fmt::format("{} {}", op, quoted_name(node.name));
  for (const ValueId id : node.outputs)
    if (id != kNoValue) return fmt::format("{} → {}", op, label(id, graph));
  return op;
}

}  // namespace hearth::graph
