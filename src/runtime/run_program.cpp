#include <utility>

#include "runtime/custom_output.h"
#include "runtime/program.h"

namespace hearth::runtime {

namespace {

using graph::kNoValue;
using graph::ValueId;

// The values of one graph while it runs.
struct Frame {
  const GraphProgram& program;
  std::span<const Value* const> captured;  // in the order of program.captures
  std::vector<Value> slots;                // made here
  std::vector<const Value*> inputs;        // of the step at hand
  ShapeRun* shapes;                        // of the main graph; nullptr: of another, or memory comes block by block
  Value nothing;

  const Value* find(ValueId id) const {
    const Source source = program.sources[static_cast<size_t>(id)];
    switch (source.kind) {
      case Source::Kind::Constant:
        return &program.constants[static_cast<size_t>(id)];
      case Source::Kind::Slot:
        return &slots[static_cast<size_t>(source.index)];
      case Source::Kind::Captured:
        return captured[static_cast<size_t>(source.index)];
      case Source::Kind::None:
        break;
    }
    return &nothing;
  }
};

class StepCall final : public operators::Call {
 public:
  // A step of a program; its outputs go to their slots.
  StepCall(const Step& step, Frame& frame, RunContext& context) : context_(context), step_(&step), frame_(&frame) {
    node_ = step.node;
    opset_ = step.opset;
    prepared_ = step.prepared.get();
    const auto& ids = step.node->inputs;
    for (size_t i = 0; i < ids.size(); ++i) frame.inputs[i] = ids[i] == kNoValue ? nullptr : frame.find(ids[i]);
    inputs_ = std::span(frame.inputs).first(ids.size());
  }
  // A node by itself.
  StepCall(const graph::Node& node, int64_t opset, std::span<const Value* const> inputs,
           const operators::Prepared* prepared, RunContext& context)
      : context_(context) {
    node_ = &node;
    opset_ = opset;
    prepared_ = prepared;
    inputs_ = inputs;
    kept_.resize(node.outputs.size());
  }
  std::vector<Value>& outputs() { return kept_; }  // of a node by itself

  Result<Tensor*> output(int i, DType dtype, const Dims& dims) override {
    auto made = Tensor::allocate(dtype, dims, *context_.memory);
    if (!made) return within(node().op_type, std::move(made).error());
    Value& place = place_of(i);
    place = std::move(*made);
    return place.tensor();
  }
  Result<Tensor*> output_reusing(int i, int input, DType dtype, const Dims& dims) override {
    if (step_ != nullptr && input < 32 && (step_->reusable >> input & 1) != 0 && has(input)) {
      const Tensor* held = value(input).tensor();
      const auto count = count_elements(dims);
      if (held != nullptr && held->writable() && held->dtype() == dtype && dtype != DType::String && count &&
          *count == held->size()) {
        Value& place = place_of(i);
        place = held->reshaped(dims);
        return place.tensor();
      }
    }
    return output(i, dtype, dims);
  }
  void set_output(int i, Value value) override { place_of(i) = std::move(value); }
  TensorMemory& memory() override { return *context_.memory; }
  ops::cpu::ThreadPool* pool() override { return context_.pool; }

  Result<std::vector<Value>> run_graph(std::string_view attribute, std::vector<Value> inputs) override {
    if (step_ != nullptr)
      for (const auto& [name, program] : step_->graphs)
        if (name == attribute) {
          std::vector<const Value*> outer;
          outer.reserve(program->captures.size());
          for (const auto& [inside, outside] : program->captures) outer.push_back(frame_->find(outside));
          return run_program(*program, std::move(inputs), outer, context_);
        }
    return invalid("attribute '{}' is absent; it is a graph that the operator needs", attribute);
  }

  void parallel(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) override {
    const int64_t useful = grain > 0 ? count / grain : count;
    if (context_.pool == nullptr || useful < 2) {
      if (count > 0) body(0, count);
      return;
    }
    context_.pool->parallel([&](int part, int parts) {
      const int64_t begin = count * part / parts, end = count * (part + 1) / parts;
      if (begin < end) body(begin, end);
    });
  }
  Result<> check_cancelled() override { return context_.check(); }

 private:
  Value& place_of(int i) {
    CHECK(i >= 0 && i < output_count());
    const auto at = static_cast<size_t>(i);
    if (step_ != nullptr && step_->outputs[at] >= 0) return frame_->slots[static_cast<size_t>(step_->outputs[at])];
    if (kept_.empty()) kept_.resize(node().outputs.size());
    return kept_[at];
  }

