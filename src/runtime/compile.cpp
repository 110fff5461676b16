#include <algorithm>
#include <cstring>
#include <mutex>

#include "graph/internal_operators.h"
#include "runtime/program.h"

namespace hearth::runtime {

namespace {

using graph::Attribute;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

std::string label_of(const Node& node) {
  return node.name.empty() ? node.op_type : fmt::format("{} '{}'", node.op_type, node.name);
}

Result<Tensor> dense(const graph::SparseTensor& sparse) {
  ASSIGN_OR_RETURN(Tensor full, Tensor::allocate(sparse.values.dtype(), sparse.dims));
  if (sparse.values.dtype() == DType::String || sparse.indices.dtype() != DType::I64)
    return fail(ErrorKind::Unsupported, "[sparse tensor] of {}", to_string(sparse.values.dtype()));
  std::memset(full.mutable_raw(), 0, full.bytes());
  const int64_t width = info(sparse.values.dtype()).block_bytes, count = sparse.values.size();
  const bool flat = sparse.indices.rank() == 1;
  const int rank = sparse.dims.rank();
  if (sparse.indices.size() != (flat ? count : count * rank))
    return fail(ErrorKind::Invalid, "[sparse tensor] indices; got {}, need {} for {} values", sparse.indices.size(),
                flat ? count : count * rank, count);
  const auto* indices = sparse.indices.data<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    int64_t offset = 0;
    if (flat) {
      offset = indices[i];
    } else {
      for (int axis = 0; axis < rank; ++axis) {
        const int64_t at = indices[i * rank + axis], size = sparse.dims[static_cast<size_t>(axis)];
        if (at < 0 || at >= size)
          return fail(ErrorKind::Invalid, "[sparse tensor] index; got {}, need 0..{}", at, size - 1);
        offset = offset * size + at;
      }
    }
    if (offset < 0 || offset >= full.size())
      return fail(ErrorKind::Invalid, "[sparse tensor] index; got {}, need 0..{}", offset, full.size() - 1);
    std::memcpy(static_cast<char*>(full.mutable_raw()) + offset * width, sparse.values.data<char>() + i * width,
                static_cast<size_t>(width));
  }
  return full;
}

Result<> find_kernel(const graph::Model& model, const CustomOperators& custom, Step& step) {
  const Node& node = *step.node;
  if (node.domain == graph::kInternalDomain && (node.outputs.size() != 1 || node.outputs[0] == kNoValue))
    return fail(ErrorKind::Invalid, "[{}] outputs; need one, as every operator of {} has", step.label, node.domain);
  step.opset = node.domain == graph::kInternalDomain ? graph::kInternalOpset : model.opset(node.domain);
  step.custom = custom.find(node.domain, node.op_type);
  if (step.custom != nullptr) return {};
  step.kernel = operators::find_kernel(node.domain, node.op_type, step.opset);
  if (step.kernel != nullptr) return {};
  return fail(ErrorKind::Unsupported, "[{}] no kernel serves {}.{} of opset {}", step.label,
              node.domain.empty() ? "ai.onnx" : node.domain, node.op_type, step.opset);
}

Result<> prepare(const GraphProgram& program, Step& step) {
  if (step.kernel == nullptr || step.kernel->prepare == nullptr) return {};
  std::vector<const Tensor*> constants;
  for (const ValueId id : step.node->inputs)
    constants.push_back(id == kNoValue ? nullptr : program.constants[static_cast<size_t>(id)].tensor());
  auto made = step.kernel->prepare(*step.node, step.opset, constants);
  if (!made) return within(step.label, std::move(made).error());
  step.prepared = std::move(*made);
  return {};
}

// Gives every value that a run makes a slot from where it is made to where it is read for the last time. What leaves
// the graph keeps its slot.
void plan_slots(const Graph& graph, GraphProgram& program) {
  const graph::Uses uses = graph::find_uses(graph);
  program.sources.resize(graph.values.size());
  for (size_t id = 0; id < graph.values.size(); ++id)
    if (!program.constants[id].empty()) program.sources[id] = {Source::Kind::Constant, 0};
  for (size_t i = 0; i < program.captures.size(); ++i)
    program.sources[static_cast<size_t>(program.captures[i].first)] = {Source::Kind::Captured, static_cast<int32_t>(i)};
  std::vector<int32_t> free;
  const auto place = [&](ValueId id) {
    int32_t slot = program.slots;
    if (free.empty()) {
      ++program.slots;
    } else {
      slot = free.back();
      free.pop_back();
    }
    program.sources[static_cast<size_t>(id)] = {Source::Kind::Slot, slot};
    return slot;
  };
  for (const ValueId id : graph.inputs) place(id);
  std::vector<std::vector<ValueId>> dying(program.steps.size());
  for (size_t id = 0; id < graph.values.size(); ++id) {
    if (uses.is_output[id] || !program.constants[id].empty() || graph.values[id].captured != kNoValue) continue;
    const int32_t last = uses.consumers[id].empty() ? uses.producer[id] : uses.consumers[id].back();
    if (last != graph::Uses::kNone) dying[static_cast<size_t>(last)].push_back(static_cast<ValueId>(id));
  }
  for (size_t s = 0; s < program.steps.size(); ++s) {
    Step& step = program.steps[s];
    const auto& inputs = step.node->inputs;
    program.most_inputs = std::max(program.most_inputs, inputs.size());
    for (const ValueId id : step.node->outputs) step.outputs.push_back(id == kNoValue ? -1 : place(id));
    for (const ValueId id : dying[s]) {
      const Source source = program.sources[static_cast<size_t>(id)];
      if (source.kind != Source::Kind::Slot) continue;
      step.release.push_back(source.index);
      free.push_back(source.index);
      if (const auto at = std::ranges::find(inputs, id) - inputs.begin();
          step.graphs.empty() && at < 32 && std::ranges::count(inputs, id) == 1)
        step.reusable |= 1u << at;
    }
  }
}

// Which constants every reader has replaced: they need not be kept beside what was made of them.
std::vector<ValueId> find_replaced(const Graph& graph, const GraphProgram& program) {
  const graph::Uses uses = graph::find_uses(graph);
  std::vector<bool> read = uses.is_output;
  for (const ValueId id : graph.inputs) read[static_cast<size_t>(id)] = true;
  std::vector<bool> replaced(graph.values.size());
  for (const Step& step : program.steps) {
    const auto& inputs = step.node->inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i] == kNoValue) continue;
      const auto id = static_cast<size_t>(inputs[i]);
      if (step.prepared != nullptr && i < 32 && (step.prepared->replaces >> i & 1) != 0)
        replaced[id] = true;
      else
        read[id] = true;
    }
    for (const auto& [name, inner] : step.graphs)
      for (const auto& [inside, outside] : inner->captures) read[static_cast<size_t>(outside)] = true;
  }
  std::vector<ValueId> found;
  for (size_t id = 0; id < replaced.size(); ++id)
    if (replaced[id] && !read[id]) found.push_back(static_cast<ValueId>(id));
  return found;
}

