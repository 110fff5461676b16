// Which convolutions and matrix products become hearth.QuantisedConv and hearth.QuantisedMatMul, and what those take up
// of the nodes behind them. Each replaces the node `at`; false when there is nothing to do.
#pragma once

#include "passes/match.h"

namespace hearth::passes {

// Conv, MatMul or Gemm of dequantised bytes and dequantised constant weights: with a float result.
Result<bool> take_dequantised_product(Matcher& matcher, int32_t at);
// QLinearConv and QLinearMatMul with constant weights, scales and zero points.
Result<bool> take_linear_product(Matcher& matcher, int32_t at);
// The Mul that scales the Cast of a MatMulInteger or ConvInteger with constant weights, as dynamic quantisation writes
// it: the scale of the left factor may be known only when it runs.
Result<bool> take_integer_product(Matcher& matcher, int32_t at);

// An Add of a constant of the columns, or of dequantised bytes, to the float result of such a product, or to the result
// that it quantises and the model dequantises for the Add alone.
Result<bool> add_to_product(Matcher& matcher, int32_t at);
// A QuantizeLinear of the float result of such a product, perhaps behind Relu and Clip.
bool quantise_product(Matcher& matcher, int32_t at);

// The range of a Relu or a Clip by constants, in elements; nullopt for other nodes.
struct ByteRange {
  int32_t low = 0, high = 255;
};
struct Quantisation;
std::optional<ByteRange> clamp_of(const Matcher& matcher, const graph::Node& node, const Quantisation& how);

}  // namespace hearth::passes
