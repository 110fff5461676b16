#include "operators/fused/plan.h"
#include "operators/pack_weight.h"

namespace hearth::operators::fused {

namespace {

using ops::cpu::dense_kernels;
using ops::cpu::Factors;

struct MatMulPlan final : Prepared {
  int64_t k = 0, n = 0;
  Factors factors = Factors::F32;
  Tensor packed;  // of a plain constant B
  StepPlan steps;
};

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_matmul(const graph::Node& node, int64_t,
                                                 std::span<const Tensor* const> constants) {
  auto plan = std::make_unique<MatMulPlan>();
  ASSIGN_OR_RETURN(plan->k, read_int(node, "k", 1));
  ASSIGN_OR_RETURN(plan->n, read_int(node, "n", 1));
  if (plan->k > kMaxTensorElements / plan->n)
    return fail(ErrorKind::Invalid, "attributes 'k' and 'n'; got {} and {}, need at most {} elements", plan->k, plan->n,
                kMaxTensorElements);
  ASSIGN_OR_RETURN(plan->factors, read_factors(node));
  ASSIGN_OR_RETURN(plan->steps, parse_steps(node.strings("steps"), static_cast<int>(node.inputs.size())));
  const Tensor* b = constants.size() > 1 ? constants[1] : nullptr;
  if (b == nullptr)
    return fail(ErrorKind::Invalid, "factor B, input 1, is no constant; passes make this operator for constants only");
  const auto& kernels = dense_kernels();
  const size_t bytes =
      kernels.packed_matrix_bytes(plan->k, plan->n, b->dtype() == DType::F32 ? Factors::F32 : plan->factors);
  if (b->dtype() == DType::U8) {
    if (b->bytes() != bytes)
      return fail(ErrorKind::Invalid, "packed factor B; got {} bytes, need {} for [{}, {}]", b->bytes(), bytes, plan->k,
                  plan->n);
    return plan;
  }
  if (b->dtype() != DType::F32 || b->dims() != Dims{plan->k, plan->n})
    return fail(ErrorKind::Invalid, "factor B; got {}{}, need f32[{}, {}] or packed bytes", to_string(b->dtype()),
                to_string(b->dims()), plan->k, plan->n);
  plan->factors = Factors::F32;
  ASSIGN_OR_RETURN(plan->packed, WeightPacking::matrix(StridedFloats::of(*b), plan->k, plan->n, plan->factors).pack());
  plan->replaces = 1u << 1;
  plan->bytes = bytes;
  return plan;
}

Result<> run_matmul(Call& call) {
  const auto& plan = *static_cast<const MatMulPlan*>(call.prepared());
  const auto& kernels = dense_kernels();
  ASSIGN_OR_RETURN(const Tensor* a, floats(call, 0));
  if (a->rank() < 1 || a->dims().back() != plan.k)
    return call.invalid("factor A; got {}, need a last dimension of {}", to_string(a->dims()), plan.k);
  ops::cpu::MatmulJob job;
  if (call.has(2)) {
    ASSIGN_OR_RETURN(const Tensor* bias, floats(call, 2));
    if (bias->size() != plan.n) return call.invalid("bias; got {}, need [{}]", to_string(bias->dims()), plan.n);
    job.bias = bias->data<float>();
  }
  Dims dims = a->dims();
  dims[dims.size() - 1] = plan.n;
  ASSIGN_OR_RETURN(const BoundSteps steps, BoundSteps::bind(call, plan.steps, dims));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, dims));
  if (y->size() == 0) return {};
  job.m = y->size() / plan.n;
  job.n = plan.n;
  job.k = plan.k;
  job.a = a->data<float>();
  job.lda = plan.k;
  job.b = plan.packed ? plan.packed.raw() : call.input(1).raw();
  job.factors = plan.factors;
  job.c = y->mutable_data<float>();
  job.ldc = plan.n;
  job.program = steps.program();
  ASSIGN_OR_RETURN(const auto scratch, KernelScratch::make(call, kernels.matmul_scratch(job, threads_of(call))));
  kernels.matmul(job, scratch.data(), call.pool());
  return {};
}

}  // namespace hearth::operators::fused
