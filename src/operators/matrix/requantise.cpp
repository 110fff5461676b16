#include "operators/matrix/requantise.h"

#include <algorithm>

namespace hearth::operators {

namespace {

// The product is clamped first (the bounds are whole numbers, so that rounding cannot cross them); then adding
// 1.5 * 2^23 rounds it to a whole number, ties to even. In float32, as the fused products do (ops/cpu/quantised.h):
// both give the same bytes.
template <class To, class C>
void to_integers(const C* sums, int64_t count, const float* multipliers, int64_t step, float zero_point, To* to) {
  constexpr float kMagic = 0x1.8p23f;
  const float lowest = std::numeric_limits<To>::min() - zero_point;
  const float highest = std::numeric_limits<To>::max() - zero_point;
  for (int64_t i = 0; i < count; ++i) {
    float value;
    if constexpr (std::is_integral_v<C>)
      value = static_cast<float>(static_cast<int32_t>(sums[i]));
    else
      value = static_cast<float>(sums[i]);
    value *= multipliers[i * step];
    value = value > lowest ? value : lowest;  // NaN too
    value = value < highest ? value : highest;
    to[i] = static_cast<To>(static_cast<int32_t>((value + kMagic) - kMagic + zero_point));
  }
}

}  // namespace

template <class C>
void requantise(const C* sums, int64_t count, const float* multipliers, int64_t step, float zero_point, DType dtype,
                void* to) {
  if (dtype == DType::I8) {
    to_integers(sums, count, multipliers, step, zero_point, static_cast<int8_t*>(to));
  } else if (dtype == DType::U8) {
    to_integers(sums, count, multipliers, step, zero_point, static_cast<uint8_t*>(to));
  } else {
    constexpr int64_t kRun = 256;
    float values[kRun];
    for (int64_t at = 0; at < count; at += kRun) {
      const int64_t run = std::min(kRun, count - at);
      for (int64_t i = 0; i < run; ++i) {
        float sum;
        if constexpr (std::is_integral_v<C>)
          sum = static_cast<float>(static_cast<int32_t>(sums[at + i]));
        else
          sum = sums[at + i];
        values[i] = sum * multipliers[(at + i) * step] + zero_point;
      }
      narrow(values, run, dtype, static_cast<std::byte*>(to) + at);
    }
  }
}

template void requantise<uint32_t>(const uint32_t*, int64_t, const float*, int64_t, float, DType, void*);
template void requantise<float>(const float*, int64_t, const float*, int64_t, float, DType, void*);

Result<float> read_scale(Call& call, int input) {
  ASSIGN_OR_RETURN(const Tensor* scale, call.tensor(input));
  float value = 0;
  if (scale->size() != 1 || info(scale->dtype()).kind != DTypeClass::Float ||
      !widen(scale->dtype(), scale->raw(), 1, &value))
    return call.invalid("scale, input {}; got {}{}, need one floating-point element", input, to_string(scale->dtype()),
                        to_string(scale->dims()));
  return value;
}

Result<float> read_zero_point(Call& call, int input) {
  if (!call.has(input)) return 0.0f;
  ASSIGN_OR_RETURN(const Tensor* zero, call.tensor(input));
  float value = 0;
  if (zero->size() != 1 || !widen(zero->dtype(), zero->raw(), 1, &value))
    return call.invalid("zero point, input {}; got {}{}, need one element", input, to_string(zero->dtype()),
                        to_string(zero->dims()));
  return value;
}

}  // namespace hearth::operators
