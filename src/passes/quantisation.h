// QuantizeLinear and DequantizeLinear with constant scales and zero points, as the pass fold_quantisation sees them.
#pragma once

#include "passes/match.h"

namespace hearth::passes {

// What the elements q of a tensor stand for: (q - zero) * scale, of the whole tensor or of each index of an axis.
struct Quantisation {
  static constexpr int64_t kWhole = -1;
  DType dtype = DType::U8;     // U8, I8 or (biases) I32
  std::vector<float> scales;   // one, or one an index of the axis
  std::vector<int32_t> zeros;  // as many
  int64_t axis = kWhole;       // not negative
  graph::ValueId zero_id = graph::kNoValue;

  bool whole() const { return axis == kWhole; }
  int32_t least() const { return dtype == DType::I8 ? -128 : 0; }
  int32_t most() const { return least() + 255; }
  // The element for a number, as QuantizeLinear rounds it. Only 8-bit types of the whole tensor.
  int32_t quantised(double number) const;
  friend bool operator==(const Quantisation& a, const Quantisation& b) {
    return a.dtype == b.dtype && a.scales == b.scales && a.zeros == b.zeros && a.axis == b.axis;
  }
};

// Of a QuantizeLinear (what it makes) or DequantizeLinear (what it reads) in float32; nullopt for another node, and
// when scale or zero point are no constants, are blocked, or a scale is not a finite number above 0.
std::optional<Quantisation> quantisation_of(const Matcher& matcher, const graph::Node& node);

// The DequantizeLinear that makes the value, of 8-bit elements of the whole tensor; its input is what they are.
struct Dequantised {
  graph::ValueId bytes = graph::kNoValue;
  Quantisation how;
};
std::optional<Dequantised> dequantised(const Matcher& matcher, graph::ValueId id);

// Constant weights as the internal operators take them: int8, with one scale and one zero point a column.
struct ByteWeights {
  Tensor values;               // [k, n], or as a Conv has them
  std::vector<float> scales;   // [n]
  std::vector<int32_t> zeros;  // [n], or none when all are zero
};
enum class WeightForm { Matrix, TransposedMatrix, Conv };  // [k, n]; [n, k]; [n, C / group, k…]

// From elements of U8 or I8 with scales and zeros by column (or one of each).
Result<std::optional<ByteWeights>> byte_weights(const Tensor& elements, WeightForm form,
                                                const std::vector<float>& scales, const std::vector<int32_t>& zeros);
// From a DequantizeLinear of a constant, for a matrix also through a Transpose.
Result<std::optional<ByteWeights>> byte_weights(const Matcher& matcher, graph::ValueId id, WeightForm form);

// A float32 constant or DequantizeLinear of a constant of n or 1 elements, the elements along `axis` of `rank`
// dimensions (the others 1, or fewer dimensions): n numbers.
std::optional<std::vector<float>> numbers_along(const Matcher& matcher, graph::ValueId id, int64_t n, size_t rank,
                                                size_t axis);

}  // namespace hearth::passes
