#include "operators/fused/conv_plan.h"
#include "operators/pack_weight.h"

namespace hearth::operators::fused {

namespace {

using ops::cpu::ConvAlgorithm;
using ops::cpu::ConvShape;
using ops::cpu::dense_kernels;
using ops::cpu::Factors;

Result<ConvAlgorithm> read_algorithm(const graph::Node& node) {
  const std::string_view text = node.string_or("algorithm", "direct");
  if (text == "direct") return ConvAlgorithm::Direct;
  if (text == "winograd") return ConvAlgorithm::Winograd;
  if (text == "depthwise") return ConvAlgorithm::Depthwise;
  return fail(ErrorKind::Invalid, "attribute 'algorithm'; got '{}', need direct, winograd or depthwise", text);
}

ConvShape weight_shape(const ConvPlan& plan, int64_t channels) {
  const WindowPlan& w = plan.window;
  return {.batch = 0,
          .height = 0,
          .width = 0,
          .channels = channels,
          .out_height = 0,
          .out_width = 0,
          .out_channels = plan.out_channels,
          .kernel_height = w.kernel[0],
          .kernel_width = w.kernel[1],
          .stride_height = w.stride[0],
          .stride_width = w.stride[1],
          .dilation_height = w.dilation[0],
          .dilation_width = w.dilation[1],
          .pad_top = w.pad_begin[0],
          .pad_left = w.pad_begin[1],
          .groups = plan.groups};
}

// A plain W [M, C/group, k…] against the attributes; the input channels it serves.
Result<int64_t> plain_channels(const ConvPlan& plan, const Tensor& w) {
  Dims need{plan.out_channels, w.rank() > 1 ? w.dim(1) : 1};
  for (int i = 2 - plan.window.axes; i < 2; ++i) need.push_back(plan.window.kernel[i]);
  if (w.dims() != need || w.dim(1) < 1)
    return fail(ErrorKind::Invalid, "weight; got {}, need {}, at least one channel", to_string(w.dims()),
                to_string(need));
  if (w.dim(1) > kMaxTensorElements / plan.groups)
    return fail(ErrorKind::Invalid, "weight {} of {} groups has too many channels", to_string(w.dims()), plan.groups);
  return w.dim(1) * plan.groups;
}

}  // namespace

bool serves(ConvAlgorithm algorithm, const ConvShape& s) {
  switch (algorithm) {
    case ConvAlgorithm::Direct:
      return true;
    case ConvAlgorithm::Winograd:
      return s.kernel_height == 3 && s.kernel_width == 3 && s.stride_height == 1 && s.stride_width == 1 &&
             s.dilation_height == 1 && s.dilation_width == 1 && s.groups == 1;
    case ConvAlgorithm::Depthwise:
      return s.groups == s.channels && s.groups == s.out_channels;
  }
  return false;
}

Result<std::unique_ptr<Prepared>> prepare_conv(const graph::Node& node, int64_t,
                                               std::span<const Tensor* const> constants) {
  auto plan = std::make_unique<ConvPlan>();
  ASSIGN_OR_RETURN(plan->window, read_window(node));
  ASSIGN_OR_RETURN(plan->out_channels, read_int(node, "out_channels", 1));
  plan->groups = node.int_or("group", 1);
  if (plan->groups < 1 || plan->out_channels % plan->groups != 0)
    return fail(ErrorKind::Invalid, "attribute 'group'; got {}, need a divisor of out_channels {}", plan->groups,
                plan->out_channels);
  ASSIGN_OR_RETURN(plan->algorithm, read_algorithm(node));
  ASSIGN_OR_RETURN(plan->factors, read_factors(node));
  ASSIGN_OR_RETURN(plan->steps, parse_steps(node.strings("steps"), static_cast<int>(node.inputs.size())));
  const Tensor* w = constants.size() > 1 ? constants[1] : nullptr;
  if (w == nullptr || w->dtype() != DType::F32) return plan;
  ASSIGN_OR_RETURN(plan->channels, plain_channels(*plan, *w));
  const auto& kernels = dense_kernels();
  const ConvShape shape = weight_shape(*plan, plan->channels);
  plan->factors = Factors::F32;
  plan->algorithm = kernels.choose_conv(shape, plan->factors);
  ASSIGN_OR_RETURN(plan->packed,
                   WeightPacking::conv(StridedFloats::of(*w), shape, plan->algorithm, plan->factors).pack());
  plan->replaces = 1u << 1;
  plan->bytes = plan->packed.bytes();
  return plan;
}

Result<> run_conv(Call& call) {
  const auto& plan = *static_cast<const ConvPlan*>(call.prepared());
  const auto& kernels = dense_kernels();
  ASSIGN_OR_RETURN(const Tensor* x, floats(call, 0));
  ASSIGN_OR_RETURN(ConvShape shape, plan.window.over(call, x->dims()));
  shape.out_channels = plan.out_channels;
  shape.groups = plan.groups;
  if (shape.channels < 1 || shape.channels % plan.groups != 0)
    return call.invalid("input; got {}, need channels that {} groups divide", to_string(x->dims()), plan.groups);

  ops::cpu::ConvJob job;
  job.algorithm = plan.algorithm;
  job.factors = plan.factors;
  KernelScratch packed;
  if (plan.packed) {
    if (plan.channels != shape.channels)
      return call.invalid("input; got {}, need {} channels, as the weight has", to_string(x->dims()), plan.channels);
    job.w = plan.packed.raw();
  } else {
    ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
    if (w->dtype() == DType::U8) {
      if (!serves(job.algorithm, shape))
        return call.invalid("algorithm; got '{}', which does not serve input {} with these attributes",
                            call.node().string_or("algorithm", "direct"), to_string(x->dims()));
      TRY(count_elements(
          Dims{plan.out_channels, shape.channels / plan.groups, shape.kernel_height, shape.kernel_width}));
      const size_t need = kernels.packed_conv_bytes(shape, job.algorithm, job.factors);
      if (w->bytes() != need)
        return call.invalid("packed weight; got {} bytes, need {} for {} channels", w->bytes(), need, shape.channels);
      job.w = w->raw();
    } else {
      ASSIGN_OR_RETURN(w, floats(call, 1));
      auto channels = plain_channels(plan, *w);
      if (!channels) return call.invalid("{}", channels.error().message);
      if (*channels != shape.channels)
        return call.invalid("input; got {}, need {} channels, as the weight has", to_string(x->dims()), *channels);
      job.factors = Factors::F32;
      job.algorithm = kernels.choose_conv(shape, job.factors);
      ASSIGN_OR_RETURN(packed, KernelScratch::make(call, kernels.packed_conv_bytes(shape, job.algorithm, job.factors)));
      kernels.pack_conv(w->data<float>(), shape, nullptr, job.algorithm, job.factors, packed.data());
      job.w = packed.data();
    }
  }
  if (call.has(2)) {
    ASSIGN_OR_RETURN(const Tensor* bias, floats(call, 2));
    if (bias->size() != plan.out_channels)
      return call.invalid("bias; got {}, need [{}]", to_string(bias->dims()), plan.out_channels);
    job.bias = bias->data<float>();
  }
  const Dims dims = plan.window.result(shape, plan.out_channels);
  ASSIGN_OR_RETURN(const BoundSteps steps, BoundSteps::bind(call, plan.steps, dims));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, dims));
  if (y->size() == 0) return {};
  job.shape = shape;
  job.x = x->data<float>();
  job.x_stride = shape.channels;
  job.y = y->mutable_data<float>();
  job.y_stride = plan.out_channels;
  job.program = steps.program();
  ASSIGN_OR_RETURN(const auto scratch, KernelScratch::make(call, kernels.conv_scratch(job, threads_of(call))));
  kernels.conv(job, scratch.data(), call.pool());
  return {};
}

}  // namespace hearth::operators::fused
