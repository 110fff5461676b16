#include "operators/matrix/working_type.h"

#include <cmath>
#include <limits>

#include "tensor/element.h"
#include "tensor/small_float.h"

namespace hearth::operators {

namespace {

// A conversion is worth a thread's start from here on.
constexpr int64_t kConvertGrain = 1 << 16;

template <class From, class C>
void widen_elements(const void* source, int64_t count, C* to) {
  const From* from = static_cast<const From*>(source);
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_convertible_v<From, float> && !std::is_arithmetic_v<From>)
      to[i] = static_cast<C>(static_cast<float>(from[i]));
    else
      to[i] = static_cast<C>(from[i]);
  }
}

template <class To, class C>
To narrow_element(C value) {
  if constexpr (std::is_floating_point_v<C> && std::is_integral_v<To>) {
    // The largest value is no float of its own for the wide types: compare with the power of two above it.
    constexpr C kAbove = static_cast<C>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    if (!(value > static_cast<C>(std::numeric_limits<To>::min())))  // NaN too
      return value == value ? std::numeric_limits<To>::min() : To{0};
    return value < kAbove ? static_cast<To>(value) : std::numeric_limits<To>::max();
  } else if constexpr (std::is_same_v<C, double> && !std::is_arithmetic_v<To>) {
    return To(to_odd_float(value));  // rounded once
  } else if constexpr (std::is_same_v<C, float> && !std::is_arithmetic_v<To>) {
    return To(value);
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class C>
void narrow_elements(const C* from, int64_t count, void* target) {
  To* to = static_cast<To*>(target);
  for (int64_t i = 0; i < count; ++i) to[i] = narrow_element<To>(from[i]);
}

using Integers32 = TypeList<int32_t, uint32_t, int8_t, uint8_t, int16_t, uint16_t>;
using Integers64 = TypeList<int64_t, uint64_t, int32_t, uint32_t, int8_t, uint8_t, int16_t, uint16_t>;
using Numbers = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                         uint64_t, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ>;
using NumbersAndBool = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t,
                                uint32_t, uint64_t, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, bool>;
template <class C>
using WidenTypes = std::conditional_t<std::is_floating_point_v<C>, NumbersAndBool,
                                      std::conditional_t<sizeof(C) == 4, Integers32, Integers64>>;
template <class C>
using NarrowTypes = std::conditional_t<std::is_floating_point_v<C>, Numbers,
                                       std::conditional_t<sizeof(C) == 4, Integers32, Integers64>>;

}  // namespace

template <class C>
bool widen(DType from, const void* source, int64_t count, C* to) {
  return with_type(WidenTypes<C>{}, from, [&]<class From>() { widen_elements<From>(source, count, to); });
}

template <class C>
bool narrow(const C* source, int64_t count, DType to, void* target) {
  return with_type(NarrowTypes<C>{}, to, [&]<class To>() { narrow_elements<To>(source, count, target); });
}

template <class C>
Result<Wide<C>> Wide<C>::make(Call& call, const Tensor& tensor) {
  Wide made;
  if (lies_as<C>(tensor.dtype())) {
    made.data_ = tensor.data<C>();
    return made;
  }
  ASSIGN_OR_RETURN(made.copy_, Scratch<C>::make(call, {tensor.size()}));
  made.data_ = made.copy_.data();
  const auto* source = static_cast<const std::byte*>(tensor.raw());
  const int64_t width = info(tensor.dtype()).block_bytes;
  if (!widen(tensor.dtype(), source, 0, made.copy_.data()))
    return call.unsupported("element type; got {}, which is not computed with here", to_string(tensor.dtype()));
  call.parallel(tensor.size(), kConvertGrain, [&](int64_t begin, int64_t end) {
    widen(tensor.dtype(), source + begin * width, end - begin, made.copy_.data() + begin);
  });
  return made;
}

template <class C>
Result<WideOutput<C>> WideOutput<C>::make(Call& call, int index, DType dtype, const Dims& dims) {
  WideOutput made;
  ASSIGN_OR_RETURN(made.tensor_, call.output(index, dtype, dims));
  if (lies_as<C>(dtype)) {
    made.data_ = made.tensor_->template mutable_data<C>();
    return made;
  }
  if (!narrow<C>(nullptr, 0, dtype, nullptr))
    return call.unsupported("output element type; got {}, which is not computed here", to_string(dtype));
  ASSIGN_OR_RETURN(made.copy_, Scratch<C>::make(call, {made.tensor_->size()}));
  made.data_ = made.copy_.data();
  return made;
}

template <class C>
void WideOutput<C>::finish(Call& call) {
  if (copy_.data() == nullptr) return;
  auto* target = static_cast<std::byte*>(tensor_->mutable_raw());
  const int64_t width = info(tensor_->dtype()).block_bytes;
  call.parallel(tensor_->size(), kConvertGrain, [&](int64_t begin, int64_t end) {
    narrow(data_ + begin, end - begin, tensor_->dtype(), target + begin * width);
  });
}

#define HEARTH_WORKING_TYPE(C)                              \
  template bool widen<C>(DType, const void*, int64_t, C*);  \
  template bool narrow<C>(const C*, int64_t, DType, void*); \
  template class Wide<C>;                                   \
  template class WideOutput<C>;
HEARTH_WORKING_TYPE(float)
HEARTH_WORKING_TYPE(double)
HEARTH_WORKING_TYPE(uint32_t)
HEARTH_WORKING_TYPE(uint64_t)
#undef HEARTH_WORKING_TYPE

}  // namespace hearth::operators
