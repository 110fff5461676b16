#include "operators/fused/quantised_plan.h"

namespace hearth::operators::fused {

namespace {

using ops::cpu::quantised_kernels;

struct QuantisedMatMulPlan final : QuantisedPlan {
  int64_t k = 0, n = 0;
};

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_quantised_matmul(const graph::Node& node, int64_t,
                                                           std::span<const Tensor* const> constants) {
  auto plan = std::make_unique<QuantisedMatMulPlan>();
  ASSIGN_OR_RETURN(plan->k, read_int(node, "k", 1));
  ASSIGN_OR_RETURN(plan->n, read_int(node, "n", 1));
  if (plan->k > kMaxTensorElements / plan->n)
    return fail(ErrorKind::Invalid, "attributes 'k' and 'n'; got {} and {}, need at most {} elements", plan->k, plan->n,
                kMaxTensorElements);
  TRY(plan->read(node));
  const Tensor* b = constants.size() > 1 ? constants[1] : nullptr;
  if (b == nullptr)
    return fail(ErrorKind::Invalid, "factor B, input 1, is no constant; passes make this operator for constants only");
  const auto& kernels = quantised_kernels();
  const size_t bytes = kernels.packed_matrix_bytes(plan->k, plan->n);
  if (b->dtype() == DType::U8) {
    if (b->bytes() != bytes)
      return fail(ErrorKind::Invalid, "packed factor B; got {} bytes, need {} for [{}, {}]", b->bytes(), bytes, plan->k,
                  plan->n);
    return plan;
  }
  if (b->dtype() != DType::I8 || b->dims() != Dims{plan->k, plan->n})
    return fail(ErrorKind::Invalid, "factor B; got {}{}, need i8[{}, {}] or packed bytes", to_string(b->dtype()),
                to_string(b->dims()), plan->k, plan->n);
  ASSIGN_OR_RETURN(plan->packed, Tensor::allocate(DType::U8, {static_cast<int64_t>(bytes)}));
  kernels.pack_matrix(b->data<int8_t>(), plan->n, 1, plan->k, plan->n, plan->packed.mutable_raw());
  plan->replaces = 1u << 1;
  plan->bytes = bytes;
  return plan;
}

Result<> run_quantised_matmul(Call& call) {
  const auto& plan = *static_cast<const QuantisedMatMulPlan*>(call.prepared());
  const auto& kernels = quantised_kernels();
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  const auto type = byte_type(a->dtype());
  if (!type || a->rank() < 1 || a->dims().back() != plan.k)
    return call.invalid("factor A; got {}{}, need u8 or i8 with a last dimension of {}", to_string(a->dtype()),
                        to_string(a->dims()), plan.k);
  Dims dims = a->dims();
  dims[dims.size() - 1] = plan.n;
  ops::cpu::QuantisedMatmulJob job;
  ASSIGN_OR_RETURN(job.a_zero, left_zero(call, a->dtype()));
  ASSIGN_OR_RETURN(job.b_zero, right_zeros(call, plan.n));
  ASSIGN_OR_RETURN(const BoundFinish finish,
                   BoundFinish::bind(call, plan, plan.n, dims, call.has(7) ? call.input(7).raw() : nullptr));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, plan.out_type(), dims));
  if (y->size() == 0) return {};
  job.m = y->size() / plan.n;
  job.n = plan.n;
  job.k = plan.k;
  job.a = a->raw();
  job.a_type = *type;
  job.lda = plan.k;
  job.b = plan.packed ? plan.packed.raw() : call.input(1).raw();
  job.finish = finish.over(y->mutable_raw(), plan.n);
  ASSIGN_OR_RETURN(const auto scratch, KernelScratch::make(call, kernels.matmul_scratch(job, threads_of(call))));
  kernels.matmul(job, scratch.data(), call.pool());
  return {};
}

}  // namespace hearth::operators::fused
