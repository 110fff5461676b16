#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"
#include "cli/table.h"
#include "flame/commands.h"
#include "graph/internal_operators.h"
#include "runtime/memory_plan.h"

namespace hearth::flame {

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

// The parts of a dense kernel's work: algorithm, factors, what was fused into it.
std::string dense_text(const graph::Node& node) {
  std::string text(node.op_type);
  if (const auto algorithm = node.string_or("algorithm", ""); !algorithm.empty()) text += fmt::format(" {}", algorithm);
  if (const auto factors = node.string_or("factors", ""); !factors.empty()) text += fmt::format(" {}", factors);
  if (const auto steps = node.strings("steps"); !steps.empty()) text += fmt::format(", {}", fmt::join(steps, ", "));
  return text;
}

// Which kernel serves a node, and what was fused into it.
std::string how(const runtime::Step& step) {
  const graph::Node& node = *step.node;
  if (step.custom != nullptr) return "custom operator";
  if (node.domain != graph::kInternalDomain) return "operator kernel";
  const graph::Graph* body = node.graph("body");
  if (body == nullptr) return "dense: " + dense_text(node);
  std::string text;
  for (const graph::Node& inner : body->nodes) text += (text.empty() ? "dense, by rows: " : " | ") + dense_text(inner);
  return text;
}

std::string type_of_output(const graph::Graph& graph, const graph::Node& node) {
  return node.outputs.empty() || node.outputs[0] == graph::kNoValue
             ? std::string()
             : graph::to_string(graph.value(node.outputs[0]).type);
}

nlohmann::json to_json(const runtime::Session& session, const runtime::MemoryPlan& memory, int64_t open_size) {
  const passes::Report& report = session.report();
  const graph::Graph& graph = session.model().graph;
  nlohmann::json made{{"nodes_before", report.nodes_before},
                      {"nodes_after", report.nodes_after},
                      {"device", "cpu"},
                      {"memory",
                       {{"open_size", open_size},
                        {"constant_bytes", memory.constants},
                        {"input_bytes", memory.inputs},
                        {"bytes_without_reuse", memory.made},
                        {"peak_bytes", memory.peak},
                        {"arena_bytes", memory.arena},
                        {"values_of_unknown_size", memory.unknown}}}};
  for (const auto& node : graph.nodes) {
    auto& count = made["operators"][node.op_type];
    count = (count.is_null() ? 0 : count.get<int64_t>()) + 1;
  }
  for (const auto& pass : report.passes)
    made["passes"].push_back({{"name", pass.name},
                              {"changes", pass.changes},
                              {"milliseconds", Milliseconds(pass.time).count()},
                              {"disabled", pass.disabled}});
  for (size_t i = 0; i < session.program().steps.size(); ++i) {
    const runtime::Step& step = session.program().steps[i];
    std::vector<std::string> inputs, outputs;
    for (const auto id : step.node->inputs) inputs.push_back(id == graph::kNoValue ? "" : graph.value(id).name);
    for (const auto id : step.node->outputs)
      outputs.push_back(id == graph::kNoValue
                            ? ""
                            : fmt::format("{} {}", graph.value(id).name, graph::to_string(graph.value(id).type)));
    made["nodes"].push_back({{"op_type", step.node->op_type},
                             {"domain", step.node->domain},
                             {"name", step.node->name},
                             {"inputs", inputs},
                             {"outputs", outputs},
                             {"device", "cpu"},
                             {"kernel", how(step)},
                             {"live_bytes", memory.live[i]}});
  }
  return made;
}

}  // namespace

Result<> explain(const ModelWords& words, int64_t open_size) {
  ASSIGN_OR_RETURN(const auto session, open_session(words));
  const auto& steps = session->program().steps;
  const graph::Graph& graph = session->model().graph;
  const runtime::MemoryPlan memory = runtime::plan_memory(session->program(), open_size);
  if (words.json) {
    fmt::print("{}\n", to_json(*session, memory, open_size).dump(2));
    return {};
  }
  const passes::Report& report = session->report();
  std::vector<cli::Row> rows;
  for (const auto& pass : report.passes)
    rows.push_back({std::string(pass.name), pass.disabled ? "off" : fmt::format("{}", pass.changes),
                    fmt::format("{:.2f}", Milliseconds(pass.time).count())});
  fmt::print("{}\n", cli::table({"pass", "changes", "ms"}, rows));
  fmt::print("nodes: {} in the model, {} after the passes; all on cpu, the only device of this build\n\n",
             report.nodes_before, report.nodes_after);
  rows.clear();
  for (size_t i = 0; i < steps.size(); ++i)
    rows.push_back({steps[i].node->op_type, steps[i].node->name, type_of_output(graph, *steps[i].node),
                    cli::bytes_text(memory.live[i]), how(steps[i])});
  fmt::print("{}\n", cli::table({"operator", "node", "output", "alive", "how it runs"}, rows));
  fmt::print("memory: {} of constants, {} of inputs; nodes make {} and at most {} are alive at one time",
             cli::bytes_text(memory.constants), cli::bytes_text(memory.inputs), cli::bytes_text(memory.made),
             cli::bytes_text(memory.peak));
  if (memory.peak_step >= 0) fmt::print(" ({})", steps[static_cast<size_t>(memory.peak_step)].label);
  fmt::print("; an arena for all but the results takes {}; open sizes count as {}", cli::bytes_text(memory.arena),
             open_size);
  if (memory.unknown > 0) fmt::print("; {} values of unknown size are not counted", memory.unknown);
  fmt::print("\n");
  return {};
}

}  // namespace hearth::flame
