// From the sums of a quantised product to its quantised elements: saturate(round(sum * multiplier) + zero_point), ties
// to even; 8-bit floats take sum * multiplier + zero_point as their conversion rounds it.
#pragma once

#include "operators/matrix/working_type.h"

namespace hearth::operators {

// `sums` are uint32_t (read as int32_t) or float. Multiplier i belongs to element i when `step` is 1, the first one to
// all when it is 0. `to` has elements of type `dtype`: I8, U8 or an 8-bit float.
template <class C>
void requantise(const C* sums, int64_t count, const float* multipliers, int64_t step, float zero_point, DType dtype,
                void* to);

// Invalid unless the tensor has one element of a floating-point type; that element.
Result<float> read_scale(Call& call, int input);
// Invalid unless the tensor has one element; that element as a float (8-bit types are exact). 0 when input is absent.
Result<float> read_zero_point(Call& call, int input);

}  // namespace hearth::operators
