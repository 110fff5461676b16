// Products of f32 matrices and convolutions of f32 images over the dense kernels of ops/cpu, for operators that keep
// ONNX's layouts: right factors and weights are packed once when they are constant, else in the call.
#pragma once

#include <functional>

#include "operators/matrix/window.h"
#include "operators/matrix/working_type.h"
#include "ops/cpu/dense.h"

namespace hearth::operators {

// A constant right factor b[k, n], packed. It stands for input 1, whose elements nobody needs any more.
struct PackedMatrix final : Prepared {
  int64_t k = 0, n = 0;
  Tensor panels;
};
// Element [row, column] of b is data[row * row_stride + column * column_stride].
Result<Tensor> pack_matrix(const float* b, int64_t row_stride, int64_t column_stride, int64_t k, int64_t n,
                           TensorMemory& memory = heap_memory());
// Of a tensor [k, n], or [n, k] transposed; nullptr when it is not f32 or has no elements.
Result<std::unique_ptr<Prepared>> pack_right_factor(const Tensor& tensor, bool transposed, int64_t k, int64_t n);

// Rows below which packing a factor for one product costs more than it gives.
inline constexpr int64_t kPackedRows = 4;

// c = program(a * b + bias) on the session's threads; k, n and m at least 1.
Result<> run_matmul_job(Call& call, const ops::cpu::MatmulJob& job);

// Products i of count: c + i * m * n = a(i) * b(i), all row-major, b packed here. m, n and k at least 1.
struct MatrixStack {
  int64_t count = 1, m = 0, n = 0, k = 0;
  float* c = nullptr;
};
Result<> multiply_stack(Call& call, const MatrixStack& stack, const std::function<const float*(int64_t)>& a,
                        const std::function<const float*(int64_t)>& b);

// A constant weight of Conv, packed; stands for input 1.
struct PackedConv final : Prepared {
  Dims dims;  // of the weight
  int64_t groups = 1;
  ops::cpu::ConvAlgorithm algorithm = ops::cpu::ConvAlgorithm::Direct;
  Tensor panels;
};
// nullptr when the dense kernels do not serve the weight.
Result<std::unique_ptr<Prepared>> pack_conv_weight(const graph::Node& node, const Tensor& weight);

// Kernels of more taps go another way: the dense kernels walk all of them, and a window of millions of taps may meet
// one input.
inline constexpr int64_t kMostDenseTaps = 4096;
// What a window over [N, C, spatial…] is to the dense kernels; false when they do not serve it (more than two spatial
// axes, too many taps, or an image without elements).
bool dense_shape(const Window& window, int64_t n, int64_t channels, ops::cpu::ConvShape& shape);

// x[n, channels, positions] as [n, positions, channels]: in `room`, or x itself where both are one.
Result<const float*> channels_last(Call& call, const float* x, int64_t n, int64_t channels, int64_t positions,
                                   Scratch<float>& room);

// y[N, M, spatial…] of f32, dense. `packed` or `weight` (M, C/group, k…) is given. `shape` is complete.
Result<> convolve_channels_first(Call& call, const ops::cpu::ConvShape& shape, const float* x, const PackedConv* packed,
                                 const float* weight, const float* bias, float* y);

}  // namespace hearth::operators
