// What the kernels of the internal operators share: reading attributes in prepare, tensors of floats, scratch, weights
// that are packed or still to be.
#pragma once

#include "operators/fused/steps.h"
#include "operators/kernel.h"
#include "ops/cpu/dense.h"

namespace hearth::operators::fused {

// Input i, f32.
Result<const Tensor*> floats(const Call& call, int i);

// Room for a kernel that is told how much it needs; data() is nullptr for none. 64-byte aligned.
class KernelScratch {
 public:
  static Result<KernelScratch> make(Call& call, size_t bytes);
  void* data() const { return room_.get(); }

 private:
  std::shared_ptr<std::byte> room_;  // shared as TensorMemory hands it out; this is its only owner
};
int threads_of(Call& call);

// ---- attributes, in prepare: errors do not name the node
// An int of at least `least`.
Result<int64_t> read_int(const graph::Node& node, std::string_view name, int64_t least);
// "f32" (also when absent) or "bf16".
Result<ops::cpu::Factors> read_factors(const graph::Node& node);

// One or two spatial dimensions: kernel, strides, dilations and explicit pads.
struct WindowPlan {
  int axes = 0;
  // Of height and width; a window of one axis has height 1.
  int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, pad_begin[2] = {0, 0}, pad_end[2] = {0, 0};
  bool ceil = false;

  // Sizes of an input [N, spatial…, C] and of what comes of it, but for out_channels and groups. Invalid when the input
  // has another rank or the window does not fit.
  Result<ops::cpu::ConvShape> over(const Call& call, const Dims& x) const;
  Dims result(const ops::cpu::ConvShape& shape, int64_t channels) const;
};
Result<WindowPlan> read_window(const graph::Node& node);

// ---- the kernels and what prepares them; graph/internal_operators.h defines the operators
#define HEARTH_FUSED(name)                                                                 \
  Result<> run_##name(Call& call);                                                         \
  Result<std::unique_ptr<Prepared>> prepare_##name(const graph::Node& node, int64_t opset, \
                                                   std::span<const Tensor* const> constants);
HEARTH_FUSED(conv)
HEARTH_FUSED(conv_chain)
HEARTH_FUSED(matmul)
HEARTH_FUSED(pointwise)
HEARTH_FUSED(attention)
HEARTH_FUSED(layer_normalization)
HEARTH_FUSED(max_pool)
HEARTH_FUSED(average_pool)
HEARTH_FUSED(quantised_conv)
HEARTH_FUSED(quantised_matmul)
#undef HEARTH_FUSED
Result<> run_global_average_pool(Call& call);

}  // namespace hearth::operators::fused
