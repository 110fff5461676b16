// C++ types of the elements, and the step from a DType known at run time to a type known at compile time.
// The small float types compute in float: they convert implicitly to it and are made from it by rounding to nearest
// even.
#pragma once

#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>

#include "tensor/dtype.h"
#include "tensor/float16.h"

namespace hearth {

struct Half {
  uint16_t bits = 0;
  Half() = default;
  explicit Half(float value) : bits(f32_to_f16(value)) {}
  operator float() const { return f16_to_f32(bits); }  // NOLINT: every value is a float
};
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value) : bits(f32_to_bf16(value)) {}
  operator float() const { return bf16_to_f32(bits); }  // NOLINT
};

// Types of 8 and 4 bits (OCP 8-bit formats, their FNUZ forms, the E8M0 scale, E2M1). Conversions: tensor/small_float.h.
template <DType kType>
struct SmallFloat {
  static constexpr DType dtype = kType;
  uint8_t bits = 0;
  SmallFloat() = default;
  explicit SmallFloat(float value);  // saturating, as ONNX's Cast does by default
  operator float() const;            // NOLINT
};
using F8E4M3FN = SmallFloat<DType::F8E4M3FN>;
using F8E4M3FNUZ = SmallFloat<DType::F8E4M3FNUZ>;
using F8E5M2 = SmallFloat<DType::F8E5M2>;
using F8E5M2FNUZ = SmallFloat<DType::F8E5M2FNUZ>;
using F8E8M0 = SmallFloat<DType::F8E8M0>;
using F4E2M1 = SmallFloat<DType::F4E2M1>;

// Integers narrower than a byte, one a byte in memory. Made from a wider number by wrapping.
template <DType kType>
struct SmallInt {
  static constexpr DType dtype = kType;
  static constexpr bool is_signed = kType == DType::I4 || kType == DType::I2;
  static constexpr int width = kType == DType::I4 || kType == DType::U4 ? 4 : 2;
  using Byte = std::conditional_t<is_signed, int8_t, uint8_t>;
  Byte value = 0;
  SmallInt() = default;
  explicit SmallInt(int64_t wide)
      : value(static_cast<Byte>(static_cast<Byte>(static_cast<uint8_t>(wide) << (8 - width)) >> (8 - width))) {}
  operator int() const { return value; }  // NOLINT
};
using Int4 = SmallInt<DType::I4>;
using UInt4 = SmallInt<DType::U4>;
using Int2 = SmallInt<DType::I2>;
using UInt2 = SmallInt<DType::U2>;

// The one list of element types a tensor may have (block-quantised ones have none).
// clang-format off: it finds no end with this list
#define HEARTH_ELEMENT_TYPES(X)                                                                           \
  X(F32, float) X(F64, double) X(F16, Half) X(BF16, BFloat16)                                             \
  X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t)                                           \
  X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t) X(Bool, bool)                         \
  X(C64, std::complex<float>) X(C128, std::complex<double>)                                               \
  X(F8E4M3FN, F8E4M3FN) X(F8E4M3FNUZ, F8E4M3FNUZ) X(F8E5M2, F8E5M2) X(F8E5M2FNUZ, F8E5M2FNUZ)             \
  X(F8E8M0, F8E8M0) X(F4E2M1, F4E2M1) X(I4, Int4) X(U4, UInt4) X(I2, Int2) X(U2, UInt2)                   \
  X(String, std::string)
// clang-format on

template <class T>
struct DTypeOf;
#define HEARTH_DTYPE_OF(name, type)             \
  template <>                                   \
  struct DTypeOf<type> {                        \
    static constexpr DType value = DType::name; \
  };
HEARTH_ELEMENT_TYPES(HEARTH_DTYPE_OF)
#undef HEARTH_DTYPE_OF
template <class T>
inline constexpr DType dtype_of_type = DTypeOf<T>::value;

template <class... Types>
struct TypeList {};
using FloatTypes = TypeList<float, double, Half, BFloat16>;
using IntTypes = TypeList<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;
using NumericTypes =
    TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>;

// with_type(TypeList<float, double>{}, dtype, [&]<class T>() { … }): calls the function for the type `dtype` stands
// for; false when it is not in the list. Each type costs a copy of the function: lists should be no longer than the
// operator's.
template <class... Types, class Function>
bool with_type(TypeList<Types...>, DType dtype, Function&& function) {
  return ((dtype == dtype_of_type<Types> ? (function.template operator()<Types>(), true) : false) || ...);
}

// What an element computes in: float for the float types narrower than it, itself otherwise.
template <class T>
using ComputeType = std::conditional_t<
    std::is_convertible_v<T, float> && !std::is_arithmetic_v<T>,
    std::conditional_t<std::is_convertible_v<T, int> && sizeof(T) == 1 && requires(T t) { t.value; }, int, float>, T>;

// An unsigned integer as wide as the element: copying kernels (transpose, gather, pad) need no other type.
// with_width(bytes, [&]<class T>() { … }) for 1, 2, 4, 8 and 16 bytes; false for others.
struct Wide128 {
  uint64_t low, high;
};
template <class Function>
bool with_width(int64_t bytes, Function&& function) {
  switch (bytes) {
    case 1:
      function.template operator()<uint8_t>();
      return true;
    case 2:
      function.template operator()<uint16_t>();
      return true;
    case 4:
      function.template operator()<uint32_t>();
      return true;
    case 8:
      function.template operator()<uint64_t>();
      return true;
    case 16:
      function.template operator()<Wide128>();
      return true;
    default:
      return false;
  }
}

}  // namespace hearth
