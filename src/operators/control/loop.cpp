#include <algorithm>

#include "operators/axes.h"
#include "operators/control/condition.h"
#include "operators/control/control_kernels.h"
#include "operators/control/stacked_tensor.h"

namespace hearth::operators {

namespace {

template <class T>
Result<Tensor> scalar(Call& call, DType dtype, T value) {
  ASSIGN_OR_RETURN(Tensor tensor, Tensor::allocate(dtype, {}, call.memory()));
  *tensor.mutable_data<T>() = value;
  return tensor;
}

struct Limits {
  int64_t trips = INT64_MAX;
  bool uses_condition = false;  // otherwise the body's condition is ignored
};

Result<Limits> read_limits(const Call& call) {
  Limits limits;
  if (call.has(0)) {
    ASSIGN_OR_RETURN(limits.trips, one_int(call, 0));
  }
  limits.uses_condition = call.has(1);
  if (!call.has(0) && !call.has(1))
    return call.invalid("trip count and condition; got neither, need one: the loop would never end");
  return limits;
}

}  // namespace

Result<> run_loop(Call& call) {
  const graph::Graph* body = call.node().graph("body");
  if (body == nullptr) return call.invalid("attribute body is absent; it is required");
  if (body->inputs.size() < 2 || body->outputs.size() + 1 < body->inputs.size())
    return call.invalid(
        "body; got {} inputs and {} outputs, need iteration, condition and state in, condition and "
        "state out",
        body->inputs.size(), body->outputs.size());
  const size_t states = body->inputs.size() - 2, stacks = body->outputs.size() - 1 - states;
  if (static_cast<size_t>(call.input_count()) > states + 2 ||
      static_cast<size_t>(call.output_count()) > states + stacks)
    return call.invalid("inputs and outputs; got {} and {}, need at most {} and {}, as the body has",
                        call.input_count(), call.output_count(), states + 2, states + stacks);
  ASSIGN_OR_RETURN(const Limits limits, read_limits(call));
  Value condition;
  bool goes_on = true;
  if (limits.uses_condition) {
    condition = call.value(1);
    ASSIGN_OR_RETURN(goes_on, read_condition(call, condition));
  } else {
    ASSIGN_OR_RETURN(condition, scalar(call, DType::Bool, true));
  }
  std::vector<Value> state(states);
  for (size_t i = 0; i < states; ++i)
    if (call.has(static_cast<int>(i) + 2)) state[i] = call.value(static_cast<int>(i) + 2);
  std::vector<StackedTensor> stacked(
      stacks, StackedTensor(call, call.has(0) ? std::max<int64_t>(limits.trips, 0) : -1, !limits.uses_condition));
  const auto wants_stack = [&](size_t k) { return call.wants(static_cast<int>(states + k)); };

  for (int64_t i = 0; i < limits.trips && goes_on; ++i) {
    TRY(call.check_cancelled());
    ASSIGN_OR_RETURN(Tensor iteration, scalar(call, DType::I64, i));
    std::vector<Value> inputs;
    inputs.reserve(states + 2);
    inputs.emplace_back(std::move(iteration));
    inputs.push_back(std::move(condition));
    for (Value& value : state) inputs.push_back(std::move(value));
    ASSIGN_OR_RETURN(auto outputs, call.run_graph("body", std::move(inputs)));
    if (outputs.size() != 1 + states + stacks)
      return call.invalid("body; got {} outputs, need {}", outputs.size(), 1 + states + stacks);
    condition = std::move(outputs[0]);
    if (limits.uses_condition) {
      ASSIGN_OR_RETURN(goes_on, read_condition(call, condition));
    }
    for (size_t k = 0; k < states; ++k) state[k] = std::move(outputs[1 + k]);
    for (size_t k = 0; k < stacks; ++k)
      if (wants_stack(k)) TRY(stacked[k].add(outputs[1 + states + k]));
  }
  for (size_t k = 0; k < states; ++k)
    if (call.wants(static_cast<int>(k))) call.set_output(static_cast<int>(k), std::move(state[k]));
  for (size_t k = 0; k < stacks; ++k)
    if (wants_stack(k)) {
      ASSIGN_OR_RETURN(Tensor whole, stacked[k].finish(0, false, body->value(body->outputs[1 + states + k]).type));
      call.set_output(static_cast<int>(states + k), std::move(whole));
    }
  return {};
}

}  // namespace hearth::operators
