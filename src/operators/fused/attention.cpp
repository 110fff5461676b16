#include <algorithm>
#include <cmath>

#include "operators/broadcast.h"
#include "operators/fused/plan.h"

namespace hearth::operators::fused {

namespace {

struct AttentionPlan final : Prepared {
  int64_t heads = 1, kv_heads = 1;
  float scale = 1;
  ops::cpu::Factors factors = ops::cpu::Factors::F32;
};

ops::cpu::AttentionStrides strides_of(const Tensor& x, int64_t head) {
  return {.batch = x.dim(1) * x.dim(2), .head = head, .row = x.dim(2)};
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_attention(const graph::Node& node, int64_t, std::span<const Tensor* const>) {
  auto plan = std::make_unique<AttentionPlan>();
  ASSIGN_OR_RETURN(plan->heads, read_int(node, "heads", 1));
  ASSIGN_OR_RETURN(plan->kv_heads, read_int(node, "kv_heads", 1));
  if (plan->heads % plan->kv_heads != 0)
    return fail(ErrorKind::Invalid, "attribute 'kv_heads'; got {}, need a divisor of heads {}", plan->kv_heads,
                plan->heads);
  ASSIGN_OR_RETURN(plan->factors, read_factors(node));
  plan->scale = node.float_or("scale", 1);
  if (!node.has("scale") || !std::isfinite(plan->scale))
    return fail(ErrorKind::Invalid, "attribute 'scale'; got {}, need a finite number",
                node.has("scale") ? fmt::format("{}", plan->scale) : "none");
  return plan;
}

Result<> run_attention(Call& call) {
  const auto& plan = *static_cast<const AttentionPlan*>(call.prepared());
  ASSIGN_OR_RETURN(const Tensor* q, floats(call, 0));
  ASSIGN_OR_RETURN(const Tensor* k, floats(call, 1));
  ASSIGN_OR_RETURN(const Tensor* v, floats(call, 2));
  if (q->rank() != 3 || k->rank() != 3 || v->rank() != 3 || k->dim(0) != q->dim(0) || v->dim(0) != q->dim(0) ||
      v->dim(1) != k->dim(1) || q->dim(2) % plan.heads != 0 || v->dim(2) % plan.kv_heads != 0 ||
      k->dim(2) != q->dim(2) / plan.heads * plan.kv_heads)
    return call.invalid("Q, K, V; got {}, {} and {}, need [B, S, {} * size], [B, T, {} * size], [B, T, {} * value]",
                        to_string(q->dims()), to_string(k->dims()), to_string(v->dims()), plan.heads, plan.kv_heads,
                        plan.kv_heads);
  ops::cpu::AttentionJob job;
  job.batch = q->dim(0);
  job.heads = plan.heads;
  job.kv_heads = plan.kv_heads;
  job.queries = q->dim(1);
  job.keys = k->dim(1);
  job.head_size = q->dim(2) / plan.heads;
  job.value_size = v->dim(2) / plan.kv_heads;
  job.scale = plan.scale;
  job.factors = plan.factors;
  if (call.has(3)) {
    ASSIGN_OR_RETURN(const Tensor* mask, floats(call, 3));
    const Dims scores{job.batch, job.heads, job.queries, job.keys};
    if (!broadcasts_to(mask->dims(), scores))
      return call.invalid("mask; got {}, need what broadcasts to {}", to_string(mask->dims()), to_string(scores));
    int64_t strides[4] = {}, stride = 1;
    for (int i = mask->rank() - 1, at = 3; i >= 0; --i, --at) {
      strides[at] = mask->dim(i) == 1 ? 0 : stride;
      stride *= mask->dim(i);
    }
    job.mask = mask->data<float>();
    job.mask_strides = {.batch = strides[0], .head = strides[1], .row = strides[2]};
    job.mask_column = strides[3];
  }
  ASSIGN_OR_RETURN(const int64_t width, count_elements(Dims{plan.heads, job.value_size}));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, {job.batch, job.queries, width}));
  if (y->size() == 0) return {};
  if (job.keys == 0 || job.head_size == 0) {
    if (job.keys > 0) return call.unsupported("heads of size 0");
    std::fill_n(y->mutable_data<float>(), y->size(), 0.0f);  // nothing to attend to
    return {};
  }
  job.q = q->data<float>();
  job.k = k->data<float>();
  job.v = v->data<float>();
  job.q_strides = strides_of(*q, job.head_size);
  job.k_strides = strides_of(*k, job.head_size);
  job.v_strides = strides_of(*v, job.value_size);
  job.out = y->mutable_data<float>();
  job.out_strides = strides_of(*y, job.value_size);
  const auto& kernels = ops::cpu::dense_kernels();
  ASSIGN_OR_RETURN(const auto scratch, KernelScratch::make(call, kernels.attention_scratch(job, threads_of(call))));
  kernels.attention(job, scratch.data(), call.pool());
  return {};
}

}  // namespace hearth::operators::fused
