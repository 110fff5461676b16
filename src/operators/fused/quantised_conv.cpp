#include <algorithm>

#include "operators/fused/quantised_plan.h"

namespace hearth::operators::fused {

namespace {

using ops::cpu::ConvShape;
using ops::cpu::quantised_kernels;

struct QuantisedConvPlan final : QuantisedPlan {
  WindowPlan window;
  int64_t groups = 1, channels = 0, out_channels = 0;
  bool channels_first = false;
};

// [batch, rows, columns] → [batch, columns, rows]; elements of one or four bytes.
void transpose(Call& call, const void* from, void* to, int64_t element_bytes, int64_t batch, int64_t rows,
               int64_t columns) {
  if (element_bytes == 4) {
    ops::cpu::dense_kernels().transpose(static_cast<const float*>(from), static_cast<float*>(to), batch, rows, columns,
                                        call.pool());
    return;
  }
  constexpr int64_t kTile = 32;
  const auto* x = static_cast<const uint8_t*>(from);
  auto* y = static_cast<uint8_t*>(to);
  for (int64_t b = 0; b < batch; ++b, x += rows * columns, y += rows * columns)
    for (int64_t r = 0; r < rows; r += kTile)
      for (int64_t c = 0; c < columns; c += kTile)
        for (int64_t i = r; i < std::min(r + kTile, rows); ++i)
          for (int64_t j = c; j < std::min(c + kTile, columns); ++j) y[j * rows + i] = x[i * columns + j];
}

// A tensor of bytes [N, C, spatial…] as channels-last.
Result<KernelScratch> last_of(Call& call, const Tensor& x) {
  ASSIGN_OR_RETURN(auto room, KernelScratch::make(call, x.bytes()));
  if (x.size() > 0) {
    const int64_t n = x.dim(0), channels = x.dim(1);
    transpose(call, x.raw(), room.data(), 1, n, channels, x.size() / n / channels);
  }
  return room;
}

Dims last_dims(const Dims& first) {
  Dims dims = first;
  for (size_t i = 1; i + 1 < dims.size(); ++i) dims[i] = first[i + 1];
  dims[dims.size() - 1] = first[1];
  return dims;
}

Dims first_dims(const Dims& last) {
  Dims dims = last;
  dims[1] = last.back();
  for (size_t i = 2; i < dims.size(); ++i) dims[i] = last[i - 1];
  return dims;
}

ConvShape weight_shape(const QuantisedConvPlan& plan) {
  return {.channels = plan.channels,
          .out_channels = plan.out_channels,
          .kernel_height = plan.window.kernel[0],
          .kernel_width = plan.window.kernel[1],
          .groups = plan.groups};
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_quantised_conv(const graph::Node& node, int64_t,
                                                         std::span<const Tensor* const> constants) {
  auto plan = std::make_unique<QuantisedConvPlan>();
  ASSIGN_OR_RETURN(plan->window, read_window(node));
  ASSIGN_OR_RETURN(plan->out_channels, read_int(node, "out_channels", 1));
  ASSIGN_OR_RETURN(plan->channels, read_int(node, "channels", 1));
  plan->groups = node.int_or("group", 1);
  if (plan->groups < 1 || plan->out_channels % plan->groups != 0 || plan->channels % plan->groups != 0)
    return fail(ErrorKind::Invalid, "attribute 'group'; got {}, need a divisor of channels {} and out_channels {}",
                plan->groups, plan->channels, plan->out_channels);
  plan->channels_first = node.int_or("channels_first", 0) != 0;
  TRY(plan->read(node));
  if (plan->channels_first && !plan->steps.steps.empty())
    return fail(ErrorKind::Invalid, "attribute 'steps'; got some, need none while channels stand first");
  Dims dims{plan->out_channels, plan->channels / plan->groups};
  for (int i = 2 - plan->window.axes; i < 2; ++i) dims.push_back(plan->window.kernel[i]);
  TRY(count_elements(dims));
  const Tensor* w = constants.size() > 1 ? constants[1] : nullptr;
  if (w == nullptr)
    return fail(ErrorKind::Invalid, "weight, input 1, is no constant; passes make this operator for constants only");
  const auto& kernels = quantised_kernels();
  const size_t bytes = kernels.packed_conv_bytes(weight_shape(*plan));
  if (w->dtype() == DType::U8) {
    if (w->bytes() != bytes)
      return fail(ErrorKind::Invalid, "packed weight; got {} bytes, need {} for {}", w->bytes(), bytes,
                  to_string(dims));
    return plan;
  }
  if (w->dtype() != DType::I8 || w->dims() != dims)
    return fail(ErrorKind::Invalid, "weight; got {}{}, need i8{} or packed bytes", to_string(w->dtype()),
                to_string(w->dims()), to_string(dims));
  ASSIGN_OR_RETURN(plan->packed, Tensor::allocate(DType::U8, {static_cast<int64_t>(bytes)}));
  kernels.pack_conv(w->data<int8_t>(), weight_shape(*plan), plan->packed.mutable_raw());
  plan->replaces = 1u << 1;
  plan->bytes = bytes;
  return plan;
}

Result<> run_quantised_conv(Call& call) {
  const auto& plan = *static_cast<const QuantisedConvPlan*>(call.prepared());
  const auto& kernels = quantised_kernels();
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const auto type = byte_type(x->dtype());
  if (!type) return call.invalid("input; got {}, need u8 or i8", to_string(x->dtype()));
  const bool first = plan.channels_first && x->rank() > 2;
  ops::cpu::QuantisedConvJob job;
  ASSIGN_OR_RETURN(job.shape, plan.window.over(call, first ? last_dims(x->dims()) : x->dims()));
  if (job.shape.channels != plan.channels)
    return call.invalid("input; got {}, need {} channels, as the weight has", to_string(x->dims()), plan.channels);
  job.shape.out_channels = plan.out_channels;
  job.shape.groups = plan.groups;
  ASSIGN_OR_RETURN(job.x_zero, left_zero(call, x->dtype()));
  ASSIGN_OR_RETURN(job.w_zero, right_zeros(call, plan.out_channels));
  const Dims dims = plan.window.result(job.shape, plan.out_channels);
  const void* added = call.has(7) ? call.input(7).raw() : nullptr;
  KernelScratch x_last, added_last, y_last;
  if (first) {
    ASSIGN_OR_RETURN(x_last, last_of(call, *x));
    if (added != nullptr) {
      const Tensor& tensor = call.input(7);
      if (tensor.dims() != first_dims(dims))
        return call.invalid("added bytes; got {}, need {}", to_string(tensor.dims()), to_string(first_dims(dims)));
      ASSIGN_OR_RETURN(added_last, last_of(call, tensor));
      added = added_last.data();
    }
  }
  ASSIGN_OR_RETURN(const BoundFinish finish, BoundFinish::bind(call, plan, plan.out_channels, dims, added));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, plan.out_type(), first ? first_dims(dims) : dims));
  if (y->size() == 0) return {};
  if (first) {
    ASSIGN_OR_RETURN(y_last, KernelScratch::make(call, y->bytes()));
  }
  job.x = first ? x_last.data() : x->raw();
  job.x_type = *type;
  job.w = plan.packed ? plan.packed.raw() : call.input(1).raw();
  job.finish = finish.over(first ? y_last.data() : y->mutable_raw(), plan.out_channels);
  ASSIGN_OR_RETURN(const auto scratch, KernelScratch::make(call, kernels.conv_scratch(job, threads_of(call))));
  kernels.conv(job, scratch.data(), call.pool());
  if (first) {
    const int64_t pixels = job.shape.out_height * job.shape.out_width;
    transpose(call, y_last.data(), y->mutable_raw(), plan.out ? 1 : 4, job.shape.batch, pixels, plan.out_channels);
  }
  return {};
}

}  // namespace hearth::operators::fused
