// The functions of float_loops.h, branch-free so that the compiler turns the loops into vectors. Included once by each
// instruction set's float_loops.cpp, which names its table HEARTH_FLOAT_LOOPS. Everything is in an anonymous namespace
// and nothing comes from the standard library: a linker must not pick an inline function compiled here for other code.
// Polynomials were fitted to the functions on the ranges named, in the relative (erf: absolute) error of the result.
#pragma once

#include "operators/elementwise/float_loops.h"

namespace hearth::operators {
namespace {

#define HEARTH_INLINE inline __attribute__((always_inline))

constexpr float kInfinity = __builtin_inff();

HEARTH_INLINE float from_bits(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
HEARTH_INLINE uint32_t to_bits(float x) {
  return __builtin_bit_cast(uint32_t, x);
}

HEARTH_INLINE float abs(float x) {
  return from_bits(to_bits(x) & 0x7fffffffu);
}
HEARTH_INLINE float with_sign_of(float magnitude, float sign) {
  return from_bits(to_bits(magnitude) | (to_bits(sign) & 0x80000000u));
}
HEARTH_INLINE float sqrt(float x) {
  return __builtin_sqrtf(x);
}
HEARTH_INLINE float floor(float x) {
  return __builtin_floorf(x);
}
HEARTH_INLINE float ceil(float x) {
  return __builtin_ceilf(x);
}
HEARTH_INLINE float round(float x) {
  return __builtin_nearbyintf(x);
}

// e^x = 2^n e^r with |r| <= ln 2 / 2. 2^n is applied in two halves, so that results below the normal range are right.
HEARTH_INLINE float exp(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const int32_t whole = static_cast<int32_t>(to_bits(shifted)) - 0x4b400000;
  float r = x - n * 0.693145752f;  // the upper bits of ln 2, so that the product is exact
  r = r - n * 1.42860677e-6f;
  float p = 0.00138131445f;
  p = p * r + 0.00836941883f;
  p = p * r + 0.0416684568f;
  p = p * r + 0.166665148f;
  p = p * r + 0.499999931f;
  p = p * (r * r) + r + 1.0f;
  const int32_t half = whole >> 1, rest = whole - half;
  return p * from_bits(static_cast<uint32_t>(half + 127) << 23) * from_bits(static_cast<uint32_t>(rest + 127) << 23);
}

// log x = e log 2 + log(1 + f) with sqrt(1/2) <= 1 + f < sqrt 2.
HEARTH_INLINE float log(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;
  const uint32_t bits = to_bits(scaled) - 0x3f3504f3u;  // of sqrt(1/2)
  const int32_t exponent = static_cast<int32_t>(bits) >> 23;
  const float f = from_bits((bits & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const float e = static_cast<float>(exponent) - (tiny ? 23.0f : 0.0f);
  float p = 0.0674664105f;
  p = p * f - 0.11675652f;
  p = p * f + 0.118881621f;
  p = p * f - 0.124055888f;
  p = p * f + 0.142195524f;
  p = p * f - 0.166679959f;
  p = p * f + 0.200021187f;
  p = p * f - 0.250000096f;
  p = p * f + 0.333333126f;
  const float square = f * f;
  float y = p * f * square;
  y = y + e * 1.42860677e-6f;
  y = y - 0.5f * square;
  y = f + y;
  y = y + e * 0.693145752f;
  y = x == kInfinity ? x : y;
  y = x == 0.0f ? -kInfinity : y;
  return x < 0.0f || x != x ? __builtin_nanf("") : y;
}

HEARTH_INLINE float tanh(float x) {
  const float s = x * x;
  float p = -0.0057049872f;
  p = p * s + 0.0206390874f;
  p = p * s - 0.0537397151f;
  p = p * s + 0.133314422f;
  p = p * s - 0.333332819f;
  const float near = p * s * x + x;
  const float magnitude = abs(x);
  const float far = with_sign_of(1.0f - 2.0f / (exp(2.0f * magnitude) + 1.0f), x);
  return magnitude < 0.625f ? near : magnitude != magnitude ? x : far;
}

HEARTH_INLINE float erf(float x) {
  const float s = x * x;
  float p = 8.18510669e-5f;
  p = p * s - 0.000809770737f;
  p = p * s + 0.00519695254f;
  p = p * s - 0.0268577053f;
  p = p * s + 0.11283664f;
  p = p * s - 0.376126316f;
  p = p * s + 0.128379166f;
  const float near = p * x + x;
  const float magnitude = abs(x);
  const float t = magnitude > 4.0f ? 4.0f : magnitude;  // 1 - erf(4) is below half a unit in the last place of 1
  float q = 2.1217855e-5f;                              // -log(1 - erf(t))
  q = q * t - 0.000435883993f;
  q = q * t + 0.00417795885f;
  q = q * t - 0.0251376129f;
  q = q * t + 0.108308258f;
  q = q * t + 0.633321263f;
  q = q * t + 1.12952764f;
  q = q * t - 0.000177333739f;
  const float far = with_sign_of(1.0f - exp(-q), x);
  return magnitude < 0.9375f ? near : magnitude != magnitude ? x : far;
}

// e^x - 1 for x <= 0, without cancellation.
HEARTH_INLINE float exp_minus_one(float x) {
  const float t = tanh(0.5f * x);
  return 2.0f * t / (1.0f - t);
}

HEARTH_INLINE float sigmoid(float x) {
  return 1.0f / (1.0f + exp(-x));
}
// log(1 + y) for 0 <= y <= 1, where 1 + y loses most of a small y.
HEARTH_INLINE float log_one_plus(float y) {
  const float u = 1.0f + y;
  const float d = u - 1.0f;
  return d == 0.0f ? y : log(u) * (y / d);
}
HEARTH_INLINE float softplus(float x) {
  return (x < 0.0f ? 0.0f : x) + log_one_plus(exp(-abs(x)));
}
// x tanh(log(1 + e^x)) = x w / (w + 2) with w = e^x (e^x + 2).
HEARTH_INLINE float mish(float x) {
  const float e = exp(x > 20.0f ? 20.0f : x);
  const float w = e * (e + 2.0f);
  return x * (w / (w + 2.0f));
}
HEARTH_INLINE float gelu(float x) {
  return 0.5f * x * (1.0f + erf(x * 0.707106781f));
}
HEARTH_INLINE float gelu_tanh(float x) {
  return 0.5f * x * (1.0f + tanh(0.797884561f * (x + 0.044715f * x * x * x)));
}
HEARTH_INLINE float relu(float x) {
  return x < 0.0f ? 0.0f : x;
}

HEARTH_INLINE float exp(const float*, float x) {
  return exp(x);
}
#define HEARTH_PLAIN(name)                                \
  HEARTH_INLINE float name(const float* /*p*/, float x) { \
    return name(x);                                       \
  }
HEARTH_PLAIN(log)
HEARTH_PLAIN(tanh)
HEARTH_PLAIN(erf)
HEARTH_PLAIN(sigmoid)
HEARTH_PLAIN(softplus)
HEARTH_PLAIN(mish)
HEARTH_PLAIN(gelu)
HEARTH_PLAIN(gelu_tanh)
HEARTH_PLAIN(relu)
HEARTH_PLAIN(sqrt)
HEARTH_PLAIN(abs)
HEARTH_PLAIN(floor)
HEARTH_PLAIN(ceil)
HEARTH_PLAIN(round)
#undef HEARTH_PLAIN
HEARTH_INLINE float swish(const float* p, float x) {
  return x * sigmoid(p[0] * x);
}
HEARTH_INLINE float elu(const float* p, float x) {
  return x < 0.0f ? p[0] * exp_minus_one(x) : x;
}
HEARTH_INLINE float selu(const float* p, float x) {
  return p[1] * (x <= 0.0f ? p[0] * exp_minus_one(x) : x);
}
HEARTH_INLINE float celu(const float* p, float x) {
  const float t = x / p[0];
  const float low = p[0] * (t > 0.0f ? exp(t) - 1.0f : exp_minus_one(t));
  return (x < 0.0f ? 0.0f : x) + (low > 0.0f ? 0.0f : low);
}
HEARTH_INLINE float leaky_relu(const float* p, float x) {
  return x < 0.0f ? p[0] * x : x;
}
HEARTH_INLINE float unit_clip(float x) {
  x = x < 0.0f ? 0.0f : x;
  return x > 1.0f ? 1.0f : x;
}
HEARTH_INLINE float hard_sigmoid(const float* p, float x) {
  return unit_clip(p[0] * x + p[1]);
}
HEARTH_INLINE float hard_swish(const float*, float x) {
  return x * unit_clip(x * 0.166666667f + 0.5f);
}
HEARTH_INLINE float clip(const float* p, float x) {
  x = x < p[0] ? p[0] : x;
  return x > p[1] ? p[1] : x;
}
HEARTH_INLINE float reciprocal(const float*, float x) {
  return 1.0f / x;
}
HEARTH_INLINE float negate(const float*, float x) {
  return -x;
}

HEARTH_INLINE float add(float a, float b) {
  return a + b;
}
HEARTH_INLINE float subtract(float a, float b) {
  return a - b;
}
HEARTH_INLINE float multiply(float a, float b) {
  return a * b;
}
HEARTH_INLINE float divide(float a, float b) {
  return a / b;
}
HEARTH_INLINE float largest(float a, float b) {
  return a > b || a != a ? a : b;
}
HEARTH_INLINE float smallest(float a, float b) {
  return a < b || a != a ? a : b;
}
HEARTH_INLINE float prelu(float a, float b) {
  return a < 0.0f ? b * a : a;
}

#define HEARTH_FLOAT_LOOP(name)                                                   \
  void name##_loop(const float* p, const float* x, float* y, int64_t n) {         \
    float held[2] = {0.0f, 0.0f};                                                 \
    if (p != nullptr) held[0] = p[0], held[1] = p[1];                             \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] = name(held, x[i]); \
  }
HEARTH_FLOAT_UNARY(HEARTH_FLOAT_LOOP)
#undef HEARTH_FLOAT_LOOP

#define HEARTH_FLOAT_LOOP(name)                                                                       \
  void name##_loop(const float* a, const float* b, float* y, int64_t n, bool a_moves, bool b_moves) { \
    if (a_moves && b_moves) {                                                                         \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] = name(a[i], b[i]);                   \
    } else if (a_moves) {                                                                             \
      const float one = *b;                                                                           \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] = name(a[i], one);                    \
    } else if (b_moves) {                                                                             \
      const float one = *a;                                                                           \
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] = name(one, b[i]);                    \
    } else {                                                                                          \
      const float one = name(*a, *b);                                                                 \
      for (int64_t i = 0; i < n; ++i) y[i] = one;                                                     \
    }                                                                                                 \
  }
HEARTH_FLOAT_BINARY(HEARTH_FLOAT_LOOP)
#undef HEARTH_FLOAT_LOOP

double sum_loop(const float* x, int64_t n) {
  double lanes[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int lane = 0; lane < 16; ++lane) lanes[lane] += static_cast<double>(x[i + lane]);
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += static_cast<double>(x[i]);
  for (int width = 8; width > 0; width /= 2)
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

#undef HEARTH_INLINE

}  // namespace

#define HEARTH_FLOAT_ENTRY(name) .name = name##_loop,
const FloatLoops HEARTH_FLOAT_LOOPS = {
    HEARTH_FLOAT_UNARY(HEARTH_FLOAT_ENTRY) HEARTH_FLOAT_BINARY(HEARTH_FLOAT_ENTRY).sum = sum_loop};
#undef HEARTH_FLOAT_ENTRY

}  // namespace hearth::operators
