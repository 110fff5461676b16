#include "operators/fused/plan.h"

#include <algorithm>

#include "operators/matrix/window.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::operators::fused {

namespace {

// One number a spatial axis (`each` of them), in [least, most]; what is absent stays as it is.
Result<> read_axes(const graph::Node& node, std::string_view name, size_t count, int64_t least, int64_t most,
                   int64_t* to) {
  const auto given = node.ints(name);
  if (given.empty()) return {};
  if (given.size() != count)
    return fail(ErrorKind::Invalid, "attribute '{}'; got {} numbers, need {}", name, given.size(), count);
  for (size_t i = 0; i < count; ++i) {
    if (given[i] < least || given[i] > most)
      return fail(ErrorKind::Invalid, "attribute '{}'; got {}, need {} to {}", name, given[i], least, most);
    to[i] = given[i];
  }
  return {};
}

}  // namespace

Result<const Tensor*> floats(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
  if (tensor->dtype() != DType::F32) return call.invalid("input {}; got {}, need f32", i, to_string(tensor->dtype()));
  return tensor;
}

Result<KernelScratch> KernelScratch::make(Call& call, size_t bytes) {
  KernelScratch made;
  if (bytes > 0) {
    ASSIGN_OR_RETURN(made.room_, call.memory().allocate(bytes));
  }
  return made;
}

int threads_of(Call& call) {
  return call.pool() != nullptr ? call.pool()->threads() : 1;
}

Result<int64_t> read_int(const graph::Node& node, std::string_view name, int64_t least) {
  if (!node.has(name)) return fail(ErrorKind::Invalid, "attribute '{}' is absent; it is required", name);
  const int64_t value = node.int_or(name, 0);
  if (value < least) return fail(ErrorKind::Invalid, "attribute '{}'; got {}, need at least {}", name, value, least);
  return value;
}

Result<ops::cpu::Factors> read_factors(const graph::Node& node) {
  const std::string_view text = node.string_or("factors", "f32");
  if (text == "f32") return ops::cpu::Factors::F32;
  if (text == "bf16") return ops::cpu::Factors::BF16;
  return fail(ErrorKind::Invalid, "attribute 'factors'; got '{}', need f32 or bf16", text);
}

Result<WindowPlan> read_window(const graph::Node& node) {
  WindowPlan plan;
  const size_t axes = node.ints("kernel_shape").size();
  if (axes != 1 && axes != 2)
    return fail(ErrorKind::Invalid, "attribute 'kernel_shape'; got {} numbers, need 1 or 2", axes);
  plan.axes = static_cast<int>(axes);
  const size_t first = 2 - axes;  // a single axis is the width
  TRY(read_axes(node, "kernel_shape", axes, 1, kMaxKernelSize, plan.kernel + first));
  TRY(read_axes(node, "strides", axes, 1, kMaxWindowStep, plan.stride + first));
  TRY(read_axes(node, "dilations", axes, 1, kMaxWindowStep, plan.dilation + first));
  int64_t pads[4] = {};
  TRY(read_axes(node, "pads", 2 * axes, 0, kMaxWindowStep, pads));
  std::copy_n(pads, axes, plan.pad_begin + first);
  std::copy_n(pads + axes, axes, plan.pad_end + first);
  plan.ceil = node.int_or("ceil_mode", 0) != 0;
  return plan;
}

Result<ops::cpu::ConvShape> WindowPlan::over(const Call& call, const Dims& x) const {
  if (x.rank() != axes + 2)
    return call.invalid("input; got {}, need [N, {} spatial dimension{}, C]", to_string(x), axes, axes > 1 ? "s" : "");
  const int64_t in[2] = {axes == 2 ? x[1] : 1, x[x.size() - 2]};
  int64_t out[2] = {};
  for (int i = 0; i < 2; ++i) {
    const int64_t extent = (kernel[i] - 1) * dilation[i] + 1, room = in[i] + pad_begin[i] + pad_end[i] - extent;
    if (room < 0 && in[i] > 0)
      return call.invalid("window; got an extent of {} on spatial axis {}, need at most the padded input's {}", extent,
                          i - (2 - axes), room + extent);
    if (room < 0) continue;  // nothing in, nothing out
    out[i] = (ceil ? (room + stride[i] - 1) / stride[i] : room / stride[i]) + 1;
    // A window that would start past the input is left out.
    if (ceil && (out[i] - 1) * stride[i] >= in[i] + pad_begin[i]) --out[i];
    if (in[i] == 0 && out[i] > 0)
      return call.unsupported("input; got {}, need an image that is not made of pads alone", to_string(x));
  }
  return ops::cpu::ConvShape{.batch = x[0],
                             .height = in[0],
                             .width = in[1],
                             .channels = x.back(),
                             .out_height = out[0],
                             .out_width = out[1],
                             .out_channels = x.back(),
                             .kernel_height = kernel[0],
                             .kernel_width = kernel[1],
                             .stride_height = stride[0],
                             .stride_width = stride[1],
                             .dilation_height = dilation[0],
                             .dilation_width = dilation[1],
                             .pad_top = pad_begin[0],
                             .pad_left = pad_begin[1]};
}

Dims WindowPlan::result(const ops::cpu::ConvShape& shape, int64_t channels) const {
  if (axes == 1) return {shape.batch, shape.out_width, channels};
  return {shape.batch, shape.out_height, shape.out_width, channels};
}

}  // namespace hearth::operators::fused
