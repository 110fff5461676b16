#include "runtime/memory_plan.h"

#include <optional>
#include <utility>

#include "runtime/arena_layout.h"

namespace hearth::runtime {

namespace {

using graph::ValueId;

// nullopt: no tensor, or of a size that nobody knows.
std::optional<size_t> bytes_of_type(const graph::Type& type, int64_t open_size) {
  if (type.kind != graph::TypeKind::Tensor || !type.dtype || !type.shape || *type.dtype == DType::String)
    return std::nullopt;
  std::vector<int64_t> dims;
  for (const graph::Dimension& dimension : *type.shape) {
    if (!dimension.known() && dimension.symbol.empty()) return std::nullopt;
    dims.push_back(dimension.known() ? dimension.size : open_size);
  }
  const auto count = count_elements(dims);
  if (!count) return std::nullopt;
  return static_cast<size_t>(bytes_of(*type.dtype, *count));
}

}  // namespace

MemoryPlan plan_memory(const GraphProgram& program, int64_t open_size) {
  const graph::Graph& graph = *program.graph;
  MemoryPlan plan;
  for (const Value& constant : program.constants)
    if (const Tensor* tensor = constant.tensor()) plan.constants += tensor->bytes();
  for (const ValueId id : graph.inputs)
    if (program.constants[static_cast<size_t>(id)].empty())
      plan.inputs += bytes_of_type(graph.value(id).type, open_size).value_or(0);

  std::vector<size_t> held(static_cast<size_t>(program.slots));
  std::vector<uint32_t> made_at(held.size());
  std::vector<BlockLife> dying;
  size_t alive = 0;
  plan.live.reserve(program.steps.size());
  for (const Step& step : program.steps) {
    for (size_t i = 0; i < step.node->outputs.size(); ++i) {
      const ValueId id = step.node->outputs[i];
      if (id == graph::kNoValue || step.outputs[i] < 0) continue;
      const auto size = bytes_of_type(graph.value(id).type, open_size);
      plan.unknown += !size;
      held[static_cast<size_t>(step.outputs[i])] = size.value_or(0);
      made_at[static_cast<size_t>(step.outputs[i])] = static_cast<uint32_t>(plan.live.size());
      alive += size.value_or(0);
      plan.made += size.value_or(0);
    }
    if (alive > plan.peak) {
      plan.peak = alive;
      plan.peak_step = static_cast<int32_t>(plan.live.size());
    }
    plan.live.push_back(alive);
    const auto end = static_cast<uint32_t>(plan.live.size());
    for (const int32_t slot : step.release) {
      const size_t bytes = std::exchange(held[static_cast<size_t>(slot)], 0);
      if (bytes > 0) dying.push_back({.bytes = bytes, .begin = made_at[static_cast<size_t>(slot)], .end = end});
      alive -= bytes;
    }
  }
  plan.arena = lay_out(dying).bytes;
  return plan;
}

}  // namespace hearth::runtime
