// Vectors of 8 floats. Included only by the files of ops/cpu/avx2; see simd/avx512.h for what the functions promise.
#pragma once

#include <immintrin.h>

#include "ops/cpu/simd/elements.h"

#define HEARTH_CPU_ENTRY(op) hearth_cpu_avx2_##op

namespace hearth::ops::cpu {
namespace {

constexpr int kLanes = 8;
constexpr int kPanelVectors = 1;
constexpr int kPanelRows = 8;
constexpr bool kSignedWide = true;
constexpr int kDirectTile = 4;
constexpr int kExpandedTile = 4;
constexpr int kFloatTile = 8;
constexpr int kDenseRows = 6, kDenseVectors = 2;
constexpr int kScoreRows = 6, kScoreVectors = 2;
constexpr int kWideRows = 6, kWideVectors = 2;

using F = __m256;
using I = __m256i;

inline __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline F fset(float x) {
  return _mm256_set1_ps(x);
}
inline F fzero() {
  return _mm256_setzero_ps();
}
inline F add(F a, F b) {
  return _mm256_add_ps(a, b);
}
inline F sub(F a, F b) {
  return _mm256_sub_ps(a, b);
}
inline F mul(F a, F b) {
  return _mm256_mul_ps(a, b);
}
inline F div(F a, F b) {
  return _mm256_div_ps(a, b);
}
inline F fma(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline F fnma(F a, F b, F c) {
  return _mm256_fnmadd_ps(a, b, c);
}
inline F max(F a, F b) {
  return _mm256_max_ps(a, b);
}
inline F min(F a, F b) {
  return _mm256_min_ps(a, b);
}
inline F abs(F a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
inline F sqrt(F a) {
  return _mm256_sqrt_ps(a);
}
inline F nearest(F a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// n whole; results below the normal range become zero.
inline F times_power_of_two(F a, F n) {
  const __m256i e = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(e, 1), rest = _mm256_sub_epi32(e, half);
  const __m256i bias = _mm256_set1_epi32(127);
  const F x = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const F y = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
  const F tiny = _mm256_cmp_ps(n, _mm256_set1_ps(-126.0f), _CMP_LT_OQ);
  return _mm256_andnot_ps(tiny, _mm256_mul_ps(_mm256_mul_ps(a, x), y));
}
inline float sum_lanes(F a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
inline float max_lanes(F a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
inline bool any_nan(F a) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)) != 0;
}
inline double sum_lanes_double(F a) {
  const __m256d s =
      _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
  alignas(32) double t[4];
  _mm256_store_pd(t, s);
  return (t[0] + t[2]) + (t[1] + t[3]);
}
inline F keep_bits(F a, uint32_t bits, F other) {
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i on = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(bits)), lane), lane);
  return _mm256_blendv_ps(other, a, _mm256_castsi256_ps(on));
}
inline F keep_range(F a, int64_t lower, int64_t upper, F other) {
  const int lo = lower <= 0 ? 0 : lower >= 8 ? 8 : static_cast<int>(lower);
  const int hi = upper <= 0 ? 0 : upper >= 8 ? 8 : static_cast<int>(upper);
  return keep_bits(a, hi > lo ? ((1u << hi) - 1u) & ~((1u << lo) - 1u) : 0u, other);
}
inline uint32_t bits_at_least(F a, F b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)));
}
inline uint32_t bits_less(F a, F b) {
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)));
}
inline F quotient(F a, F b) {
  return div(a, b);
}
inline F where_less(F a, F b, F yes, F no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
inline F max_nan(F a, F b) {
  return _mm256_blendv_ps(max(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
inline F min_nan(F a, F b) {
  return _mm256_blendv_ps(min(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}

inline F half_to_float(__m128i x) {
  return _mm256_cvtph_ps(x);
}
inline F brain_to_float(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
inline __m128i load16(const void* p, int n) {  // the first n of 8 16-bit lanes
  alignas(16) uint16_t t[8] = {};
  memcpy(t, p, static_cast<size_t>(n) * 2);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(t));
}
inline void store16(void* p, __m128i x, int n) {
  alignas(16) uint16_t t[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(t), x);
  memcpy(p, t, static_cast<size_t>(n) * 2);
}
inline F load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline F load(const Half* p) {
  return half_to_float(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline F load(const Brain* p) {
  return brain_to_float(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline F load(const float* p, int n) {
  return _mm256_maskload_ps(p, first(n));
}
inline F load(const Half* p, int n) {
  return half_to_float(load16(p, n));
}
inline F load(const Brain* p, int n) {
  return brain_to_float(load16(p, n));
}
inline F first_of_pair(F a) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a), 16));
}
inline F second_of_pair(F a) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
}
inline F dot_pairs(F acc, F x, F w) {
  return fma(second_of_pair(x), second_of_pair(w), fma(first_of_pair(x), first_of_pair(w), acc));
}
inline __m128i to_half(F a) {
  return _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline __m128i to_brain(F a) {
  const __m256i x = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(1));
  const __m256i r = _mm256_srli_epi32(_mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  const __m256i y = _mm256_blendv_epi8(r, quiet, nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
}
inline F brain_pairs(F low, F high, bool) {  // 16 floats as 8 words of two brain floats
  return _mm256_castsi256_ps(_mm256_set_m128i(to_brain(high), to_brain(low)));
}
inline F brain_lanes(F a, F b, bool) {  // each lane a word of two brain floats: that of a, then that of b
  return _mm256_castsi256_ps(
      _mm256_or_si256(_mm256_cvtepu16_epi32(to_brain(a)), _mm256_slli_epi32(_mm256_cvtepu16_epi32(to_brain(b)), 16)));
}
inline void store(float* p, F a) {
  _mm256_storeu_ps(p, a);
}
inline void store(Half* p, F a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_half(a));
}
inline void store(Brain* p, F a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_brain(a));
}
inline void store(float* p, F a, int n) {
  _mm256_maskstore_ps(p, first(n), a);
}
inline void store(Half* p, F a, int n) {
  store16(p, to_half(a), n);
}
inline void store(Brain* p, F a, int n) {
  store16(p, to_brain(a), n);
}

// ---- packed codes
inline I iset(int32_t x) {
  return _mm256_set1_epi32(x);
}
inline I load_codes(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline void store_codes(uint8_t* p, I a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
}
inline I low_nibbles(I a) {
  return _mm256_and_si256(a, _mm256_set1_epi8(15));
}
inline I high_nibbles(I a) {
  return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(15));
}
// Pairs are summed in 16 bits, saturating: exact for unsigned codes up to 63, and for signed codes by |c| * sign(c) x.
template <bool kWide>
inline I dot(I acc, I codes, I x) {
  const I pairs =
      kWide ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x, codes)) : _mm256_maddubs_epi16(codes, x);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline F to_float(I a) {
  return _mm256_cvtepi32_ps(a);
}
inline F load_half(const uint8_t* p) {
  return half_to_float(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline F load_u8(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline F load_i8(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

inline int32_t sum_ints(__m256i a) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 1)));
}
template <class T>
inline float quantise32(const T* x, int32_t* words, int64_t stride, int32_t* sums) {
  F v[4];
  F most4 = fzero(), bad = fzero();
  for (int i = 0; i < 4; ++i) {
    v[i] = load(x + i * 8);
    most4 = max(most4, abs(v[i]));
    bad = _mm256_or_ps(bad, _mm256_cmp_ps(v[i], v[i], _CMP_UNORD_Q));
  }
  const float most = max_lanes(most4);
  const F inverse = fset(most > 0 ? 127.0f / most : 0.0f);
  __m256i q[4];
  for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32(mul(v[i], inverse));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i bytes = _mm256_permutevar8x32_epi32(
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3])), order);
  alignas(32) int32_t t[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(t), bytes);
  for (int k = 0; k < 8; ++k) words[k * stride] = t[k];
  sums[0] = sum_ints(_mm256_add_epi32(q[0], q[1]));
  sums[1] = sum_ints(_mm256_add_epi32(q[2], q[3]));
  return _mm256_movemask_ps(bad) != 0 ? __builtin_nanf("") : most / 127.0f;
}

inline void transpose_square(F* r) {
  F t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
    t[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
  }
  for (int i = 0; i < 8; ++i) r[i] = t[i];
}

// ---- bytes and sums of their products; two factors a word, 16 bits each
constexpr int kWordFactors = 2;
inline I izero() {
  return _mm256_setzero_si256();
}
inline I load_ints(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline I load_ints(const int32_t* p, int n) {
  return _mm256_maskload_epi32(p, first(n));
}
inline void store_ints(int32_t* p, I a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a);
}
inline I add_ints(I a, I b) {
  return _mm256_add_epi32(a, b);
}
inline I sub_ints(I a, I b) {
  return _mm256_sub_epi32(a, b);
}
inline I mul_ints(I a, I b) {
  return _mm256_mullo_epi32(a, b);
}
inline I flip_signs(I bytes) {
  return _mm256_xor_si256(bytes, _mm256_set1_epi32(static_cast<int>(0x80808080u)));
}
inline I dot_words(I acc, I left, I right) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(left, right));
}
inline I nearest_ints(F a) {
  return _mm256_cvtps_epi32(a);
}
template <bool kSigned>
inline I load_bytes(const uint8_t* p) {
  const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return kSigned ? _mm256_cvtepi8_epi32(x) : _mm256_cvtepu8_epi32(x);
}
template <bool kSigned>
inline I load_bytes(const uint8_t* p, int n) {
  uint8_t eight[8] = {};
  memcpy(eight, p, static_cast<size_t>(n));
  return load_bytes<kSigned>(eight);
}
inline void store_bytes(uint8_t* p, I a) {
  const __m256i order = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1,
                                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i x = _mm256_shuffle_epi8(a, order);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p),
                   _mm_unpacklo_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
inline void store_bytes(uint8_t* p, I a, int n) {
  uint8_t eight[8];
  store_bytes(eight, a);
  memcpy(p, eight, static_cast<size_t>(n));
}
inline I narrow_factor(I b) {
  return _mm256_and_si256(b, _mm256_set1_epi32(0xffff));
}
inline I multiply_add_narrow(I acc, I a, I b) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
}

}  // namespace
}  // namespace hearth::ops::cpu