// The graph's deferred constants that a kernel will look at, those of subgraphs too.
void find_deferred(const GraphProgram& program, std::vector<const Tensor*>& found) {
  for (const Step& step : program.steps)
    for (const auto& [name, inner] : step.graphs) find_deferred(*inner, found);
  if (std::ranges::none_of(program.constants, [](const Value& value) {
        return value.tensor() != nullptr && value.tensor()->deferred() != nullptr;
      }))
    return;
  std::vector<bool> needed(program.constants.size(), true);
  const auto replaced = find_replaced(*program.graph, program);
  for (const ValueId id : replaced) needed[static_cast<size_t>(id)] = false;
  const graph::Uses uses = graph::find_uses(*program.graph);
  for (size_t id = 0; id < needed.size(); ++id) {
    const Tensor* tensor = program.constants[id].tensor();
    if (!needed[id] || tensor == nullptr || tensor->deferred() == nullptr) continue;
    const auto as_stored = [&](int32_t reader) {
      const Step& step = program.steps[static_cast<size_t>(reader)];
      const auto& inputs = step.node->inputs;
      if (step.kernel == nullptr || !step.graphs.empty()) return false;
      for (size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i] == static_cast<ValueId>(id) && (i >= 32 || (step.kernel->reads_stored >> i & 1) == 0))
          return false;
      return true;
    };
    const auto& readers = uses.consumers[id];
    const bool may_stay =
        readers.empty() || (tensor->deferred()->dense() != nullptr && std::ranges::all_of(readers, as_stored));
    if (uses.is_output[id] || !may_stay) found.push_back(tensor);
  }
}

}  // namespace

