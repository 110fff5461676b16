// Winograd's transforms of a tile's pixels, a vector of channels at a time; see dense_winograd.h.
#pragma once

#include "ops/cpu/kernels/dense_wide_tile.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kPoints = 36;
// The polynomials are evaluated at 0, +-sqrt(1/2), +-sqrt(2) and infinity in both directions: with the usual 0, +-1,
// +-2 the largest errors are five times as large, here they are hardly more than the direct method's.
constexpr double kRootHalf = 0.70710678118654752440;

// Six numbers of the input at the six points (B^T).
inline void to_points(const F* d, F* r) {
  const F a = fset(static_cast<float>(kRootHalf)), b = fset(static_cast<float>(2 * kRootHalf));
  const F p = fma(fset(-2.0f), d[2], d[4]), q = fma(fset(-2.0f), d[1], d[3]);
  const F s = fma(fset(-0.5f), d[2], d[4]), t = fma(fset(-0.5f), d[1], d[3]);
  r[0] = fma(fset(-2.5f), d[2], add(d[0], d[4]));
  r[1] = fma(a, q, p);
  r[2] = fnma(a, q, p);
  r[3] = fma(b, t, s);
  r[4] = fnma(b, t, s);
  r[5] = fma(fset(-2.5f), d[3], add(d[1], d[5]));
}

// Three numbers of the weights at the six points (G), but for the factors kNear of the second and third and kFar of the
// fourth and fifth point, which from_points multiplies with: there they cost nothing.
constexpr double kNear = -2.0 / 3, kFar = 1.0 / 6;
inline void weights_to_points(const F* g, F* r) {
  const F near = fma(fset(0.5f), g[2], g[0]), far = fma(fset(2.0f), g[2], g[0]);
  const F q = mul(fset(static_cast<float>(kRootHalf)), g[1]);
  r[0] = g[0];
  r[1] = add(near, q);
  r[2] = sub(near, q);
  r[3] = fma(fset(2.0f), q, far);
  r[4] = fnma(fset(2.0f), q, far);
  r[5] = g[2];
}

// Six points of the result to four of its numbers (A^T).
inline void from_points(const F* m, F* r) {
  const auto factor = [](double x) { return fset(static_cast<float>(x)); };
  const F e = add(m[1], m[2]), f = sub(m[1], m[2]), g = add(m[3], m[4]), h = sub(m[3], m[4]);
  r[0] = fma(factor(kNear), e, fma(factor(kFar), g, m[0]));
  r[1] = fma(factor(kRootHalf * kNear), f, mul(factor(kRootHalf * 2 * kFar), h));
  r[2] = fma(factor(0.5 * kNear), e, mul(factor(2 * kFar), g));
  r[3] = fma(factor(kRootHalf * 0.5 * kNear), f, fma(factor(kRootHalf * 4 * kFar), h, m[5]));
}

// `vectors` vectors of channels of a tile, whose 6x6 pixels are `row` and `pixel` apart, to v[36] at steps of `step`.
// The outer loops stay loops: unrolled, more goes into addresses than into arithmetic.
__attribute__((noinline)) inline void transform_input(const float* x, int64_t row, int64_t pixel, int64_t vectors,
                                                      float* v, int64_t step) {
  const int64_t pixel3 = 3 * pixel, pixel5 = 5 * pixel, step6 = 6 * step, step18 = 18 * step, step30 = 30 * step;
  for (; vectors > 0; --vectors, x += kLanes, v += kLanes) {
    alignas(64) float t[6][6][kLanes];  // [point across][row of the tile]
    const float* from = x;
#pragma GCC unroll 1
    for (int y = 0; y < 6; ++y, from += row) {
      const F d[6] = {load(from),          load(from + pixel),     load(from + 2 * pixel),
                      load(from + pixel3), load(from + 4 * pixel), load(from + pixel5)};
      F r[6];
      to_points(d, r);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) store(t[i][y], r[i]);
    }
    float* to = v;
#pragma GCC unroll 1
    for (int i = 0; i < 6; ++i, to += step) {
      F d[6], r[6];
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) d[y] = load(t[i][y]);
      to_points(d, r);
      store(to, r[0]);
      store(to + step6, r[1]);
      store(to + 2 * step6, r[2]);
      store(to + step18, r[3]);
      store(to + 4 * step6, r[4]);
      store(to + step30, r[5]);
    }
  }
}

// Of `channels` channels the packed weights of V vectors of outputs, taps `tap` and panels `panel` apart, to the points
// u[36][channels][kWideColumns], `step` apart.
template <int V>
__attribute__((noinline)) void transform_weights(const float* w, int64_t tap, int64_t panel, int64_t channels, float* u,
                                                 int64_t step) {
  for (; channels > 0; --channels, w += kPanelRows, u += kWideColumns)
#pragma GCC unroll 1
    for (int v = 0; v < V; ++v) {
      const float* from = w + v / kPanelVectors * panel + v % kPanelVectors * kLanes;
      F rows[6][3];
#pragma GCC unroll 3
      for (int x = 0; x < 3; ++x, from += tap) {
        const F g[3] = {load(from), load(from + 3 * tap), load(from + 6 * tap)};
        F r[6];
        weights_to_points(g, r);
#pragma GCC unroll 6
        for (int i = 0; i < 6; ++i) rows[i][x] = r[i];
      }
      float* to = u + v * kLanes;
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i, to += 6 * step) {
        F r[6];
        weights_to_points(rows[i], r);
#pragma GCC unroll 6
        for (int k = 0; k < 6; ++k) store(to + k * step, r[k]);
      }
    }
}

// Where one vector of a tile's results goes: high x wide pixels of `lanes` columns each.
struct WinogradTarget {
  float* y;
  int64_t row, pixel;  // strides
  int64_t high, wide;
  int lanes;
  F bias, low, high_value, slope;
  const float* added;
  int64_t added_row, added_pixel;
};

// One vector of a tile's m, its points kWideColumns apart, to its pixels. kWhole: 4x4 and all lanes.
template <bool kWhole, bool kAdded, bool kPrelu>
inline void transform_output(const float* m, const WinogradTarget& to) {
  F t[6][4];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    F d[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) d[j] = load(m + (i * 6 + j) * kWideColumns);
    from_points(d, t[i]);
  }
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) {
    if (!kWhole && x >= to.wide) break;
    F d[6], r[4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) d[i] = t[i][x];
    from_points(d, r);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (!kWhole && i >= to.high) break;
      F v = add(r[i], to.bias);
      if constexpr (kAdded) {
        const float* added = to.added + i * to.added_row + x * to.added_pixel;
        v = add(v, kWhole ? load(added) : load_some(added, to.lanes));
      }
      if constexpr (kPrelu)
        v = keep_bits(mul(v, to.slope), bits_less(v, fzero()), v);
      else
        v = min(to.high_value, max(to.low, v));  // NaN stays: the second operand
      float* y = to.y + i * to.row + x * to.pixel;
      if constexpr (kWhole)
        store(y, v);
      else
        store_some(y, v, to.lanes);
    }
  }
}

template <bool kAdded, bool kPrelu>
inline void transform_some_output(const float* m, const WinogradTarget& to) {
  if (to.high == 4 && to.wide == 4 && to.lanes == kLanes)
    transform_output<true, kAdded, kPrelu>(m, to);
  else
    transform_output<false, kAdded, kPrelu>(m, to);
}

}  // namespace
}  // namespace hearth::ops::cpu
