// Vectors of 8 floats in plain C++ with the vector extension that gcc and clang share, so that every target compiles
// them to what it has. Included only by the files of ops/cpu/portable; see simd/avx512.h for what the functions
// promise.
#pragma once

#include <math.h>

#include "ops/cpu/simd/elements.h"

#define HEARTH_CPU_ENTRY(op) hearth_cpu_portable_##op

namespace hearth::ops::cpu {
namespace {

constexpr int kLanes = 8;
constexpr int kPanelVectors = 1;
constexpr int kPanelRows = 8;
constexpr bool kSignedWide = true;
constexpr int kDirectTile = 2;
constexpr int kExpandedTile = 4;
constexpr int kFloatTile = 4;
constexpr int kDenseRows = 4, kDenseVectors = 1;
constexpr int kScoreRows = 4, kScoreVectors = 1;
constexpr int kWideRows = 4, kWideVectors = 1;

typedef float F __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
struct I {  // 8 groups of four bytes, or 8 sums
  Ints v;
};

inline F fset(float x) {
  return F{x, x, x, x, x, x, x, x};
}
inline F fzero() {
  return fset(0.0f);
}
inline F add(F a, F b) {
  return a + b;
}
inline F sub(F a, F b) {
  return a - b;
}
inline F mul(F a, F b) {
  return a * b;
}
inline F div(F a, F b) {
  return a / b;
}
inline F fma(F a, F b, F c) {
  return a * b + c;
}  // two roundings: a machine with one has its own kernels
inline F fnma(F a, F b, F c) {
  return c - a * b;
}
inline F max(F a, F b) {
  return a > b ? a : b;
}
inline F min(F a, F b) {
  return a < b ? a : b;
}
inline F from_bits(Ints x) {
  F r;
  memcpy(&r, &x, sizeof r);
  return r;
}
inline Ints to_bits(F x) {
  Ints r;
  memcpy(&r, &x, sizeof r);
  return r;
}
inline F abs(F a) {
  return from_bits(to_bits(a) & 0x7fffffff);
}
inline F sqrt(F a) {
  for (int i = 0; i < 8; ++i) a[i] = ::sqrtf(a[i]);
  return a;
}
inline F nearest(F a) {
  const F magic = fset(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers, to nearest even
  const F r = (a + magic) - magic;
  return abs(a) < fset(4194304.0f) ? r : a;
}
inline Ints to_ints(F a) {
  return __builtin_convertvector(a, Ints);
}
inline F times_power_of_two(F a, F n) {
  const Ints e = to_ints(n), half = e >> 1, rest = e - half;
  const F r = a * from_bits((half + 127) << 23) * from_bits((rest + 127) << 23);
  return n < fset(-126.0f) ? fzero() : r;
}
inline float sum_lanes(F a) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}
inline float max_lanes(F a) {
  float m = a[0];
  for (int i = 1; i < 8; ++i) m = a[i] > m ? a[i] : m;
  return m;
}
inline bool any_nan(F a) {
  bool bad = false;
  for (int i = 0; i < 8; ++i) bad |= a[i] != a[i];
  return bad;
}
inline double sum_lanes_double(F a) {
  double s = 0;
  for (int i = 0; i < 8; ++i) s += static_cast<double>(a[i]);
  return s;
}
inline F keep_range(F a, int64_t lower, int64_t upper, F other) {
  for (int i = 0; i < 8; ++i)
    if (i < lower || i >= upper) a[i] = other[i];
  return a;
}
inline F keep_bits(F a, uint32_t bits, F other) {
  const Ints lane{1, 2, 4, 8, 16, 32, 64, 128};
  return (lane & static_cast<int32_t>(bits & 255u)) != 0 ? a : other;
}
inline uint32_t bits_at_least(F a, F b) {
  uint32_t bits = 0;
  for (int i = 0; i < 8; ++i) bits |= static_cast<uint32_t>(a[i] >= b[i]) << i;
  return bits;
}
inline uint32_t bits_less(F a, F b) {
  uint32_t bits = 0;
  for (int i = 0; i < 8; ++i) bits |= static_cast<uint32_t>(a[i] < b[i]) << i;
  return bits;
}
inline F quotient(F a, F b) {
  return div(a, b);
}
inline F where_less(F a, F b, F yes, F no) {
  return a < b ? yes : no;
}
inline F max_nan(F a, F b) {
  const F most = a > b ? a : b;
  return a != a ? a : most;
}
inline F min_nan(F a, F b) {
  const F least = a < b ? a : b;
  return a != a ? a : least;
}

inline float half_value(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16, rest = h & 0x7fffu;
  uint32_t bits;
  float f;
  if (rest >= 0x7c00u) {
    bits = sign | 0x7f800000u | (rest & 0x3ffu) << 13 | ((rest & 0x3ffu) != 0 ? 0x400000u : 0u);
    memcpy(&f, &bits, 4);
    return f;
  }
  bits = rest << 13;
  memcpy(&f, &bits, 4);
  f *= 5.192296858534828e33f;  // 2^112 moves the exponent's bias; subnormals come out right
  memcpy(&bits, &f, 4);
  bits |= sign;
  memcpy(&f, &bits, 4);
  return f;
}
inline uint16_t half_bits(float f) {
  uint32_t x;
  memcpy(&x, &f, 4);
  const uint32_t sign = x >> 16 & 0x8000u;
  x &= 0x7fffffffu;
  if (x > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (x >> 13 & 0x3ffu));
  if (x >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (x < 0x38800000u) {  // subnormal: let the adder round
    float a;
    memcpy(&a, &x, 4);
    a += 0.5f;
    uint32_t y;
    memcpy(&y, &a, 4);
    return static_cast<uint16_t>(sign | (y - 0x3f000000u));
  }
  x += 0xfffu + (x >> 13 & 1u);
  return static_cast<uint16_t>(sign | (x - 0x38000000u) >> 13);
}
inline float brain_value(uint16_t b) {
  const uint32_t x = static_cast<uint32_t>(b) << 16;
  float f;
  memcpy(&f, &x, 4);
  return f;
}
inline uint16_t brain_bits(float f) {
  uint32_t x;
  memcpy(&x, &f, 4);
  if ((x & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(x >> 16 | 0x40u);
  return static_cast<uint16_t>((x + 0x7fffu + (x >> 16 & 1u)) >> 16);
}
inline F load(const float* p) {
  F r;
  memcpy(&r, p, sizeof r);
  return r;
}
inline F load(const float* p, int n) {
  F r = fzero();
  memcpy(&r, p, static_cast<size_t>(n) * 4);
  return r;
}
inline F load(const Half* p, int n) {
  F r = fzero();
  for (int i = 0; i < n; ++i) r[i] = half_value(p[i].bits);
  return r;
}
inline F load(const Brain* p, int n) {
  F r = fzero();
  for (int i = 0; i < n; ++i) r[i] = brain_value(p[i].bits);
  return r;
}
inline F load(const Half* p) {
  return load(p, 8);
}
inline F load(const Brain* p) {
  return load(p, 8);
}
inline F first_of_pair(F a) {
  return from_bits(to_bits(a) << 16);
}
inline F second_of_pair(F a) {
  return from_bits(to_bits(a) & static_cast<int32_t>(0xffff0000u));
}
inline F dot_pairs(F acc, F x, F w) {
  return fma(second_of_pair(x), second_of_pair(w), fma(first_of_pair(x), first_of_pair(w), acc));
}
inline void store(float* p, F a) {
  memcpy(p, &a, sizeof a);
}
inline void store(float* p, F a, int n) {
  memcpy(p, &a, static_cast<size_t>(n) * 4);
}
inline void store(Half* p, F a, int n) {
  for (int i = 0; i < n; ++i) p[i].bits = half_bits(a[i]);
}
inline void store(Brain* p, F a, int n) {
  for (int i = 0; i < n; ++i) p[i].bits = brain_bits(a[i]);
}
inline void store(Half* p, F a) {
  store(p, a, 8);
}
inline void store(Brain* p, F a) {
  store(p, a, 8);
}
inline F brain_pairs(F low, F high, bool) {  // 16 floats as 8 words of two brain floats
  Brain pairs[16];
  store(pairs, low);
  store(pairs + 8, high);
  F words;
  memcpy(&words, pairs, sizeof words);
  return words;
}
inline F brain_lanes(F a, F b, bool) {  // each lane a word of two brain floats: that of a, then that of b
  F words;
  for (int i = 0; i < 8; ++i) {
    const uint32_t word = static_cast<uint32_t>(brain_bits(b[i])) << 16 | brain_bits(a[i]);
    float lane;
    memcpy(&lane, &word, sizeof lane);
    words[i] = lane;
  }
  return words;
}

// ---- packed codes
inline I iset(int32_t x) {
  return {Ints{x, x, x, x, x, x, x, x}};
}
inline I load_codes(const uint8_t* p) {
  I r;
  memcpy(&r.v, p, 32);
  return r;
}
inline void store_codes(uint8_t* p, I a) {
  memcpy(p, &a.v, 32);
}
inline I low_nibbles(I a) {
  return {a.v & 0x0f0f0f0f};
}
inline I high_nibbles(I a) {
  return {(a.v >> 4) & 0x0f0f0f0f};
}
template <bool kWide>
inline I dot(I acc, I codes, I x) {
  for (int j = 0; j < 4; ++j) {
    const Ints b = (x.v << (24 - 8 * j)) >> 24;
    const Ints c = kWide ? (codes.v << (24 - 8 * j)) >> 24 : (codes.v >> (8 * j)) & 255;
    acc.v += b * c;
  }
  return acc;
}
inline F to_float(I a) {
  return __builtin_convertvector(a.v, F);
}
inline F load_half(const uint8_t* p) {
  Half h[8];
  memcpy(h, p, sizeof h);
  return load(h);
}
inline F load_u8(const uint8_t* p) {
  F r;
  for (int i = 0; i < 8; ++i) r[i] = p[i];
  return r;
}
inline F load_i8(const uint8_t* p) {
  F r;
  for (int i = 0; i < 8; ++i) r[i] = static_cast<int8_t>(p[i]);
  return r;
}
inline void prefetch(const void* p) {
  __builtin_prefetch(p);
}

template <class T>
inline float quantise32(const T* x, int32_t* words, int64_t stride, int32_t* sums) {
  F v[4];
  F most8 = fzero();
  bool bad = false;
  for (int i = 0; i < 4; ++i) {
    v[i] = load(x + i * 8);
    most8 = max(most8, abs(v[i]));
    bad |= any_nan(v[i]);
  }
  const float most = max_lanes(most8);
  sums[0] = sums[1] = 0;
  if (bad || most > 3.4028234e38f) {  // NaN or infinity: nothing finite stands for this block
    for (int k = 0; k < 8; ++k) words[k * stride] = 0;
    return __builtin_nanf("");
  }
  const F inverse = fset(most > 0 ? 127.0f / most : 0.0f);
  int8_t bytes[32];
  for (int i = 0; i < 4; ++i) {
    const Ints q = to_ints(nearest(v[i] * inverse));
    for (int j = 0; j < 8; ++j) {
      bytes[i * 8 + j] = static_cast<int8_t>(q[j]);
      sums[i / 2] += q[j];
    }
  }
  for (int k = 0; k < 8; ++k) memcpy(&words[k * stride], bytes + k * 4, 4);
  return most / 127.0f;
}

inline void transpose_square(F* r) {
  for (int i = 0; i < 8; ++i)
    for (int j = i + 1; j < 8; ++j) {
      const float t = r[i][j];
      r[i][j] = r[j][i];
      r[j][i] = t;
    }
}

// ---- bytes and sums of their products; two factors a word, 16 bits each
constexpr int kWordFactors = 2;
inline I izero() {
  return iset(0);
}
inline I load_ints(const int32_t* p) {
  I r;
  memcpy(&r.v, p, sizeof r.v);
  return r;
}
inline I load_ints(const int32_t* p, int n) {
  I r = izero();
  memcpy(&r.v, p, static_cast<size_t>(n) * sizeof(int32_t));
  return r;
}
inline void store_ints(int32_t* p, I a) {
  memcpy(p, &a.v, sizeof a.v);
}
typedef uint32_t Wrapping __attribute__((vector_size(32)));  // sums may wrap; signed ones must not
inline I add_ints(I a, I b) {
  return {(Ints)((Wrapping)a.v + (Wrapping)b.v)};
}
inline I sub_ints(I a, I b) {
  return {(Ints)((Wrapping)a.v - (Wrapping)b.v)};
}
inline I mul_ints(I a, I b) {
  return {(Ints)((Wrapping)a.v * (Wrapping)b.v)};
}
inline I flip_signs(I bytes) {
  return {bytes.v ^ static_cast<int32_t>(0x80808080u)};
}
inline I dot_words(I acc, I left, I right) {
  const Ints low = ((left.v << 16) >> 16) * ((right.v << 16) >> 16), high = (left.v >> 16) * (right.v >> 16);
  return add_ints(acc, {low + high});
}
inline I nearest_ints(F a) {
  return {to_ints(nearest(a))};
}
template <bool kSigned>
inline I load_bytes(const uint8_t* p, int n) {
  I r = izero();
  for (int i = 0; i < n; ++i) r.v[i] = kSigned ? static_cast<int8_t>(p[i]) : p[i];
  return r;
}
template <bool kSigned>
inline I load_bytes(const uint8_t* p) {
  return load_bytes<kSigned>(p, kLanes);
}
inline void store_bytes(uint8_t* p, I a, int n) {
  for (int i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(a.v[i]);
}
inline void store_bytes(uint8_t* p, I a) {
  store_bytes(p, a, kLanes);
}
inline I narrow_factor(I b) {
  return b;
}
inline I multiply_add_narrow(I acc, I a, I b) {
  return add_ints(acc, {a.v * b.v});
}

}  // namespace
}  // namespace hearth::ops::cpu
