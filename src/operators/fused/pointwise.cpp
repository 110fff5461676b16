#include <algorithm>

#include "operators/fused/plan.h"

namespace hearth::operators::fused {

namespace {

struct PointwisePlan final : Prepared {
  StepPlan steps;
  bool reads_x_again = false;  // as an operand: then the result must not take its place
};

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_pointwise(const graph::Node& node, int64_t, std::span<const Tensor* const>) {
  auto plan = std::make_unique<PointwisePlan>();
  ASSIGN_OR_RETURN(plan->steps, parse_steps(node.strings("steps"), static_cast<int>(node.inputs.size())));
  plan->reads_x_again = std::ranges::find(plan->steps.operand_inputs, 0) != plan->steps.operand_inputs.end();
  return plan;
}

Result<> run_pointwise(Call& call) {
  const auto& plan = *static_cast<const PointwisePlan*>(call.prepared());
  ASSIGN_OR_RETURN(const Tensor* x, floats(call, 0));
  const Dims dims = x->dims();
  const float* from = x->data<float>();
  ASSIGN_OR_RETURN(const BoundSteps steps, BoundSteps::bind(call, plan.steps, dims));
  ASSIGN_OR_RETURN(Tensor * y,
                   plan.reads_x_again ? call.output(0, DType::F32, dims) : call.output_reusing(0, 0, DType::F32, dims));
  if (y->size() == 0) return {};
  const int64_t columns = dims.empty() ? 1 : dims.back();
  ops::cpu::dense_kernels().pointwise(from, columns, y->mutable_data<float>(), columns, y->size() / columns, columns,
                                      steps.program(), call.pool());
  return {};
}

}  // namespace hearth::operators::fused
