// Elements of a type known at run time as elements of one type to compute in, and back: the step that keeps kernels
// from being compiled for every type. Plain code on caller's memory; any thread.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "operators/kernel.h"
#include "tensor/element.h"
#include "tensor/small_float.h"

namespace hearth::operators {

// Elements converted at a time: buffers of this many floats stay in the first cache.
inline constexpr int64_t kChunk = 512;

// f16, bf16 and the float types of 8 and 4 bits.
bool computes_in_float(DType dtype);
bool is_integer(DType dtype);  // signed and unsigned, the narrow ones included; not bool
bool is_unsigned(DType dtype);
bool is_float(DType dtype);  // everything that holds fractions (not complex)

// Address of element `offset`.
inline const void* element_at(DType dtype, const void* data, int64_t offset) {
  return static_cast<const std::byte*>(data) + bytes_of(dtype, offset);
}
inline void* element_at(DType dtype, void* data, int64_t offset) {
  return static_cast<std::byte*>(data) + bytes_of(dtype, offset);
}

// From any float type, integer type or bool. Integers beyond 2^24 (floats) or 2^53 (doubles) round to nearest.
void to_floats(DType dtype, const void* from, float* to, int64_t count);
void to_doubles(DType dtype, const void* from, double* to, int64_t count);
// From an integer type or bool, exact (u64 keeps its bits).
void to_int64s(DType dtype, const void* from, int64_t* to, int64_t count);

// To any float type, rounding once; integers truncate, and bool asks for unequal to 0 (see truncated()).
void from_floats(const float* from, DType dtype, void* to, int64_t count, SmallFloatOptions options = {});
void from_doubles(const double* from, DType dtype, void* to, int64_t count, SmallFloatOptions options = {});
// To an integer type, wrapping; to a float type, rounding once.
void from_int64s(const int64_t* from, bool is_unsigned, DType dtype, void* to, int64_t count,
                 SmallFloatOptions options = {});

// A float as an integer, towards zero, never undefined: NaN and what i32 / i64 / u64 cannot hold become their smallest
// value (their highest bit), as x86 processors have it; types narrower than 32 bits are cut from an i32, u32 from an
// i64.
template <class Int>
Int truncated(double value);

// The whole tensor in f32: the tensor itself when it is that, else a copy.
Result<Tensor> as_floats(Call& call, const Tensor& tensor);
Result<Tensor> as_doubles(Call& call, const Tensor& tensor);

template <class Int>
Int truncated(double value) {
  if constexpr (sizeof(Int) < 4) {
    return static_cast<Int>(truncated<int32_t>(value));
  } else if constexpr (std::is_same_v<Int, int32_t>) {
    return value > -2147483649.0 && value < 2147483648.0 ? static_cast<int32_t>(value) : INT32_MIN;
  } else if constexpr (std::is_same_v<Int, uint32_t>) {
    return static_cast<uint32_t>(truncated<int64_t>(value));
  } else if constexpr (std::is_same_v<Int, uint64_t>) {
    if (value >= 0x1p63 && value < 0x1p64) return static_cast<uint64_t>(value);
    return static_cast<uint64_t>(truncated<int64_t>(value));
  } else {
    return value >= -0x1p63 && value < 0x1p63 ? static_cast<int64_t>(value) : INT64_MIN;
  }
}

}  // namespace hearth::operators