Result<> write_deferred(const GraphProgram& program, ops::cpu::ThreadPool& pool) {
  std::vector<const Tensor*> found;
  find_deferred(program, found);
  std::atomic<size_t> next{0};
  std::mutex lock;
  Result<> outcome;
  if (found.empty()) return outcome;
  pool.parallel([&](int, int) {
    for (size_t i = next++; i < found.size(); i = next++)
      if (auto written = found[i]->write_out(); !written) {
        const std::scoped_lock held(lock);
        outcome = std::move(written);
      }
  });
  return outcome;
}

const CustomOperator* CustomOperators::find(std::string_view domain, std::string_view op_type) const {
  const auto at = by_name.find({std::string(domain), std::string(op_type)});
  return at != by_name.end() ? &at->second : nullptr;
}

namespace {

Result<std::unique_ptr<GraphProgram>> compile_graph(const graph::Model& model, Graph& graph,
                                                    const CustomOperators& custom, bool drop_weights) {
  auto program = std::make_unique<GraphProgram>();
  program->graph = &graph;
  program->constants.resize(graph.values.size());
  for (size_t id = 0; id < graph.values.size(); ++id) {
    const graph::ValueInfo& value = graph.values[id];
    const bool overridable = std::ranges::find(graph.inputs, static_cast<ValueId>(id)) != graph.inputs.end();
    if (value.captured != kNoValue) program->captures.emplace_back(static_cast<ValueId>(id), value.captured);
    if (overridable) continue;
    if (value.constant) program->constants[id] = value.constant;
    if (value.sparse_constant) {
      ASSIGN_OR_RETURN(Tensor full, dense(*value.sparse_constant));
      program->constants[id] = std::move(full);
    }
  }
  program->steps.reserve(graph.nodes.size());
  for (Node& node : graph.nodes) {
    Step& step = program->steps.emplace_back();
    step.node = &node;
    step.label = label_of(node);
    TRY(find_kernel(model, custom, step));
    TRY(prepare(*program, step));
    for (Attribute& attribute : node.attributes)
      if (auto* inner = std::get_if<std::unique_ptr<Graph>>(&attribute.data)) {
        ASSIGN_OR_RETURN(auto compiled, compile_graph(model, **inner, custom, drop_weights));
        step.graphs.emplace_back(attribute.name, std::move(compiled));
      }
  }
  plan_slots(graph, *program);
  if (drop_weights)
    for (const ValueId id : find_replaced(graph, *program)) {
      program->constants[static_cast<size_t>(id)] = Value();
      graph.value(id).constant = Tensor();
      graph.value(id).sparse_constant.reset();
    }
  return program;
}

}  // namespace

Result<std::unique_ptr<GraphProgram>> compile(graph::Model& model, const CustomOperators& custom, bool drop_weights) {
  return compile_graph(model, model.graph, custom, drop_weights);
}

}  // namespace hearth::runtime
