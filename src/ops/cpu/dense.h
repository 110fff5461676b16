// Dense float kernels of the graph runtime: matrices, convolutions and pooling over channels-last tensors, attention,
// normalisation, pointwise programs. Sizes and strides are in elements; the caller has checked them all, kernels cannot
// fail. Every kernel splits its work over `pool` (nullptr: serial); scratch is the caller's, 64-byte aligned. The
// result does not depend on the number of threads. Chosen once by instruction set: dense_kernels(). As ops of the
// inventory, held against ref: dense_ops.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ops/cpu/isa.h"
#include "ops/cpu/pointwise.h"

namespace hearth::ops::cpu {

class ThreadPool;

// Type of the factors of products. Sums, inputs and outputs are float32 always. BF16 rounds both factors to nearest
// even; where the processor has no instruction for it the products are computed in float32 from rounded weights.
enum class Factors : uint8_t { F32, BF16 };

// c[m, n] = program(a[m, k] * b[k, n] + bias[n]).
struct MatmulJob {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t lda = 0;
  const void* b = nullptr;  // packed by pack_matrix with the same k, n, factors
  Factors factors = Factors::F32;
  const float* bias = nullptr;  // [n] or nullptr
  float* c = nullptr;
  int64_t ldc = 0;
  PointwiseProgram program;  // rows are those of c
};

// Convolution over [batch, height, width, channels]; one-dimensional ones have height 1.
struct ConvShape {
  int64_t batch = 1, height = 1, width = 1, channels = 0;  // input
  int64_t out_height = 1, out_width = 1, out_channels = 0;
  int64_t kernel_height = 1, kernel_width = 1;
  int64_t stride_height = 1, stride_width = 1;
  int64_t dilation_height = 1, dilation_width = 1;
  int64_t pad_top = 0, pad_left = 0;  // below and right: whatever the output's size needs
  int64_t groups = 1;
};

enum class ConvAlgorithm : uint8_t {
  Direct,     // any shape
  Winograd,   // kernel 3x3, strides 1, dilations 1, groups 1: F(4x4, 3x3), of BF16 factors F(2x2, 3x3)
  Depthwise,  // groups == channels == out_channels
};

struct ConvJob {
  ConvShape shape;
  ConvAlgorithm algorithm = ConvAlgorithm::Direct;
  Factors factors = Factors::F32;  // Depthwise has F32 alone
  const float* x = nullptr;
  int64_t x_stride = 0;         // from one pixel to the next, >= channels; rows and images follow each other densely
  const void* w = nullptr;      // packed by pack_conv with the same shape, algorithm, factors
  const float* bias = nullptr;  // [out_channels] or nullptr
  float* y = nullptr;
  int64_t y_stride = 0;      // from one pixel to the next, >= out_channels
  PointwiseProgram program;  // rows are output pixels (batch, y, x), columns output channels
};

struct PoolJob {
  ConvShape shape;  // groups and out_channels unused
  const float* x = nullptr;
  float* y = nullptr;                     // [batch, out_height, out_width, channels], dense, as x is
  bool average = false;                   // else: maximum (NaN wins)
  bool count_include_pad = false;         // average: divide by the kernel's size
  int64_t pad_bottom = 0, pad_right = 0;  // with count_include_pad: positions beyond these do not count
};

// out = softmax(scale * q k^T + mask) v for every batch and head; q rows `queries`, k and v rows `keys`.
// Element [batch, head, row, i] of a tensor lies at batch * .batch + head * .head + row * .row + i.
struct AttentionStrides {
  int64_t batch = 0, head = 0, row = 0;
};
struct AttentionJob {
  int64_t batch = 1, heads = 1, kv_heads = 1;  // heads % kv_heads == 0
  int64_t queries = 0, keys = 0, head_size = 0, value_size = 0;
  float scale = 1;
  Factors factors = Factors::F32;  // of both products; the sums of weights stay exact
  const float *q = nullptr, *k = nullptr, *v = nullptr;
  AttentionStrides q_strides, k_strides, v_strides;
  const float* mask = nullptr;    // added to the scaled scores; nullptr: none. -inf hides a key
  AttentionStrides mask_strides;  // 0 where the mask is broadcast; key j at + j * mask_column
  int64_t mask_column = 1;        // 0 or 1
  float* out = nullptr;
  AttentionStrides out_strides;
};

// A whole number of panels of every instruction set.
inline constexpr int64_t kPackedColumns = 96;

struct DenseKernels {
  Isa isa;

