// The attribute `steps` of the internal operators (graph/internal_operators.h) as programs of ops/cpu/pointwise.h:
// parsed once in prepare, their operands held against the result in every run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "operators/kernel.h"
#include "ops/cpu/pointwise.h"

namespace hearth::operators::fused {

inline constexpr size_t kMaxSteps = 64, kMaxOperands = 16;

struct StepPlan {
  std::vector<ops::cpu::PointwiseStep> steps;  // their operands are indices into operand_inputs
  std::vector<int> operand_inputs;             // inputs of the node, each once
};

// "add 3", "clip 0 6" …: Invalid for an unknown name (the nearest is suggested), a missing, superfluous or malformed
// number, an operand that is none of the node's `inputs` inputs, and more steps or operands than the limits.
Result<StepPlan> parse_steps(std::span<const std::string> texts, int inputs);

// The name that a step has in texts.
std::string_view step_name(ops::cpu::Pointwise op);

// How a tensor of sizes `operand` lies over a result of sizes `result`, seen as rows of its last dimension. False when
// it is in none of the ways that the operators allow.
bool spread_over(const Dims& operand, const Dims& result, ops::cpu::Operand& spread);

// A plan with the operands of one call. Lives as long as that and the plan; no heap.
class BoundSteps {
 public:
  // Invalid when an operand is absent, not f32, or does not broadcast to the result.
  static Result<BoundSteps> bind(const Call& call, const StepPlan& plan, const Dims& result);
  ops::cpu::PointwiseProgram program() const {
    return {plan_->steps, std::span(operands_, plan_->operand_inputs.size())};
  }

 private:
  const StepPlan* plan_ = nullptr;
  ops::cpu::Operand operands_[kMaxOperands];
};

}  // namespace hearth::operators::fused
