#include "tensor/small_float.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/result.h"

namespace hearth {

namespace {

// sign, exponent, mantissa from the top; every type but F8E8M0.
struct Format {
  int exponent_bits, mantissa_bits, bias;
  uint8_t largest;   // code of the largest finite magnitude
  int infinity;      // code of infinity, -1: none
  int nan;           // code of a positive NaN, -1: none
  bool signed_zero;  // false: the code of -0 is NaN
};

constexpr Format format_of(DType dtype) {
  switch (dtype) {
    case DType::F8E4M3FN:
      return {4, 3, 7, 0x7e, -1, 0x7f, true};
    case DType::F8E4M3FNUZ:
      return {4, 3, 8, 0x7f, -1, 0x80, false};
    case DType::F8E5M2:
      return {5, 2, 15, 0x7b, 0x7c, 0x7e, true};
    case DType::F8E5M2FNUZ:
      return {5, 2, 16, 0x7f, -1, 0x80, false};
    default:
      return {2, 1, 1, 0x7, -1, -1, true};  // F4E2M1
  }
}

constexpr float power_of_two(int exponent) {  // of normal floats
  return std::bit_cast<float>(static_cast<uint32_t>(exponent + 127) << 23);
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

constexpr float decode(const Format& format, int code) {
  const int sign_bit = 1 << (format.exponent_bits + format.mantissa_bits);
  const int magnitude = code & (sign_bit - 1);
  if (!format.signed_zero && code == sign_bit) return kNan;
  if (format.infinity >= 0 && magnitude >= format.infinity)
    return magnitude > format.infinity ? kNan
           : code & sign_bit           ? -std::numeric_limits<float>::infinity()
                                       : std::numeric_limits<float>::infinity();
  if (format.infinity < 0 && format.nan >= 0 && format.signed_zero && magnitude == format.nan) return kNan;
  const int exponent = magnitude >> format.mantissa_bits, mantissa = magnitude & ((1 << format.mantissa_bits) - 1);
  const float unit = power_of_two((exponent == 0 ? 1 : exponent) - format.bias - format.mantissa_bits);
  const float value = static_cast<float>(exponent == 0 ? mantissa : mantissa + (1 << format.mantissa_bits)) * unit;
  return code & sign_bit ? -value : value;
}

template <DType kType>
constexpr std::array<float, 256> decode_all() {
  std::array<float, 256> values{};
  const Format format = format_of(kType);
  const int codes = 1 << (1 + format.exponent_bits + format.mantissa_bits);
  for (int code = 0; code < 256; ++code) values[static_cast<size_t>(code)] = decode(format, code % codes);
  return values;
}
template <>
constexpr std::array<float, 256> decode_all<DType::F8E8M0>() {
  std::array<float, 256> values{};
  values[0] = std::bit_cast<float>(uint32_t{0x00400000});  // 2^-127
  for (int code = 1; code < 255; ++code) values[static_cast<size_t>(code)] = power_of_two(code - 127);
  values[255] = kNan;
  return values;
}

template <DType kType>
constexpr std::array<float, 256> kValues = decode_all<kType>();

const float* values_of(DType dtype) {
  switch (dtype) {
    case DType::F8E4M3FN:
      return kValues<DType::F8E4M3FN>.data();
    case DType::F8E4M3FNUZ:
      return kValues<DType::F8E4M3FNUZ>.data();
    case DType::F8E5M2:
      return kValues<DType::F8E5M2>.data();
    case DType::F8E5M2FNUZ:
      return kValues<DType::F8E5M2FNUZ>.data();
    case DType::F8E8M0:
      return kValues<DType::F8E8M0>.data();
    default:
      CHECK(dtype == DType::F4E2M1);
      return kValues<DType::F4E2M1>.data();
  }
}

uint8_t encode(const Format& format, float value, bool saturate) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const int sign_bit = 1 << (format.exponent_bits + format.mantissa_bits);
  const int sign = bits >> 31 != 0 ? sign_bit : 0;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const auto with_sign = [&](int code) {
    return static_cast<uint8_t>(code == 0 && !format.signed_zero ? 0 : code | sign);
  };
  if (magnitude > 0x7f800000u) {
    if (format.nan < 0) return static_cast<uint8_t>(sign_bit);
    return format.signed_zero ? with_sign(format.nan) : static_cast<uint8_t>(format.nan);
  }
  int code = format.largest + 1;
  if (magnitude < 0x7f800000u) {
    // The code is the magnitude in units of the last place of its binade; rounding up into the next binade carries.
    int exponent = static_cast<int>(magnitude >> 23) - 127 + format.bias;  // of the target, 1 at its smallest normal
    const uint32_t mantissa = (magnitude & 0x7fffffu) | (magnitude >> 23 != 0 ? 0x800000u : 0u);
    if (exponent >= 1 << format.exponent_bits) exponent = 1 << format.exponent_bits;  // too large whatever follows
    int shift = 23 - format.mantissa_bits;
    int base = exponent - 1;  // codes below this binade, in binades
    if (exponent < 1) {
      shift += 1 - exponent;
      base = 0;
    }
    uint32_t kept = 0;
    if (shift <= 24) {
      kept = mantissa >> shift;
      const uint32_t rest = mantissa & ((1u << shift) - 1u), half = 1u << (shift - 1);
      if (rest > half || (rest == half && (kept & 1u) != 0)) ++kept;
    }
    code = (base << format.mantissa_bits) + static_cast<int>(kept);
  }
  if (code <= format.largest) return with_sign(code);
  if (saturate || format.nan < 0) return with_sign(format.largest);
  if (format.infinity >= 0) return with_sign(format.infinity);
  return format.signed_zero ? with_sign(format.nan) : static_cast<uint8_t>(format.nan);
}

uint8_t encode_scale(float value, SmallFloatOptions options) {
  constexpr uint8_t kScaleNan = 0xff, kLargest = 0xfe;
  if (std::isnan(value) || value < 0) return kScaleNan;
  if (value == 0) return options.saturate ? 0 : kScaleNan;
  if (std::isinf(value)) return options.saturate ? kLargest : kScaleNan;
  int exponent = 0;
  const float fraction = std::frexp(value, &exponent);  // value = fraction * 2^exponent, 0.5 <= fraction < 1
  int code = exponent - 1 + 127;
  const bool up = options.scale_rounding == ScaleRounding::Up        ? fraction > 0.5f
                  : options.scale_rounding == ScaleRounding::Nearest ? fraction >= 0.75f
                                                                     : false;
  if (up) ++code;
  if (code < 0) return options.saturate ? 0 : kScaleNan;
  if (code > kLargest) return options.saturate ? kLargest : kScaleNan;
  return static_cast<uint8_t>(code);
}

float odd_from_magnitude(uint64_t magnitude, bool negative) {
  const int width = std::bit_width(magnitude);
  float value = static_cast<float>(magnitude);
  if (width > 24) {
    const int shift = width - 24;
    const uint64_t lost = magnitude & ((uint64_t{1} << shift) - 1);
    value = std::ldexp(static_cast<float>((magnitude >> shift) | (lost != 0 ? 1u : 0u)), shift);
  }
  return negative ? -value : value;
}

}  // namespace

bool is_small_float(DType dtype) {
  switch (dtype) {
    case DType::F8E4M3FN:
    case DType::F8E4M3FNUZ:
    case DType::F8E5M2:
    case DType::F8E5M2FNUZ:
    case DType::F8E8M0:
    case DType::F4E2M1:
      return true;
    default:
      return false;
  }
}

float decode_small_float(DType dtype, uint8_t bits) {
  return values_of(dtype)[bits];
}

uint8_t encode_small_float(DType dtype, float value, SmallFloatOptions options) {
  CHECK(is_small_float(dtype));
  return dtype == DType::F8E8M0 ? encode_scale(value, options) : encode(format_of(dtype), value, options.saturate);
}

void encode_small_floats(DType dtype, const float* values, uint8_t* bits, int64_t count, SmallFloatOptions options) {
  CHECK(is_small_float(dtype));
  if (dtype == DType::F8E8M0) {
    for (int64_t i = 0; i < count; ++i) bits[i] = encode_scale(values[i], options);
    return;
  }
  const Format format = format_of(dtype);
  for (int64_t i = 0; i < count; ++i) bits[i] = encode(format, values[i], options.saturate);
}

void decode_small_floats(DType dtype, const uint8_t* bits, float* values, int64_t count) {
  const float* table = values_of(dtype);
  for (int64_t i = 0; i < count; ++i) values[i] = table[bits[i]];
}

float to_odd_float(double value) {
  const auto nearest = static_cast<float>(value);
  if (!(std::abs(value) <= std::numeric_limits<float>::max())) {
    // Beyond the largest float every narrower type overflows as well, unless only rounding made it infinite.
    return std::isinf(value) || std::isnan(value) ? nearest : std::copysign(std::numeric_limits<float>::max(), nearest);
  }
  if (static_cast<double>(nearest) == value) return nearest;
  // Towards zero, then the lowest bit set.
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}
float to_odd_float(int64_t value) {
  return odd_from_magnitude(value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value),
                            value < 0);
}
float to_odd_float(uint64_t value) {
  return odd_from_magnitude(value, false);
}

template <DType kType>
SmallFloat<kType>::SmallFloat(float value) : bits(encode_small_float(kType, value)) {}
template <DType kType>
SmallFloat<kType>::operator float() const {
  return kValues<kType>[bits];
}
template struct SmallFloat<DType::F8E4M3FN>;
template struct SmallFloat<DType::F8E4M3FNUZ>;
template struct SmallFloat<DType::F8E5M2>;
template struct SmallFloat<DType::F8E5M2FNUZ>;
template struct SmallFloat<DType::F8E8M0>;
template struct SmallFloat<DType::F4E2M1>;

}  // namespace hearth
