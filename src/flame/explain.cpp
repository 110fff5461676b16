#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/table.h"
#include "flame/commands.h"

namespace hearth::flame {

Result<> explain(const ModelWords& words) {
  ASSIGN_OR_RETURN(const auto session, open_session(words));
  const passes::Report& report = session->report();
  const graph::Graph& graph = session->model().graph;
  std::map<std::string, int64_t> operators;
  for (const auto& node : graph.nodes) ++operators[node.op_type];
  using Milliseconds = std::chrono::duration<double, std::milli>;
  if (words.json) {
    nlohmann::json made{{"nodes_before", report.nodes_before},
                        {"nodes_after", report.nodes_after},
                        {"operators", operators},
                        {"device", "cpu"}};
    for (const auto& pass : report.passes)
      made["passes"].push_back({{"name", pass.name},
                                {"changes", pass.changes},
                                {"milliseconds", Milliseconds(pass.time).count()},
                                {"disabled", pass.disabled}});
    for (const auto& node : graph.nodes) {
      std::vector<std::string> inputs, outputs;
      for (const auto id : node.inputs) inputs.push_back(id == graph::kNoValue ? "" : graph.value(id).name);
      for (const auto id : node.outputs)
        outputs.push_back(id == graph::kNoValue
                              ? ""
                              : fmt::format("{} {}", graph.value(id).name, graph::to_string(graph.value(id).type)));
      made["nodes"].push_back(
          {{"op_type", node.op_type}, {"name", node.name}, {"inputs", inputs}, {"outputs", outputs}});
    }
    fmt::print("{}\n", made.dump(2));
    return {};
  }
  std::vector<cli::Row> rows;
  for (const auto& pass : report.passes)
    rows.push_back({std::string(pass.name), pass.disabled ? "off" : fmt::format("{}", pass.changes),
                    fmt::format("{:.2f}", Milliseconds(pass.time).count())});
  fmt::print("{}\n", cli::table({"pass", "changes", "ms"}, rows));
  fmt::print("nodes: {} in the model, {} after the passes; all on cpu\n\n", report.nodes_before, report.nodes_after);
  rows.clear();
  for (const auto& node : graph.nodes) {
    const auto out = node.outputs.empty() || node.outputs[0] == graph::kNoValue
                         ? std::string()
                         : graph::to_string(graph.value(node.outputs[0]).type);
    rows.push_back({node.op_type, node.name, out});
  }
  fmt::print("{}", cli::table({"operator", "node", "output"}, rows));
  return {};
}

}  // namespace hearth::flame
