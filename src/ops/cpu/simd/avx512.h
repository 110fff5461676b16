// Vectors of 16 floats. Included only by the files of ops/cpu/avx512, whose objects alone may hold these instructions:
// everything is in an anonymous namespace, so that no linker can pick a copy for other code.
#pragma once

#include <immintrin.h>

#include "ops/cpu/simd/elements.h"

#define HEARTH_CPU_ENTRY(op) hearth_cpu_avx512_##op

namespace hearth::ops::cpu {
namespace {

constexpr int kLanes = 16;
constexpr int kPanelVectors = 2;
constexpr int kPanelRows = 32;
constexpr bool kSignedWide = false;
constexpr int kDirectTile = 4;    // rows of a small-batch tile that reads packed codes
constexpr int kExpandedTile = 6;  // rows of a tile that reads expanded codes
constexpr int kFloatTile = 12;
constexpr int kDenseRows = 14, kDenseVectors = 2;  // dense_tile.h
constexpr int kScoreRows = 6, kScoreVectors = 4;   // attention tile
constexpr int kWideRows = 12, kWideVectors = 2;    // kernels/dense_wide_tile.h

using F = __m512;
using I = __m512i;

inline __mmask16 first(int n) {
  return static_cast<__mmask16>((1u << n) - 1u);
}

inline F fset(float x) {
  return _mm512_set1_ps(x);
}
inline F fzero() {
  return _mm512_setzero_ps();
}
inline F add(F a, F b) {
  return _mm512_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm512_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm512_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm512_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline F fnma(F a, F b, F c) {
  return _mm512_fnmadd_ps(a, b, c);
}
inline F max(F a, F b) {
  return _mm512_max_ps(a, b);
}  // b when either is NaN
inline F min(F a, F b) {
  return _mm512_min_ps(a, b);
}  // b when either is NaN
inline F abs(F a) {
  return _mm512_abs_ps(a);
}
inline F sqrt(F a) {
  return _mm512_sqrt_ps(a);
}
inline F nearest(F a) {
  return _mm512_roundscale_ps(a, 0);
}
inline F times_power_of_two(F a, F n) {
  return _mm512_scalef_ps(a, n);
}
inline float sum_lanes(F a) {
  return _mm512_reduce_add_ps(a);
}
inline float max_lanes(F a) {
  return _mm512_reduce_max_ps(a);
}
inline bool any_nan(F a) {
  return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) != 0;
}
inline double sum_lanes_double(F a) {
  return _mm512_reduce_add_pd(
      _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))));
}
// Lanes i with lower <= i + base < upper keep their value, the others get `other`.
inline F keep_range(F a, int64_t lower, int64_t upper, F other) {
  const int lo = lower <= 0 ? 0 : lower >= 16 ? 16 : static_cast<int>(lower);
  const int hi = upper <= 0 ? 0 : upper >= 16 ? 16 : static_cast<int>(upper);
  const unsigned mask = hi > lo ? ((1u << hi) - 1u) & ~((1u << lo) - 1u) : 0u;
  return _mm512_mask_mov_ps(other, static_cast<__mmask16>(mask), a);
}
inline F keep_bits(F a, uint32_t bits, F other) {
  return _mm512_mask_mov_ps(other, static_cast<__mmask16>(bits), a);
}
inline uint32_t bits_at_least(F a, F b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
inline uint32_t bits_less(F a, F b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
// a / b within 2 units in the last place for 2^-100 < |b| < 2^100: a division would take as long as ten products.
inline F quotient(F a, F b) {
  const F r = _mm512_rcp14_ps(b);
  return mul(a, fma(r, fnma(b, r, fset(1.0f)), r));
}
// Lanes where a < b get `yes`, the others (NaN too) `no`.
inline F where_less(F a, F b, F yes, F no) {
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), yes);
}
inline F max_nan(F a, F b) {  // NaN when either is
  return _mm512_mask_max_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b);
}
inline F min_nan(F a, F b) {  // NaN when either is
  return _mm512_mask_min_ps(a, _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a, b);
}

