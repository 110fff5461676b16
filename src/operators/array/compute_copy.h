// Interpolating operators serve every element type through four that they compute in.
#pragma once

#include <cmath>
#include <limits>
#include <optional>

#include "operators/kernel.h"
#include "tensor/element.h"

namespace hearth::operators {

// The elements as what they are computed in: F32 for the float types of 16 bits, integers up to 16 bits and booleans;
// F64 for wider ones; C64 and C128 stay. F32, F64, C64, C128: the same memory. Invalid for other types.
Result<Tensor> widen(Call& call, const Tensor& tensor);
// What widen() gives for a type; nullopt for types that nothing is computed in.
std::optional<DType> widened(DType dtype);

enum class Rounding { Nearest, TowardsZero };

// One number as an element: integers saturate, a NaN becomes 0; a boolean is whether the number is not zero.
template <class T, class Wide>
T narrow_to(Wide value, Rounding rounding) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else if constexpr (std::is_integral_v<T>) {
    if (std::isnan(value)) return 0;
    const Wide whole = rounding == Rounding::Nearest ? std::nearbyint(value) : std::trunc(value);
    // The greatest of a wide integer is no number of Wide, its successor (a power of two) is.
    constexpr Wide kEnd = static_cast<Wide>(std::numeric_limits<T>::max() / 2 + 1) * 2;
    if (whole >= kEnd) return std::numeric_limits<T>::max();
    if (whole < static_cast<Wide>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
    return static_cast<T>(whole);
  } else {
    return T(value);
  }
}

// Output `index` becomes `wide` with elements of `dtype`, where wide.dtype() == widened(dtype).
Result<> narrow(Call& call, const Tensor& wide, Rounding rounding, int index, DType dtype);

}  // namespace hearth::operators
