#include <mutex>

#include "runtime/program.h"

namespace hearth::runtime {

namespace {

using graph::kNoValue;
using graph::ValueId;

// The values of one graph while it runs.
struct Frame {
  const GraphProgram& program;
  std::vector<Value> values;           // made here
  std::vector<const Value*> borrowed;  // captured ones, in the enclosing frame

  const Value* find(ValueId id) const {
    const auto i = static_cast<size_t>(id);
    if (!program.constants[i].empty()) return &program.constants[i];
    return borrowed[i] != nullptr ? borrowed[i] : &values[i];
  }
};

class StepCall final : public operators::Call {
 public:
  StepCall(const Step& step, RunContext& context) : context_(context), step_(&step) {
    node_ = step.node;
    opset_ = step.opset;
    prepared_ = step.prepared.get();
    outputs_.resize(step.node->outputs.size());
  }
  StepCall(const graph::Node& node, int64_t opset, RunContext& context) : context_(context) {
    node_ = &node;
    opset_ = opset;
    outputs_.resize(node.outputs.size());
  }

  void bind(std::vector<const Value*> inputs, const Frame* frame) {
    inputs_ = std::move(inputs);
    frame_ = frame;
  }
  std::vector<Value>& outputs() { return outputs_; }

  Result<Tensor*> output(int i, DType dtype, const Dims& dims) override {
    CHECK(i < output_count());
    auto made = Tensor::allocate(dtype, dims, *context_.memory);
    if (!made) return within(node().op_type, std::move(made).error());
    outputs_[static_cast<size_t>(i)] = std::move(*made);
    return outputs_[static_cast<size_t>(i)].tensor();
  }
  void set_output(int i, Value value) override {
    CHECK(i < output_count());
    outputs_[static_cast<size_t>(i)] = std::move(value);
  }
  TensorMemory& memory() override { return *context_.memory; }

  Result<std::vector<Value>> run_graph(std::string_view attribute, std::vector<Value> inputs) override {
    if (step_ != nullptr)
      for (const auto& [name, program] : step_->graphs)
        if (name == attribute) {
          std::vector<const Value*> outer(frame_->values.size());
          for (const auto& [inside, outside] : program->captures)
            outer[static_cast<size_t>(outside)] = frame_->find(outside);
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
  RunContext& context_;
  const Step* step_ = nullptr;
  const Frame* frame_ = nullptr;
  std::vector<Value> outputs_;
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

Result<> run_step(const Step& step, Frame& frame, RunContext& context) {
  TRY(context.check());
  StepCall call(step, context);
  std::vector<const Value*> inputs;
  inputs.reserve(step.node->inputs.size());
  for (const ValueId id : step.node->inputs) inputs.push_back(id == kNoValue ? nullptr : frame.find(id));
  call.bind(std::move(inputs), &frame);

  const bool timed = context.timings != nullptr || context.trace != nullptr;
  const auto begin = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  auto done = step.custom != nullptr ? (*step.custom)(call) : step.kernel->run(call);
  if (!done) return failed(step, frame, std::move(done).error());
  if (timed) {
    const auto end = std::chrono::steady_clock::now();
    if (context.timings != nullptr) context.timings->push_back({&step, begin, end});
    if (context.trace != nullptr) context.trace->span(step.label.c_str(), begin, end);
  }
  for (size_t i = 0; i < step.node->outputs.size(); ++i)
    if (const ValueId id = step.node->outputs[i]; id != kNoValue)
      frame.values[static_cast<size_t>(id)] = std::move(call.outputs()[i]);
  for (const ValueId id : step.release) frame.values[static_cast<size_t>(id)] = Value();
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
  Frame frame{program, std::vector<Value>(graph.values.size()), std::vector<const Value*>(graph.values.size())};
  for (const auto& [inside, outside] : program.captures)
    frame.borrowed[static_cast<size_t>(inside)] = outer[static_cast<size_t>(outside)];
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const graph::ValueInfo& info = graph.value(graph.inputs[i]);
    Value& slot = frame.values[static_cast<size_t>(graph.inputs[i])];
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
  StepCall call(node, opset, context);
  std::vector<const Value*> pointers;
  for (const Value& value : inputs) pointers.push_back(value.empty() ? nullptr : &value);
  call.bind(std::move(pointers), nullptr);
  TRY(kernel->run(call));
  return std::move(call.outputs());
}

}  // namespace hearth::runtime