inline F load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline F load(const Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline F load(const Brain* p) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
// The first n lanes, the rest zero; touches no byte beyond them.
inline F load(const float* p, int n) {
  return _mm512_maskz_loadu_ps(first(n), p);
}
inline F load(const Half* p, int n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
}
inline F load(const Brain* p, int n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first(n), p)), 16));
}
// Lanes are pairs of brain floats: the first (lower) or second number of each as a float.
inline F first_of_pair(F a) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a), 16));
}
inline F second_of_pair(F a) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
}
// acc plus both products of each pair, for processors with has_bf16_dot(): not part of what this folder may assume,
// hence no intrinsic.
inline F dot_pairs(F acc, F x, F w) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
  return acc;
}
inline __m256i to_half(F a) {
  return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline __m256i to_brain(F a) {  // to nearest even; NaN stays NaN
  const __m512i x = _mm512_castps_si512(a);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
  __m512i r = _mm512_srli_epi32(_mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
  r = _mm512_mask_or_epi32(r, nan, _mm512_srli_epi32(x, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(r);
}
// 32 floats (low, then high) as 16 words of two brain floats. own: by the instruction of processors with
// has_bf16_dot(), which takes denormal numbers for 0, as dot_pairs does.
inline F brain_pairs(F low, F high, bool own) {
  F words;
  if (own)
    asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(words) : "v"(low), "v"(high));
  else
    words = _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(to_brain(low)), to_brain(high), 1));
  return words;
}
// Each lane a word of two brain floats: that of a, then that of b. own as in brain_pairs.
inline F brain_lanes(F a, F b, bool own) {
  __m256i low, high;
  if (own) {
    asm("vcvtneps2bf16 %1, %0" : "=v"(low) : "v"(a));
    asm("vcvtneps2bf16 %1, %0" : "=v"(high) : "v"(b));
  } else {
    low = to_brain(a);
    high = to_brain(b);
  }
  return _mm512_castsi512_ps(
      _mm512_or_si512(_mm512_cvtepu16_epi32(low), _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
}
inline void store(float* p, F a) {
  _mm512_storeu_ps(p, a);
}
inline void store(Half* p, F a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_half(a));
}
inline void store(Brain* p, F a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_brain(a));
}
inline void store(float* p, F a, int n) {
  _mm512_mask_storeu_ps(p, first(n), a);
}
inline void store(Half* p, F a, int n) {
  _mm256_mask_storeu_epi16(p, first(n), to_half(a));
}
inline void store(Brain* p, F a, int n) {
  _mm256_mask_storeu_epi16(p, first(n), to_brain(a));
}

// ---- packed codes
inline I iset(int32_t x) {
  return _mm512_set1_epi32(x);
}
inline I load_codes(const uint8_t* p) {
  return _mm512_loadu_si512(p);
}
inline void store_codes(uint8_t* p, I a) {
  _mm512_storeu_si512(p, a);
}
inline I low_nibbles(I a) {
  return _mm512_and_si512(a, _mm512_set1_epi8(15));
}
inline I high_nibbles(I a) {
  return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15));
}
// acc[lane] + four products of codes and signed bytes.
template <bool kWide>
inline I dot(I acc, I codes, I x) {
  return _mm512_dpbusd_epi32(acc, codes, x);
}
inline F to_float(I a) {
  return _mm512_cvtepi32_ps(a);
}
inline F load_half(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline F load_u8(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline F load_i8(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

// Rounds 32 values to signed bytes with one scale: q = nearest(x * 127 / amax). Gives the scale and the sums of both
// halves.
template <class T>
inline float quantise32(const T* x, int32_t* words, int64_t stride, int32_t* sums) {
  const __m512 u = load(x), v = load(x + 16);
  const float most = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(u), _mm512_abs_ps(v)));
  const __m512 inverse = _mm512_set1_ps(most > 0 ? 127.0f / most : 0.0f);
  const __m512i i = _mm512_cvtps_epi32(_mm512_mul_ps(u, inverse)), j = _mm512_cvtps_epi32(_mm512_mul_ps(v, inverse));
  const __m256i bytes =
      _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_cvtepi32_epi8(i)), _mm512_cvtepi32_epi8(j), 1);
  alignas(32) int32_t groups[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(groups), bytes);
  for (int k = 0; k < 8; ++k) words[k * stride] = groups[k];
  const __m256i fours = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), bytes);
  const __m128i pairs = _mm_hadd_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  const __m128i halves = _mm_hadd_epi32(pairs, pairs);
  sums[0] = _mm_cvtsi128_si32(halves);
  sums[1] = _mm_extract_epi32(halves, 1);
  const __mmask16 bad = _mm512_cmp_ps_mask(u, u, _CMP_UNORD_Q) | _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  return bad != 0 ? __builtin_nanf("") : most / 127.0f;
}

// 16 rows of 16 floats, row stride `from`, become their transpose with row stride `to`.
inline void transpose_square(F* r) {
  __m512 t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
    r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
    r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
    r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// ---- bytes and sums of their products, for quantised_*.h
// A word has as many neighbouring factors of a sum: unsigned bytes on the left, signed ones on the right.
constexpr int kWordFactors = 4;
inline I izero() {
  return _mm512_setzero_si512();
}
inline I load_ints(const int32_t* p) {
  return _mm512_loadu_si512(p);
}
inline I load_ints(const int32_t* p, int n) {
  return _mm512_maskz_loadu_epi32(first(n), p);
}
inline void store_ints(int32_t* p, I a) {
  _mm512_storeu_si512(p, a);
}
inline I add_ints(I a, I b) {
  return _mm512_add_epi32(a, b);
}
inline I sub_ints(I a, I b) {
  return _mm512_sub_epi32(a, b);
}
inline I mul_ints(I a, I b) {
  return _mm512_mullo_epi32(a, b);
}
inline I flip_signs(I bytes) {  // between int8 and uint8 that is 128 more
  return _mm512_xor_si512(bytes, _mm512_set1_epi32(static_cast<int>(0x80808080u)));
}
inline I dot_words(I acc, I left, I right) {
  return _mm512_dpbusd_epi32(acc, left, right);
}
inline I nearest_ints(F a) {
  return _mm512_cvtps_epi32(a);
}
// A lane each.
template <bool kSigned>
inline I load_bytes(const uint8_t* p) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return kSigned ? _mm512_cvtepi8_epi32(x) : _mm512_cvtepu8_epi32(x);
}
template <bool kSigned>
inline I load_bytes(const uint8_t* p, int n) {
  const __m128i x = _mm_maskz_loadu_epi8(first(n), p);
  return kSigned ? _mm512_cvtepi8_epi32(x) : _mm512_cvtepu8_epi32(x);
}
// The lowest byte of each lane.
inline void store_bytes(uint8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}
inline void store_bytes(uint8_t* p, I a, int n) {
  _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(a));
}
// acc + a * b for numbers of at most 16 bits, b made by narrow_factor.
inline I narrow_factor(I b) {
  return _mm512_and_si512(b, _mm512_set1_epi32(0xffff));
}
inline I multiply_add_narrow(I acc, I a, I b) {
  return _mm512_dpwssd_epi32(acc, a, b);
}

}  // namespace
}  // namespace hearth::ops::cpu
