#include <algorithm>
#include <limits>

#include "operators/fused/quantised_plan.h"

namespace hearth::operators::fused {

namespace {

struct PoolPlan final : Prepared {
  WindowPlan window;
  bool count_include_pad = false;
};

Result<> run_pool(Call& call, bool average) {
  const auto& plan = *static_cast<const PoolPlan*>(call.prepared());
  ASSIGN_OR_RETURN(const Tensor* x, floats(call, 0));
  ops::cpu::PoolJob job;
  ASSIGN_OR_RETURN(job.shape, plan.window.over(call, x->dims()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, plan.window.result(job.shape, job.shape.channels)));
  if (y->size() == 0) return {};
  job.x = x->data<float>();
  job.y = y->mutable_data<float>();
  job.average = average;
  job.count_include_pad = plan.count_include_pad;
  job.pad_bottom = plan.window.pad_end[0];
  job.pad_right = plan.window.pad_end[1];
  ops::cpu::dense_kernels().pool(job, call.pool());
  return {};
}

Result<> run_byte_pool(Call& call, ops::cpu::ByteType type) {
  const auto& plan = *static_cast<const PoolPlan*>(call.prepared());
  const Tensor& x = call.input(0);
  ops::cpu::BytePoolJob job{.type = type};
  ASSIGN_OR_RETURN(job.shape, plan.window.over(call, x.dims()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x.dtype(), plan.window.result(job.shape, job.shape.channels)));
  if (y->size() == 0) return {};
  job.x = x.raw();
  job.y = y->mutable_raw();
  ops::cpu::quantised_kernels().max_pool(job, call.pool());
  return {};
}

Result<std::unique_ptr<Prepared>> prepare_pool(const graph::Node& node) {
  auto plan = std::make_unique<PoolPlan>();
  ASSIGN_OR_RETURN(plan->window, read_window(node));
  plan->count_include_pad = node.int_or("count_include_pad", 0) != 0;
  return plan;
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_max_pool(const graph::Node& node, int64_t, std::span<const Tensor* const>) {
  return prepare_pool(node);
}
Result<std::unique_ptr<Prepared>> prepare_average_pool(const graph::Node& node, int64_t,
                                                       std::span<const Tensor* const>) {
  return prepare_pool(node);
}
Result<> run_max_pool(Call& call) {
  const auto type = call.has(0) && call.value(0).tensor() != nullptr ? byte_type(call.input(0).dtype()) : std::nullopt;
  return type ? run_byte_pool(call, *type) : run_pool(call, false);
}
Result<> run_average_pool(Call& call) {
  return run_pool(call, true);
}

Result<> run_global_average_pool(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, floats(call, 0));
  if (x->rank() < 3) return call.invalid("input; got {}, need [N, spatial dimensions, C]", to_string(x->dims()));
  Dims dims = x->dims();
  int64_t rows = 1;
  for (size_t i = 1; i + 1 < dims.size(); ++i) {
    rows *= dims[i];
    dims[i] = 1;
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, dims));
  if (y->size() == 0) return {};
  if (rows == 0)
    std::fill_n(y->mutable_data<float>(), y->size(), std::numeric_limits<float>::quiet_NaN());  // the mean of nothing
  else
    ops::cpu::dense_kernels().column_means(x->data<float>(), y->mutable_data<float>(), dims[0], rows, dims.back(),
                                           call.pool());
  return {};
}

}  // namespace hearth::operators::fused
