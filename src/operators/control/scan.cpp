#include "operators/axes.h"
#include "operators/control/control_kernels.h"
#include "operators/control/stacked_tensor.h"
#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

// What the body takes and gives: states in and out, a position of each scanned tensor in, an element of each stack out.
struct Body {
  const graph::Graph* graph = nullptr;
  size_t states = 0, scanned = 0, stacks = 0;

  const graph::Type& stack_type(size_t k) const { return graph->value(graph->outputs[states + k]).type; }
};

// `first`: the input where the states begin.
Result<Body> read_body(const Call& call, int first) {
  Body body;
  body.graph = call.node().graph("body");
  if (body.graph == nullptr) return call.invalid("attribute body is absent; it is required");
  const int64_t scanned = call.node().int_or("num_scan_inputs", 0);
  const int64_t inputs = call.input_count() - first;
  if (scanned < 1 || scanned > inputs)
    return call.invalid("attribute num_scan_inputs; got {}, need 1 to {}", scanned, inputs);
  body.scanned = static_cast<size_t>(scanned);
  body.states = static_cast<size_t>(inputs - scanned);
  if (body.graph->inputs.size() != static_cast<size_t>(inputs) || body.graph->outputs.size() < body.states)
    return call.invalid("body; got {} inputs and {} outputs, need {} inputs and at least {} outputs",
                        body.graph->inputs.size(), body.graph->outputs.size(), inputs, body.states);
  body.stacks = body.graph->outputs.size() - body.states;
  if (static_cast<size_t>(call.output_count()) > body.states + body.stacks)
    return call.invalid("outputs; got {}, need at most {}, as the body has", call.output_count(),
                        body.states + body.stacks);
  return body;
}

// A list with an entry for each of `count`, or none at all.
Result<std::vector<int64_t>> read_list(const Call& call, std::string_view attribute, size_t count) {
  const auto given = call.node().ints(attribute);
  std::vector<int64_t> list(given.begin(), given.end());
  if (list.empty()) list.assign(count, 0);
  if (list.size() != count) return call.invalid("attribute {}; got {} numbers, need {}", attribute, list.size(), count);
  return list;
}

Result<std::vector<bool>> read_directions(const Call& call, std::string_view attribute, size_t count) {
  ASSIGN_OR_RETURN(const auto list, read_list(call, attribute, count));
  std::vector<bool> backwards;
  for (const int64_t direction : list) {
    if (direction != 0 && direction != 1)
      return call.invalid("attribute {}; got {}, need 0 (forwards) or 1 (backwards)", attribute, direction);
    backwards.push_back(direction == 1);
  }
  return backwards;
}

struct Scanned {
  Tensor tensor;
  int axis = 0;
  bool backwards = false;
};

// Runs the body for `length` positions; the states are updated, the stacks that are not null filled.
Result<> iterate(Call& call, const Body& body, int64_t length, std::span<const Scanned> scanned,
                 std::vector<Value>& states, std::span<StackedTensor* const> stacks) {
  for (int64_t t = 0; t < length; ++t) {
    TRY(call.check_cancelled());
    std::vector<Value> inputs;
    inputs.reserve(body.states + body.scanned);
    for (Value& state : states) inputs.push_back(std::move(state));
    for (const Scanned& input : scanned) {
      ASSIGN_OR_RETURN(Tensor taken,
                       take_position(call, input.tensor, input.axis, input.backwards ? length - 1 - t : t));
      inputs.emplace_back(std::move(taken));
    }
    ASSIGN_OR_RETURN(auto outputs, call.run_graph("body", std::move(inputs)));
    if (outputs.size() != body.states + body.stacks)
      return call.invalid("body; got {} outputs, need {}", outputs.size(), body.states + body.stacks);
    for (size_t k = 0; k < body.states; ++k) states[k] = std::move(outputs[k]);
    for (size_t k = 0; k < body.stacks; ++k)
      if (stacks[k] != nullptr) TRY(stacks[k]->add(outputs[body.states + k]));
  }
  return {};
}

}  // namespace

Result<> run_scan(Call& call) {
  ASSIGN_OR_RETURN(const Body body, read_body(call, 0));
  ASSIGN_OR_RETURN(const auto backwards, read_directions(call, "scan_input_directions", body.scanned));
  ASSIGN_OR_RETURN(const auto axes, read_list(call, "scan_input_axes", body.scanned));
  ASSIGN_OR_RETURN(const auto prepends, read_directions(call, "scan_output_directions", body.stacks));
  ASSIGN_OR_RETURN(const auto output_axes, read_list(call, "scan_output_axes", body.stacks));
  std::vector<Value> states(body.states);
  for (size_t i = 0; i < body.states; ++i)
    if (call.has(static_cast<int>(i))) states[i] = call.value(static_cast<int>(i));
  std::vector<Scanned> scanned;
  int64_t length = -1;
  for (size_t i = 0; i < body.scanned; ++i) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(static_cast<int>(body.states + i)));
    ASSIGN_OR_RETURN(const int axis, normalise_axis(call, axes[i], tensor->rank()));
    if (length >= 0 && tensor->dim(axis) != length)
      return call.invalid("lengths of the scanned inputs; got {} and {}, need one", length, tensor->dim(axis));
    length = tensor->dim(axis);
    scanned.push_back({*tensor, axis, backwards[i]});
  }
  std::vector<StackedTensor> stacks(body.stacks, StackedTensor(call, length, true));
  std::vector<StackedTensor*> wanted(body.stacks);
  for (size_t k = 0; k < body.stacks; ++k)
    wanted[k] = call.wants(static_cast<int>(body.states + k)) ? &stacks[k] : nullptr;
  TRY(iterate(call, body, length, scanned, states, wanted));
  for (size_t k = 0; k < body.states; ++k)
    if (call.wants(static_cast<int>(k))) call.set_output(static_cast<int>(k), std::move(states[k]));
  for (size_t k = 0; k < body.stacks; ++k)
    if (wanted[k] != nullptr) {
      ASSIGN_OR_RETURN(Tensor whole, stacks[k].finish(output_axes[k], prepends[k], body.stack_type(k)));
      call.set_output(static_cast<int>(body.states + k), std::move(whole));
    }
  return {};
}

