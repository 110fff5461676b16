// The ops of the inventory that the kernels of ops/cpu/dense.h serve: what stands in the tables of the CPU device. A
// launch packs plain weights into scratch memory, fills the job and runs it; the graph runtime, which packs once, calls
// dense.h itself.
#pragma once

#include "ops/cpu/isa.h"
#include "ops/op.h"

// OP(name of the op, name of the kernel)
#define HEARTH_CPU_DENSE_OPS(OP)      \
  OP(DenseMatmul, dense_matmul)       \
  OP(Conv2d, conv2d)                  \
  OP(Pool2d, pool2d)                  \
  OP(DenseAttention, dense_attention) \
  OP(Pointwise, pointwise)            \
  OP(Softmax, dense_softmax)          \
  OP(LayerNorm, layer_norm)           \
  OP(ColumnMeans, column_means)       \
  OP(Transpose2d, transpose2d)

namespace hearth::ops::cpu {

// As in KernelEntry: nullptr when the kernel serves a valid call, else why not; and the kernel.
#define HEARTH_CPU_DENSE_OP(Name, name)                 \
  const char* refuses_##name(const HearthOpCall& call); \
  template <Isa isa>                                    \
  int launch_##name(void* stream, const HearthOpCall* call);
HEARTH_CPU_DENSE_OPS(HEARTH_CPU_DENSE_OP)
#undef HEARTH_CPU_DENSE_OP

}  // namespace hearth::ops::cpu
