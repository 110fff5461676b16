#include "operators/convert.h"

#include <algorithm>

namespace hearth::operators {

namespace {

template <class From, class To>
void copy_cast(const void* from, To* to, int64_t count) {
  const auto* source = static_cast<const From*>(from);
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>)
      to[i] = static_cast<float>(source[i]);
    else if constexpr (!std::is_arithmetic_v<From>)
      to[i] = static_cast<To>(source[i].value);
    else
      to[i] = static_cast<To>(source[i]);
  }
}

// bool is read as a byte: what stands in a file may be any number.
void copy_bools(const void* from, auto* to, int64_t count) {
  const auto* source = static_cast<const uint8_t*>(from);
  for (int64_t i = 0; i < count; ++i) to[i] = source[i] != 0 ? 1 : 0;
}

using ArithmeticTypes = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                                 uint32_t, uint64_t, Int4, UInt4, Int2, UInt2>;
using IntegerTypes =
    TypeList<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, Int4, UInt4, Int2, UInt2>;

template <class To>
void to_any(DType dtype, const void* from, To* to, int64_t count) {
  if (dtype == DType::Bool) return copy_bools(from, to, count);
  if (is_small_float(dtype)) {
    const auto* bits = static_cast<const uint8_t*>(from);
    for (int64_t i = 0; i < count; ++i) to[i] = decode_small_float(dtype, bits[i]);
    return;
  }
  CHECK(with_type(ArithmeticTypes{}, dtype, [&]<class T>() { copy_cast<T>(from, to, count); }));
}

template <class Real>
float narrowed(Real value) {  // a float that rounds to a narrower type as `value` itself would
  if constexpr (std::is_same_v<Real, float>)
    return value;
  else
    return to_odd_float(value);
}

// The float types narrower than f32, from whatever narrowed() takes; false for other types.
template <class From>
bool to_narrow_floats(const From* from, DType dtype, void* to, int64_t count, SmallFloatOptions options) {
  if (dtype == DType::F16) {
    for (int64_t i = 0; i < count; ++i) static_cast<uint16_t*>(to)[i] = f32_to_f16(narrowed(from[i]));
  } else if (dtype == DType::BF16) {
    for (int64_t i = 0; i < count; ++i) static_cast<uint16_t*>(to)[i] = f32_to_bf16(narrowed(from[i]));
  } else if (is_small_float(dtype)) {
    float buffer[kChunk];
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      const int64_t n = std::min(kChunk, count - begin);
      for (int64_t i = 0; i < n; ++i) buffer[i] = narrowed(from[begin + i]);
      encode_small_floats(dtype, buffer, static_cast<uint8_t*>(to) + begin, n, options);
    }
  } else {
    return false;
  }
  return true;
}

template <class Real>
void from_real(const Real* from, DType dtype, void* to, int64_t count, SmallFloatOptions options) {
  if (to_narrow_floats(from, dtype, to, count, options)) return;
  if (dtype == DType::Bool) {
    for (int64_t i = 0; i < count; ++i) static_cast<uint8_t*>(to)[i] = from[i] != 0 ? 1 : 0;
    return;
  }
  if (dtype == DType::F32 || dtype == DType::F64) {
    with_type(TypeList<float, double>{}, dtype, [&]<class T>() {
      for (int64_t i = 0; i < count; ++i) static_cast<T*>(to)[i] = static_cast<T>(from[i]);
    });
    return;
  }
  CHECK(with_type(IntegerTypes{}, dtype, [&]<class T>() {
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_arithmetic_v<T>)
        static_cast<T*>(to)[i] = truncated<T>(static_cast<double>(from[i]));
      else
        static_cast<T*>(to)[i] = T(int64_t{truncated<int32_t>(static_cast<double>(from[i]))});
    }
  }));
}

}  // namespace

bool computes_in_float(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || is_small_float(dtype);
}
bool is_integer(DType dtype) {
  return info(dtype).kind == DTypeClass::Int;
}
bool is_unsigned(DType dtype) {
  return dtype == DType::U8 || dtype == DType::U16 || dtype == DType::U32 || dtype == DType::U64 ||
         dtype == DType::U4 || dtype == DType::U2;
}
bool is_float(DType dtype) {
  return info(dtype).kind == DTypeClass::Float;
}

void to_floats(DType dtype, const void* from, float* to, int64_t count) {
  if (is_small_float(dtype)) return decode_small_floats(dtype, static_cast<const uint8_t*>(from), to, count);
  to_any(dtype, from, to, count);
}
void to_doubles(DType dtype, const void* from, double* to, int64_t count) {
  to_any(dtype, from, to, count);
}
void to_int64s(DType dtype, const void* from, int64_t* to, int64_t count) {
  if (dtype == DType::Bool) return copy_bools(from, to, count);
  CHECK(with_type(IntegerTypes{}, dtype, [&]<class T>() { copy_cast<T>(from, to, count); }));
}

void from_floats(const float* from, DType dtype, void* to, int64_t count, SmallFloatOptions options) {
  from_real(from, dtype, to, count, options);
}
void from_doubles(const double* from, DType dtype, void* to, int64_t count, SmallFloatOptions options) {
  from_real(from, dtype, to, count, options);
}

void from_int64s(const int64_t* from, bool is_unsigned, DType dtype, void* to, int64_t count,
                 SmallFloatOptions options) {
  const auto* positive = reinterpret_cast<const uint64_t*>(from);
  if (is_float(dtype) && dtype != DType::F32 && dtype != DType::F64) {
    if (is_unsigned)
      CHECK(to_narrow_floats(positive, dtype, to, count, options));
    else
      CHECK(to_narrow_floats(from, dtype, to, count, options));
    return;
  }
  if (dtype == DType::Bool) {
    for (int64_t i = 0; i < count; ++i) static_cast<uint8_t*>(to)[i] = from[i] != 0 ? 1 : 0;
    return;
  }
  if (dtype == DType::F32 || dtype == DType::F64) {
    with_type(TypeList<float, double>{}, dtype, [&]<class T>() {
      auto* made = static_cast<T*>(to);
      for (int64_t i = 0; i < count; ++i) made[i] = is_unsigned ? static_cast<T>(positive[i]) : static_cast<T>(from[i]);
    });
    return;
  }
  CHECK(with_type(IntegerTypes{}, dtype, [&]<class T>() {
    for (int64_t i = 0; i < count; ++i) static_cast<T*>(to)[i] = static_cast<T>(from[i]);
  }));
}

Result<Tensor> as_floats(Call& call, const Tensor& tensor) {
  if (tensor.dtype() == DType::F32) return tensor;
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(DType::F32, tensor.dims(), call.memory()));
  to_floats(tensor.dtype(), tensor.raw(), made.mutable_data<float>(), tensor.size());
  return made;
}
Result<Tensor> as_doubles(Call& call, const Tensor& tensor) {
  if (tensor.dtype() == DType::F64) return tensor;
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(DType::F64, tensor.dims(), call.memory()));
  to_doubles(tensor.dtype(), tensor.raw(), made.mutable_data<double>(), tensor.size());
  return made;
}

}  // namespace hearth::operators