namespace {

struct Batch {
  Body body;
  std::vector<bool> backwards;
  std::vector<const Tensor*> inputs;  // states, then scanned ones: [batch, …] and [batch, length, …]
  std::vector<int64_t> lengths;       // one a sample
  int64_t size = 0, length = 0;
};

Result<Batch> read_batch(const Call& call) {
  Batch batch;
  ASSIGN_OR_RETURN(batch.body, read_body(call, 1));
  ASSIGN_OR_RETURN(batch.backwards, read_directions(call, "directions", batch.body.scanned));
  for (size_t i = 0; i < batch.body.states + batch.body.scanned; ++i) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(static_cast<int>(i) + 1));
    const bool is_state = i < batch.body.states;
    if (tensor->rank() < (is_state ? 1 : 2))
      return call.invalid("input {}; got shape {}, need a batch{}", i + 1, to_string(tensor->dims()),
                          is_state ? "" : " and a length");
    if (i == 0) batch.size = tensor->dim(0);
    if (i == batch.body.states) batch.length = tensor->dim(1);
    if (tensor->dim(0) != batch.size || (!is_state && tensor->dim(1) != batch.length))
      return call.invalid("input {}; got shape {}, need a batch of {}{}", i + 1, to_string(tensor->dims()), batch.size,
                          is_state ? "" : fmt::format(" and a length of {}", batch.length));
    batch.inputs.push_back(tensor);
  }
  if (call.has(0)) {
    ASSIGN_OR_RETURN(batch.lengths, int_list(call, 0));
    if (static_cast<int64_t>(batch.lengths.size()) != batch.size)
      return call.invalid("sequence_lens; got {}, need {}, one a sample", batch.lengths.size(), batch.size);
    for (const int64_t length : batch.lengths)
      if (length < 0 || length > batch.length)
        return call.invalid("sequence length; got {}, need 0 to {}", length, batch.length);
  }
  return batch;
}

// The stack of one sample, as long as those of the others.
Result<Tensor> finish_sample(Call& call, const Batch& batch, StackedTensor& stack, size_t k) {
  if (stack.count() > 0) {
    TRY(stack.pad_to(batch.length));
    return stack.finish(0, false, batch.body.stack_type(k));
  }
  // No iteration told its sizes.
  ASSIGN_OR_RETURN(DeclaredTensor declared, declared_tensor(call, batch.body.stack_type(k)));
  if (!Dims::fits(declared.dims.size() + 1))
    return call.unsupported("dimensions of a stacked output; got {}, need at most {}", declared.dims.size() + 1,
                            HEARTH_MAX_RANK);
  declared.dims.insert(0, batch.length);
  ASSIGN_OR_RETURN(Tensor zeros, Tensor::allocate(declared.dtype, declared.dims, call.memory()));
  fill(zeros);
  return zeros;
}

// The type of [batch.length, …]: what a stack of no samples is made of.
graph::Type with_length(const graph::Type& element, int64_t length) {
  graph::Type whole = element;
  if (whole.shape) whole.shape->insert(whole.shape->begin(), graph::Dimension(length));
  return whole;
}

}  // namespace

Result<> run_batched_scan(Call& call) {
  ASSIGN_OR_RETURN(const Batch batch, read_batch(call));
  const Body& body = batch.body;
  std::vector<StackedTensor> results(body.states + body.stacks, StackedTensor(call, batch.size, true));
  for (int64_t sample = 0; sample < batch.size; ++sample) {
    TRY(call.check_cancelled());
    std::vector<Value> states;
    std::vector<Scanned> scanned;
    for (size_t i = 0; i < batch.inputs.size(); ++i) {
      ASSIGN_OR_RETURN(Tensor own, take_position(call, *batch.inputs[i], 0, sample));
      if (i < body.states)
        states.emplace_back(std::move(own));
      else
        scanned.push_back({std::move(own), 0, batch.backwards[i - body.states]});
    }
    const int64_t length = batch.lengths.empty() ? batch.length : batch.lengths[static_cast<size_t>(sample)];
    std::vector<StackedTensor> stacks(body.stacks, StackedTensor(call, batch.length, true));
    std::vector<StackedTensor*> wanted;
    for (StackedTensor& stack : stacks) wanted.push_back(&stack);
    TRY(iterate(call, body, length, scanned, states, wanted));
    for (size_t k = 0; k < body.states; ++k) TRY(results[k].add(states[k]));
    for (size_t k = 0; k < body.stacks; ++k) {
      ASSIGN_OR_RETURN(Tensor whole, finish_sample(call, batch, stacks[k], k));
      TRY(results[body.states + k].add(whole));
    }
  }
  for (size_t k = 0; k < results.size(); ++k) {
    if (!call.wants(static_cast<int>(k))) continue;
    const graph::Type& element = body.graph->value(body.graph->outputs[k]).type;
    ASSIGN_OR_RETURN(Tensor whole,
                     results[k].finish(0, false, k < body.states ? element : with_length(element, batch.length)));
    call.set_output(static_cast<int>(k), std::move(whole));
  }
  return {};
}

}  // namespace hearth::operators