  RunContext& context_;
  const Step* step_ = nullptr;
  Frame* frame_ = nullptr;
  std::vector<Value> kept_;  // outputs that have no slot
};

std::string describe(const Value& value) {
  if (const Tensor* tensor = value.tensor())
    return fmt::format("{}{}", to_string(tensor->dtype()), to_string(tensor->dims()));
  if (const Sequence* sequence = value.sequence()) return fmt::format("sequence of {}", sequence->items.size());
  return value.map() != nullptr ? "map" : "nothing";
}

// The kernel's words, and which values it was given.
std::unexpected<Error> failed(const Step& step, const Frame& frame, Error error) {
  if (step.custom != nullptr && !error.message.starts_with("[")) error = within(step.label, std::move(error)).error();
  std::string given;
  for (const ValueId id : step.node->inputs)
    if (id != kNoValue)
      given += fmt::format("{}{} {}", given.empty() ? "" : ", ", frame.program.graph->value(id).name,
                           describe(*frame.find(id)));
  if (!given.empty()) error.message += fmt::format(" (inputs: {})", given);
  return std::unexpected(std::move(error));
}

Result<> check_custom_outputs(const Step& step, const Frame& frame) {
  for (size_t i = 0; i < step.outputs.size(); ++i)
    if (step.outputs[i] >= 0)
      TRY(check_custom_output(i, frame.program.graph->value(step.node->outputs[i]),
                              frame.slots[static_cast<size_t>(step.outputs[i])]));
  return {};
}

Result<> run_step(const Step& step, Frame& frame, RunContext& context) {
  TRY(context.check());
  if (frame.shapes != nullptr) frame.shapes->begin_step(static_cast<size_t>(&step - frame.program.steps.data()));
  StepCall call(step, frame, context);
  const bool timed = context.timings != nullptr || context.trace != nullptr;
  const auto begin = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  auto done = step.custom != nullptr ? (*step.custom)(call) : step.kernel->run(call);
  if (done && step.custom != nullptr) done = check_custom_outputs(step, frame);
  if (!done) return failed(step, frame, std::move(done).error());
  if (timed) {
    const auto end = std::chrono::steady_clock::now();
    if (context.timings != nullptr) context.timings->push_back({&step, begin, end});
    if (context.trace != nullptr) context.trace->span(step.label.c_str(), begin, end);
  }
  for (const int32_t slot : step.release) frame.slots[static_cast<size_t>(slot)] = Value();
  return {};
}

}  // namespace

Result<> RunContext::check() const {
  if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed))
    return fail(ErrorKind::Cancelled, "[run] cancelled by the caller");
  if (deadline && std::chrono::steady_clock::now() >= *deadline)
    return fail(ErrorKind::Limit, "[run] the deadline has passed");
  return {};
}

Result<std::vector<Value>> run_program(const GraphProgram& program, std::vector<Value> inputs,
                                       std::span<const Value* const> outer, RunContext& context) {
  const graph::Graph& graph = *program.graph;
  if (inputs.size() > graph.inputs.size())
    return fail(ErrorKind::Invalid, "[graph '{}'] inputs; got {}, need {}", graph.name, inputs.size(),
                graph.inputs.size());
  Frame frame{program,
              outer,
              std::vector<Value>(static_cast<size_t>(program.slots)),
              std::vector<const Value*>(program.most_inputs),
              std::exchange(context.shapes, nullptr),
              Value()};
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const graph::ValueInfo& info = graph.value(graph.inputs[i]);
    Value& slot = frame.slots[static_cast<size_t>(program.sources[static_cast<size_t>(graph.inputs[i])].index)];
    if (i < inputs.size() && !inputs[i].empty())
      slot = std::move(inputs[i]);
    else if (info.constant)
      slot = info.constant;
  }
  for (const Step& step : program.steps) TRY(run_step(step, frame, context));
  std::vector<Value> outputs;
  outputs.reserve(graph.outputs.size());
  for (const ValueId id : graph.outputs) outputs.push_back(*frame.find(id));
  return outputs;
}

Result<std::vector<Value>> evaluate_node(const graph::Node& node, int64_t opset, std::span<const Value> inputs,
                                         RunContext& context) {
  const operators::KernelEntry* kernel = operators::find_kernel(node.domain, node.op_type, opset);
  if (kernel == nullptr) return fail(ErrorKind::Unsupported, "[{}] has no kernel", node.op_type);
  std::vector<const Value*> pointers;
  std::vector<const Tensor*> constants;
  for (const Value& value : inputs) {
    pointers.push_back(value.empty() ? nullptr : &value);
    constants.push_back(value.tensor());
  }
  std::unique_ptr<operators::Prepared> prepared;
  if (kernel->prepare != nullptr) {
    ASSIGN_OR_RETURN(prepared, kernel->prepare(node, opset, constants));
  }
  StepCall call(node, opset, pointers, prepared.get(), context);
  TRY(kernel->run(call));
  return std::move(call.outputs());
}

}  // namespace hearth::runtime