  // ---- matrices and convolutions
  size_t (*packed_matrix_bytes)(int64_t k, int64_t n, Factors factors);
  // Element [row k, column n] is b[k * row_stride + n * column_stride], times scale[n] (nullptr: none) before it is
  // rounded. Writes exactly packed_matrix_bytes.
  // b need not be aligned. Columns may be packed in parts, at the same time: those from a multiple of kPackedColumns on
  // go to where so many columns end, packed_matrix_bytes(k, column, factors).
  void (*pack_matrix)(const float* b, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n,
                      const float* scale, Factors factors, void* packed);
  size_t (*matmul_scratch)(const MatmulJob& job, int threads);
  void (*matmul)(const MatmulJob& job, void* scratch, ThreadPool* pool);

  // The fastest algorithm for a shape. Sizes that are not known (batch, height, width, out_*) are 0.
  ConvAlgorithm (*choose_conv)(const ConvShape& shape, Factors factors);
  size_t (*packed_conv_bytes)(const ConvShape& shape, ConvAlgorithm algorithm, Factors factors);
  // w[out_channels, channels / groups, kernel_height, kernel_width], dense, as ONNX has it, times scale[out_channels]
  // (nullptr: none) before it is rounded. Only channels, kernel and groups of the shape matter.
  // w need not be aligned. Output channels of one group may be packed in parts, as columns of a matrix:
  // packed_conv_bytes of a shape that ends there says where they go.
  void (*pack_conv)(const float* w, const ConvShape& shape, const float* scale, ConvAlgorithm algorithm,
                    Factors factors, void* packed);
  size_t (*conv_scratch)(const ConvJob& job, int threads);
  void (*conv)(const ConvJob& job, void* scratch, ThreadPool* pool);

  size_t (*attention_scratch)(const AttentionJob& job, int threads);
  void (*attention)(const AttentionJob& job, void* scratch, ThreadPool* pool);

  // ---- over rows and pixels
  void (*pool)(const PoolJob& job, ThreadPool* pool);
  // y[i, :] = program(x[i, :]); x == y allowed. Row strides in floats.
  void (*pointwise)(const float* x, int64_t ldx, float* y, int64_t ldy, int64_t rows, int64_t columns,
                    const PointwiseProgram& program, ThreadPool* pool);
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t columns, ThreadPool* pool);  // dense; x == y allowed
  // (x - mean) / sqrt(variance + epsilon) * scale + shift over each row; scale, shift [columns], shift may be nullptr.
  void (*layer_norm)(const float* x, const float* scale, const float* shift, float epsilon, float* y, int64_t rows,
                     int64_t columns, ThreadPool* pool);
  // y[b, column] = mean over rows of x[b, row, column].
  void (*column_means)(const float* x, float* y, int64_t batch, int64_t rows, int64_t columns, ThreadPool* pool);
  // [batch, rows, columns] → [batch, columns, rows], dense: between channels-first and channels-last.
  void (*transpose)(const float* x, float* y, int64_t batch, int64_t rows, int64_t columns, ThreadPool* pool);
};

// The kernels of an instruction set that this machine has.
const DenseKernels& dense_kernels(Isa isa);
// Those of the best one, or of HEARTH_ISA (an unknown or absent one there is reported when a session is made).
const DenseKernels& dense_kernels();

}  // namespace hearth::ops::cpu
