// The register tile of Winograd and attention: up to kWideRows rows of a times one panel of kWideColumns packed
// columns. Other than dense_tile.h's panels, which weights of every kind share, these are as wide as the registers want
// (6 x 16 on AVX2: fewer loads an fma), because what they hold is packed and read by one kernel. What a row of the
// result is does not depend on the rows beside it: sums run over k in ascending order, fma by fma.
#pragma once

#include "ops/cpu/kernels/dense_tile.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kWideColumns = kWideVectors * kLanes;

inline int64_t wide_panels(int64_t columns) {
  return (columns + kWideColumns - 1) / kWideColumns;
}

// c[M, V vectors] = (fresh ? 0 : c) + a[M, k] * panel[k, the first V vectors of kWideColumns]; row strides lda and ldc.
// kAhead: fetches k * kWideColumns floats at `ahead` into the cache meanwhile. k counts words of kWord.
template <int M, int V, bool kAhead, Word kWord>
__attribute__((noinline)) void wide_tile(const float* a, int64_t lda, int64_t k, const float* panel, float* c,
                                         int64_t ldc, bool fresh, const float* ahead) {
  constexpr int L = kLanes;
  F sum[M][V];
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[m][v] = fresh ? fzero() : load(c + m * ldc + v * L);
  for (int64_t i = 0; i < k; ++i) {
    F w[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) w[v] = load(panel + i * kWideColumns + v * L);
    if constexpr (kAhead) {
#pragma GCC unroll 2
      for (int f = 0; f < kWideColumns; f += 16) prefetch(ahead + i * kWideColumns + f);  // a line is 16 floats
    }
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      const F x = fset(a[m * lda + i]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[m][v] = multiply_add<kWord>(x, w[v], sum[m][v]);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(c + m * ldc + v * L, sum[m][v]);
}

template <int M, int V, bool kAhead, Word kWord>
inline void wide_rows(int64_t rows, const float* a, int64_t lda, int64_t k, const float* panel, float* c, int64_t ldc,
                      bool fresh, const float* ahead) {
  if (rows == M)
    wide_tile<M, V, kAhead, kWord>(a, lda, k, panel, c, ldc, fresh, ahead);
  else if constexpr (M > 1)
    wide_rows<M - 1, V, kAhead, kWord>(rows, a, lda, k, panel, c, ldc, fresh, ahead);
}

// As wide_tile, for any number of rows. ahead: nullptr or where k * kWideColumns floats are that will be wanted next.
template <int V = kWideVectors, Word kWord = Word::Float>
inline void wide_product(const float* a, int64_t lda, int64_t rows, int64_t k, const float* panel, float* c,
                         int64_t ldc, bool fresh, const float* ahead) {
  const int64_t tiles = (rows + kWideRows - 1) / kWideRows;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t row = rows * t / tiles, n = rows * (t + 1) / tiles - row;
    if (ahead != nullptr && t == 0)
      wide_rows<kWideRows, V, true, kWord>(n, a, lda, k, panel, c, ldc, fresh, ahead);
    else
      wide_rows<kWideRows, V, false, kWord>(n, a + row * lda, lda, k, panel, c + row * ldc, ldc, fresh, nullptr);
  }
}

// In how many pieces to cut each of `units` equal units of work so that `threads` threads are busy, at most `most`.
inline int64_t pieces_of_unit(int64_t units, int64_t most, int threads) {
  int64_t best = 1;
  double best_busy = 0;
  for (int64_t pieces = 1; pieces <= most && best_busy < 0.9; ++pieces) {
    const int64_t items = units * pieces, rounds = (items + threads - 1) / threads;
    const double busy = static_cast<double>(items) / static_cast<double>(rounds * threads);
    if (busy > best_busy) {
      best_busy = busy;
      best = pieces;
    }
  }
  return best;
}

}  // namespace
}  // namespace hearth::ops::cpu
