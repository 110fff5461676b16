#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/table.h"
#include "flame/commands.h"
#include "graph/text.h"
#include "import/read_model.h"

namespace hearth::flame {

namespace {

struct Facts {
  std::map<std::string, int64_t> operators;
  uint64_t weight_bytes = 0;
  int64_t weights = 0, parameters = 0, nodes = 0;
};

void count(const graph::Graph& graph, Facts& facts) {
  for (const auto& value : graph.values)
    if (value.constant) {
      ++facts.weights;
      facts.weight_bytes += value.constant.bytes();
      facts.parameters += value.constant.size();
    }
  for (const auto& node : graph.nodes) {
    ++facts.nodes;
    ++facts.operators[node.domain.empty() ? node.op_type : node.domain + "." + node.op_type];
    for (const auto& attribute : node.attributes)
      if (const auto* inner = std::get_if<std::unique_ptr<graph::Graph>>(&attribute.data)) count(**inner, facts);
  }
}

nlohmann::json ports(const graph::Graph& graph, const std::vector<graph::ValueId>& ids, bool skip_constants) {
  auto made = nlohmann::json::array();
  for (const auto id : ids)
    if (const auto& value = graph.value(id); !skip_constants || !value.constant)
      made.push_back({{"name", value.name}, {"type", graph::to_string(value.type)}});
  return made;
}

}  // namespace

Result<> inspect(const ModelWords& words, bool text) {
  ASSIGN_OR_RETURN(const graph::Model model, import::read_model(words.model));
  if (text) {
    fmt::print("{}", graph::to_text(model));
    return {};
  }
  Facts facts;
  count(model.graph, facts);
  if (words.json) {
    const nlohmann::json made{{"graph", model.graph.name},
                              {"ir_version", model.ir_version},
                              {"producer", model.producer_name},
                              {"producer_version", model.producer_version},
                              {"opsets", model.opsets},
                              {"metadata", model.metadata},
                              {"inputs", ports(model.graph, model.graph.inputs, true)},
                              {"outputs", ports(model.graph, model.graph.outputs, false)},
                              {"nodes", facts.nodes},
                              {"operators", facts.operators},
                              {"weights", facts.weights},
                              {"parameters", facts.parameters},
                              {"weight_bytes", facts.weight_bytes}};
    fmt::print("{}\n", made.dump(2));
    return {};
  }
  fmt::print("graph      {}\n", model.graph.name);
  if (!model.producer_name.empty()) fmt::print("producer   {} {}\n", model.producer_name, model.producer_version);
  for (const auto& [domain, version] : model.opsets)
    fmt::print("opset      {} {}\n", domain.empty() ? "ai.onnx" : domain, version);
  for (const auto id : model.graph.inputs)
    if (const auto& value = model.graph.value(id); !value.constant)
      fmt::print("input      {}: {}\n", value.name, graph::to_string(value.type));
  for (const auto id : model.graph.outputs)
    fmt::print("output     {}: {}\n", model.graph.value(id).name, graph::to_string(model.graph.value(id).type));
  fmt::print("weights    {} with {} values, {}\n", facts.weights, facts.parameters,
             cli::bytes_text(facts.weight_bytes));
  std::vector<std::pair<std::string, int64_t>> by_count(facts.operators.begin(), facts.operators.end());
  std::ranges::stable_sort(by_count, std::greater{}, &std::pair<std::string, int64_t>::second);
  std::string operators;
  for (const auto& [name, times] : by_count)
    operators += fmt::format("{}{} ×{}", operators.empty() ? "" : ", ", name, times);
  fmt::print("nodes      {}: {}\n", facts.nodes, operators);
  return {};
}

}  // namespace hearth::flame
