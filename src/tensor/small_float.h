// Conversions of the float types of 8 and 4 bits, exact: every decoded value is a float, encoding rounds once, to
// nearest even (F8E8M0, a power of two, has its own modes). Plain code; any thread.
//   F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0, F4E2M1 of tensor/dtype.inc; another type is a CHECK.
#pragma once

#include <cstdint>

#include "tensor/element.h"

namespace hearth {

// How F8E8M0 rounds: away from zero, towards zero, or to nearest with ties away from zero.
enum class ScaleRounding : uint8_t { Up, Down, Nearest };

struct SmallFloatOptions {
  // What lies beyond the largest finite value: that value, or else infinity where the type has one and NaN where not.
  // F4E2M1 has neither and always saturates. F8E8M0 does the same at its smallest value.
  bool saturate = true;
  ScaleRounding scale_rounding = ScaleRounding::Up;
};

bool is_small_float(DType dtype);

// NaN becomes NaN, in F4E2M1 -0. In F8E8M0 a negative number becomes NaN; zero becomes the smallest scale, or NaN when
// not saturating.
uint8_t encode_small_float(DType dtype, float value, SmallFloatOptions options = {});
float decode_small_float(DType dtype, uint8_t bits);

// Many at once.
void encode_small_floats(DType dtype, const float* values, uint8_t* bits, int64_t count,
                         SmallFloatOptions options = {});
void decode_small_floats(DType dtype, const uint8_t* bits, float* values, int64_t count);

// A wider number as a float that rounds the same way later: its lowest bit says whether something was cut off ("round
// to odd"). Rounding the result to a type with at most 22 bits of precision is then rounding the number itself, once.
float to_odd_float(double value);
float to_odd_float(int64_t value);
float to_odd_float(uint64_t value);

}  // namespace hearth
