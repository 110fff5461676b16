// Operators that passes make and kernels serve: domain `hearth`, version 1. No model file may contain them; they exist
// between the optimiser and the kernels (and in the cache of compiled models). All numbers are float32 unless said
// otherwise. Convolutions and pooling work on channels-last tensors: [N, C, spatial…] of ONNX is [N, spatial…, C] here,
// with one or two spatial dimensions.
//
//   Conv(X, W, bias?, operands…)     W: as ONNX has it [M, C/group, k…], or packed: uint8 [bytes] (pack_weights).
//     kernel_shape, strides, dilations: ints, one per spatial dimension; pads: ints, begins then ends (ONNX order);
//     group: int; out_channels: int; algorithm: "direct" | "winograd" | "depthwise" and factors: "f32" | "bf16", both
//     only when W is packed; steps: strings.
//   ConvChain(X, inputs…)            body: a graph whose inputs are those of the node and whose nodes are two or three
//   Conv
//     over images, each reading the result of the one before, none with the algorithm "winograd", all weights packed.
//     Computed a few rows at a time, so that what passes between them stays in the cache.
//   MatMul(A, B, bias?, operands…)   A [..., k], B constant [k, n], or packed: uint8 [bytes]; bias [n].
//     k, n: ints; factors: only when packed; steps.
//   Pointwise(X, operands…)          steps. The result has the shape of X.
//   Attention(Q, K, V, mask?)        Q [B, S, heads*size], K [B, T, kv_heads*size], V [B, T, kv_heads*value_size],
//     mask broadcastable to [B, heads, S, T]; result [B, S, heads*value_size]. heads, kv_heads: ints; scale: float;
//     factors: "f32" | "bf16".
//   LayerNormalization(X, scale, shift?)  over the last dimension. epsilon: float.
//   MaxPool(X), AveragePool(X)       kernel_shape, strides, dilations, pads, ceil_mode, count_include_pad as in ONNX,
//   with
//     pads explicit.
//     MaxPool also takes uint8 and int8.
//   GlobalAveragePool(X)             [N, spatial…, C] → [N, 1…, C].
//   QuantisedConv, QuantisedMatMul(X, W, bias?, scale, x_zero?, w_zero?, factor?, added?, operands…)
//     X: uint8 or int8, [N, spatial…, C] or [..., k]; W: int8, as Conv and MatMul have it, or packed: uint8 [bytes];
//     x_zero: one element of X's type; w_zero: int32 [n], each in [-256, 255]; zeros where they are absent. With s the
//     exact sum of (x - x_zero) * (w - w_zero) and n columns or output channels:
//       s += bias, if that is int32 [n];  v = s * (scale[n] * factor), factor a float32 number;  v += bias, if float32;
//       v quantised by between_* and taken back, if they are there;  v += (added - added_zero) * added_scale, added
//       being bytes of the result's shape;  steps;  v quantised by out_*, if they are there, else the result is
//       float32.
//     out_, between_, added_ are each: type: "u8" | "i8"; scale: float; zero, low, high: ints (low <= byte <= high).
//     As Conv: kernel_shape, strides, dilations, pads, group, out_channels; and channels: int. As MatMul: k, n. steps.
//     channels_first: int. 1: X, added and the result are [N, C, spatial…] and there are no steps: what
//     fold_quantisation makes and channels_last turns.
//
// steps: one string a step, "relu", "add 3", "clip 0 6": the name, the index of the node's input that is the operand
// where the step has one (which gives the step's spread by its shape: see broadcast rules below), then numbers in the
// shortest form that reads back the same. Names are those of ops/cpu/pointwise.h in lower case with underscores:
//   add sub reverse_sub mul div reverse_div max min prelu | relu, clip A B, leaky_relu A, sigmoid, silu, hard_sigmoid A
//   B, hard_swish, tanh, gelu, gelu_tanh, erf, exp, sqrt, abs, neg, elu A, softplus, mish, reciprocal, square
// An operand must broadcast to the result in one of these ways: one number; one number per last dimension; one per row
// (last dimension 1, the dimensions before it equal the result's, or the last ones of them with only 1s in front); the
// whole shape (likewise with only 1s in front).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hearth::graph {

inline constexpr std::string_view kInternalDomain = "hearth";
inline constexpr int64_t kInternalOpset = 1;

// The first input that may be an operand of a step.
inline constexpr size_t kPointwiseOperands = 1, kProductOperands = 3, kQuantisedOperands = 8;

}  // namespace hearth::graph
