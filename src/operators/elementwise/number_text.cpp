#include "operators/elementwise/number_text.h"

#include <charconv>
#include <cmath>

#include "operators/convert.h"

namespace hearth::operators {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// from_chars knows no plus sign.
std::string_view without_plus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
  return text;
}

template <class Real>
std::optional<Real> parse_real(std::string_view text) {
  text = without_plus(trimmed(text));
  Real value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large or too small. The sign of the decimal exponent is not worth reading: a wider type knows.
    const std::string copy(text);
    return static_cast<Real>(std::strtold(copy.c_str(), nullptr));
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

// Digits d.ddd and the exponent of the shortest decimal number that reads back as `value`.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal split_scientific(std::string_view text) {  // of a positive number as to_chars writes it: 1.25e-05
  Decimal decimal;
  const size_t e = text.find('e');
  for (const char c : text.substr(0, e))
    if (c != '.') decimal.digits += c;
  std::string_view exponent = without_plus(text.substr(e + 1));
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
  return decimal;
}

template <class Real>
Decimal shortest(Real magnitude) {
  char buffer[64];
  const auto done = std::to_chars(buffer, buffer + sizeof buffer, magnitude, std::chars_format::scientific);
  return split_scientific({buffer, done.ptr});
}

// For types narrower than f32: the fewest digits that round to the same code.
Decimal shortest_narrow(DType dtype, float magnitude) {
  uint16_t wanted = 0, got = 0;
  from_floats(&magnitude, dtype, &wanted, 1);
  char buffer[64];
  for (int precision = 0; precision < 9; ++precision) {
    const auto done =
        std::to_chars(buffer, buffer + sizeof buffer, magnitude, std::chars_format::scientific, precision);
    double read = 0;
    std::from_chars(buffer, done.ptr, read);
    got = 0;
    from_doubles(&read, dtype, &got, 1);
    if (got == wanted) return split_scientific({buffer, done.ptr});
  }
  return shortest(magnitude);
}

// NumPy writes a float without exponent from 1e-4 up to what its precision can tell apart.
double first_with_exponent(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return 1e16;
    case DType::F16:
      return 1e3;
    default:
      return 1e6;
  }
}

std::string real_text(DType dtype, double value) {
  if (std::isnan(value)) return "nan";
  std::string text = std::signbit(value) ? "-" : "";
  const double magnitude = std::abs(value);
  if (std::isinf(value)) return text + "inf";
  if (magnitude == 0) return text + "0.0";
  Decimal decimal = dtype == DType::F64   ? shortest(magnitude)
                    : dtype == DType::F32 ? shortest(static_cast<float>(magnitude))
                                          : shortest_narrow(dtype, static_cast<float>(magnitude));
  while (decimal.digits.size() > 1 && decimal.digits.back() == '0') decimal.digits.pop_back();
  const std::string& digits = decimal.digits;
  if (magnitude < 1e-4 || magnitude >= first_with_exponent(dtype)) {
    text += digits[0];
    if (digits.size() > 1) text.append(".").append(digits, 1);
    return text + fmt::format("e{}{:02}", decimal.exponent < 0 ? '-' : '+', std::abs(decimal.exponent));
  }
  const int whole = decimal.exponent + 1;  // digits in front of the point
  if (whole <= 0) return text + "0." + std::string(static_cast<size_t>(-whole), '0') + digits;
  const auto count = static_cast<size_t>(whole);
  if (digits.size() <= count) return text + digits + std::string(count - digits.size(), '0') + ".0";
  return text + digits.substr(0, count) + "." + digits.substr(count);
}

}  // namespace

std::string number_text(DType dtype, const void* element) {
  if (dtype == DType::Bool) return *static_cast<const uint8_t*>(element) != 0 ? "True" : "False";
  if (is_integer(dtype)) {
    int64_t value = 0;
    to_int64s(dtype, element, &value, 1);
    return is_unsigned(dtype) ? fmt::format("{}", static_cast<uint64_t>(value)) : fmt::format("{}", value);
  }
  double value = 0;
  to_doubles(dtype, element, &value, 1);
  return real_text(dtype, value);
}

std::optional<double> parse_double(std::string_view text) {
  return parse_real<double>(text);
}
std::optional<float> parse_float(std::string_view text) {
  return parse_real<float>(text);
}

std::optional<int64_t> parse_int(std::string_view text, bool is_unsigned) {
  const std::string_view plain = without_plus(trimmed(text));
  const char* end = plain.data() + plain.size();
  if (is_unsigned) {
    uint64_t value = 0;
    const auto done = std::from_chars(plain.data(), end, value);
    if (!plain.empty() && done.ptr == end && done.ec == std::errc()) return static_cast<int64_t>(value);
  } else {
    int64_t value = 0;
    const auto done = std::from_chars(plain.data(), end, value);
    if (!plain.empty() && done.ptr == end && done.ec == std::errc()) return value;
  }
  const auto real = parse_double(text);
  if (!real || !(std::abs(*real) < 0x1p63)) return std::nullopt;
  return static_cast<int64_t>(*real);
}

}  // namespace hearth::operators
