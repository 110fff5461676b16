// Kernels over 8-bit integers for the graph runtime: matrix products and convolutions with constant weights, maximum
// pooling, and the ways between floats and bytes. Activations are uint8 or int8, weights int8; sums of products are
// exact in int32 (they wrap). Images are channels-last. Sizes and strides are in elements; the caller has checked them
// all, kernels cannot fail. Work is split over `pool` (nullptr: serial), scratch is the caller's, 64-byte aligned; the
// result does not depend on the number of threads. Chosen once by instruction set: quantised_kernels().
#pragma once

#include "ops/cpu/dense.h"

namespace hearth::ops::cpu {

enum class ByteType : uint8_t { U8, I8 };

// A byte q stands for (q - zero) * scale. A number becomes the byte low <= rounded(number / scale) + zero <= high that
// is nearest, halves to even; NaN becomes low.
struct Quantum {
  ByteType type = ByteType::U8;
  float scale = 1;  // not 0
  int32_t zero = 0;
  int32_t low = 0, high = 255;  // within the type's range
};

// What becomes of a sum s of products, in this order; where nothing is said, a step is left out.
struct QuantisedFinish {
  const int32_t* sum_bias = nullptr;  // [n] or nullptr: s += sum_bias[column]
  const float* scale = nullptr;       // [n]
  float factor = 1;                   // v = s * (scale[column] * factor)
  const float* bias = nullptr;        // [n] or nullptr: v += bias[column]
  const Quantum* between = nullptr;   // v is quantised so and taken back: where a model says both in a row
  const void* added = nullptr;        // bytes, as `addend` says, of the result's rows and columns: v += their number
  int64_t added_stride = 0;
  Quantum addend;
  PointwiseProgram program;  // of v; rows and columns are those of the result
  void* y = nullptr;
  int64_t y_stride = 0;
  const Quantum* out = nullptr;  // y is bytes; nullptr: floats
};

// y[m, n] = finish(sum over k of (a[m, k] - a_zero) * (b[k, n] - b_zero[n])).
struct QuantisedMatmulJob {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;
  ByteType a_type = ByteType::U8;
  int32_t a_zero = 0;
  int64_t lda = 0;
  const void* b = nullptr;          // packed by pack_matrix with the same k and n
  const int32_t* b_zero = nullptr;  // [n], each in [-256, 255], or nullptr for zeros
  QuantisedFinish finish;
};

// The same as a convolution over [batch, height, width, channels]; beyond the image lies x_zero.
struct QuantisedConvJob {
  ConvShape shape;
  const void* x = nullptr;  // dense
  ByteType x_type = ByteType::U8;
  int32_t x_zero = 0;
  const void* w = nullptr;          // packed by pack_conv with the same shape
  const int32_t* w_zero = nullptr;  // [out_channels] or nullptr
  QuantisedFinish finish;           // rows are output pixels (batch, y, x), columns output channels
};

struct BytePoolJob {
  ConvShape shape;  // groups and out_channels unused
  ByteType type = ByteType::U8;
  const void* x = nullptr;
  void* y = nullptr;  // [batch, out_height, out_width, channels], dense, as x is
};

struct QuantisedKernels {
  Isa isa;

  size_t (*packed_matrix_bytes)(int64_t k, int64_t n);
  // Element [row k, column n] is b[k * row_stride + n * column_stride]. Writes exactly packed_matrix_bytes.
  void (*pack_matrix)(const int8_t* b, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n, void* packed);
  size_t (*matmul_scratch)(const QuantisedMatmulJob& job, int threads);
  void (*matmul)(const QuantisedMatmulJob& job, void* scratch, ThreadPool* pool);

  size_t (*packed_conv_bytes)(const ConvShape& shape);
  // w[out_channels, channels / groups, kernel_height, kernel_width], dense, as ONNX has it. Only channels, kernel and
  // groups of the shape matter.
  void (*pack_conv)(const int8_t* w, const ConvShape& shape, void* packed);
  size_t (*conv_scratch)(const QuantisedConvJob& job, int threads);
  void (*conv)(const QuantisedConvJob& job, void* scratch, ThreadPool* pool);

  void (*max_pool)(const BytePoolJob& job, ThreadPool* pool);
  // `count` bytes from floats and back. number / scale is a division here; the products above take the reciprocal,
  // which may fall to the other side of a half.
  void (*quantise)(const float* x, void* y, int64_t count, const Quantum& quantum, ThreadPool* pool);
  void (*dequantise)(const void* x, float* y, int64_t count, const Quantum& quantum, ThreadPool* pool);
  // The least and the largest of the numbers and 0; NaN counts as 0.
  void (*range)(const float* x, int64_t count, float* least, float* most, ThreadPool* pool);
};

// The kernels of an instruction set that this machine has.
const QuantisedKernels& quantised_kernels(Isa isa);
// Those of the set that dense_kernels() has chosen.
const QuantisedKernels& quantised_kernels();

}  // namespace hearth::ops::cpu
