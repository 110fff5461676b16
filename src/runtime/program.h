// A graph made ready to run: one step a node, each with its kernel, its prepared state, its subgraphs and the values
// that nobody needs after it. Immutable once made: several threads may run one program at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "operators/kernel.h"
#include "ops/cpu/thread_pool.h"
#include "runtime/shape_run.h"
#include "trace/trace.h"

namespace hearth::runtime {

// An operator that the caller brings. Called on the thread of the run; must not throw.
using CustomOperator = std::function<Result<>(operators::Call& call)>;
struct CustomOperators {
  std::map<std::pair<std::string, std::string>, CustomOperator> by_name;  // {domain, op_type}
  const CustomOperator* find(std::string_view domain, std::string_view op_type) const;
};

struct GraphProgram;

// Where a run finds a value.
struct Source {
  enum class Kind : uint8_t { None, Constant, Slot, Captured };
  Kind kind = Kind::None;
  int32_t index = 0;  // Slot: of the frame; Captured: of GraphProgram::captures
};

struct Step {
  const graph::Node* node = nullptr;
  int64_t opset = 0;
  const operators::KernelEntry* kernel = nullptr;
  const CustomOperator* custom = nullptr;  // instead of a kernel
  std::unique_ptr<operators::Prepared> prepared;
  std::vector<int32_t> outputs;  // slots, by output; -1: nobody wants it
  std::vector<int32_t> release;  // slots of values that are read here for the last time
  uint32_t reusable = 0;         // bit i: input i is one of those, and no other input
  std::vector<std::pair<std::string, std::unique_ptr<GraphProgram>>> graphs;  // by attribute
  std::string label;                                                          // "Conv 'conv1'" for profiles and errors
};

struct GraphProgram {
  const graph::Graph* graph = nullptr;
  std::vector<Value> constants;  // indexed by ValueId; empty where the value is none, or no kernel reads it any more
  std::vector<Source> sources;   // indexed by ValueId
  std::vector<std::pair<graph::ValueId, graph::ValueId>> captures;  // here, in the enclosing graph
  std::vector<Step> steps;
  // Values made by a run live in slots; a slot serves several values one after the other.
  int32_t slots = 0;
  size_t most_inputs = 0;  // of a step
};

// `model` and `custom` outlive the program. `drop_weights`: constants that kernels have made their own of are let go,
// in the program and in the model's graph.
Result<std::unique_ptr<GraphProgram>> compile(graph::Model& model, const CustomOperators& custom, bool drop_weights);

// Constants of the program that were put off and that a kernel will look at are written out, on all threads.
Result<> write_deferred(const GraphProgram& program, ops::cpu::ThreadPool& pool);

struct OpTiming {
  const Step* step;
  std::chrono::steady_clock::time_point begin, end;
};

// What one run may use and when it has to stop. Lives on the caller's stack.
struct RunContext {
  TensorMemory* memory = nullptr;
  ShapeRun* shapes = nullptr;  // is `memory`, and told of the steps of the first graph that runs; nullptr: another is
  ops::cpu::ThreadPool* pool = nullptr;  // nullptr: serial
  const std::atomic<bool>* cancelled = nullptr;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::vector<OpTiming>* timings = nullptr;  // nullptr: not measured
  trace::Trace* trace = nullptr;

  Result<> check() const;  // Cancelled, or Limit past the deadline
};

// Runs a graph: `inputs` in the order of graph.inputs (an empty value: its constant), `outer` what program.captures
// stand for, in their order. Outputs in the order of graph.outputs.
Result<std::vector<Value>> run_program(const GraphProgram& program, std::vector<Value> inputs,
                                       std::span<const Value* const> outer, RunContext& context);

// One node by itself, its inputs given: for constant folding.
Result<std::vector<Value>> evaluate_node(const graph::Node& node, int64_t opset, std::span<const Value> inputs,
                                         RunContext& context);

}  // namespace hearth::runtime
