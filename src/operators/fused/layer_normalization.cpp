#include "operators/fused/plan.h"

namespace hearth::operators::fused {

namespace {

struct NormPlan final : Prepared {
  float epsilon = 1e-5f;
};

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_layer_normalization(const graph::Node& node, int64_t,
                                                              std::span<const Tensor* const>) {
  auto plan = std::make_unique<NormPlan>();
  plan->epsilon = node.float_or("epsilon", 1e-5f);
  if (!(plan->epsilon >= 0))
    return fail(ErrorKind::Invalid, "attribute 'epsilon'; got {}, need at least 0", plan->epsilon);
  return plan;
}

Result<> run_layer_normalization(Call& call) {
  const auto& plan = *static_cast<const NormPlan*>(call.prepared());
  ASSIGN_OR_RETURN(const Tensor* x, floats(call, 0));
  if (x->rank() < 1) return call.invalid("input; got a scalar, need at least one dimension");
  const int64_t columns = x->dims().back();
  const float* factors[2] = {};
  for (int i = 1; i <= 2; ++i) {
    if (i == 2 && !call.has(2)) break;
    ASSIGN_OR_RETURN(const Tensor* given, floats(call, i));
    if (given->size() != columns)
      return call.invalid("{}; got {}, need [{}]", i == 1 ? "scale" : "shift", to_string(given->dims()), columns);
    factors[i - 1] = given->data<float>();
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, x->dims()));
  if (y->size() == 0) return {};
  ops::cpu::dense_kernels().layer_norm(x->data<float>(), factors[0], factors[1], plan.epsilon, y->mutable_data<float>(),
                                       y->size() / columns, columns, call.pool());
  return {};
}

}  // namespace hearth::operators::fused
