// The register tile under matrix products, convolutions and attention: M rows of a times packed columns. A panel is
// kPanelRows columns wide and has one row of kPanelRows numbers for each k. What a row of the result is does not depend
// on the tile: sums run over k in ascending order, fma by fma.
#pragma once

#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

// How a tile finds the k numbers of a row: `planes` times `runs` runs of `run` numbers each. A matrix has one run, a
// convolution one for each row of its kernel, or one for each of its taps and a plane for each row.
struct TileRuns {
  int64_t runs = 1, run = 0, run_stride = 0;
  int64_t planes = 1, plane_stride = 0;
};

// What a and the panels consist of: floats, or words of two brain floats (two k side by side), multiplied by the
// processor's own instruction or as floats.
enum class Word { Float, Dot, Pair };

// c[M, V * kLanes] = (fresh ? start : c) + a * panels. Strides in words of four bytes.
struct TileCall {
  const float* a = nullptr;
  int64_t lda = 0;
  TileRuns runs;
  const float* panel = nullptr;
  int64_t panel_stride = 0;  // where the vectors of a tile are in several panels
  float* c = nullptr;
  int64_t ldc = 0;
  const float* start = nullptr;  // V * kLanes numbers, or nullptr for zeros
  bool fresh = true;
  const char* ahead = nullptr;  // prefetched from here on, ahead_step bytes for each k; nullptr: nothing
  int64_t ahead_step = 0;
};

template <Word kWord>
inline F multiply_add(F x, F w, F sum) {
  if constexpr (kWord == Word::Float)
    return fma(x, w, sum);
  else if constexpr (kWord == Word::Dot)
    return dot_pairs(sum, x, w);
  else
    return fma(second_of_pair(x), second_of_pair(w), fma(first_of_pair(x), first_of_pair(w), sum));
}

template <int M, int V, Word kWord>
__attribute__((noinline)) void product_tile(const TileCall& t) {
  constexpr int L = kLanes, P = kPanelRows, kBases = (M + 2) / 3;
  const int64_t lda = t.lda, run = t.runs.run, panel_stride = t.panel_stride;
  F sum[M][V];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      sum[m][v] = !t.fresh ? load(t.c + m * t.ldc + v * L) : t.start != nullptr ? load(t.start + v * L) : fzero();
  // Three rows to a pointer: an address has room for one or two strides, and there are fewer registers than rows.
  const float* a[kBases];
#pragma GCC unroll 8
  for (int i = 0; i < kBases; ++i) a[i] = t.a + 3 * i * lda;
  const float* panel = t.panel;
  const char* ahead = t.ahead != nullptr ? t.ahead : reinterpret_cast<const char*>(panel);
  const int64_t ahead_step = t.ahead_step;
  for (int64_t plane = 0; plane < t.runs.planes; ++plane) {
    for (int64_t r = 0; r < t.runs.runs; ++r) {
      for (int64_t k = 0; k < run; ++k, panel += P) {
        if constexpr (M > 2) {
          prefetch(ahead);
          if constexpr (M <= 8 && kPanelRows > 16) prefetch(ahead + 64);  // few rows: all of the panel may be new
          ahead += ahead_step;
        }
        F w[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) w[v] = load(panel + v / kPanelVectors * panel_stride + v % kPanelVectors * L);
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) {
          const F x = fset(a[m / 3][m % 3 * lda]);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) sum[m][v] = multiply_add<kWord>(x, w[v], sum[m][v]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < kBases; ++i) ++a[i];
      }
#pragma GCC unroll 8
      for (int i = 0; i < kBases; ++i) a[i] += t.runs.run_stride - run;
    }
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) a[i] += t.runs.plane_stride - t.runs.runs * t.runs.run_stride;
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(t.c + m * t.ldc + v * L, sum[m][v]);
}

// c[M, kPanelRows] (row stride ldc) = (fresh ? start : c) + a * panel. `start`: kPanelRows numbers or nullptr for
// zeros. a's rows are `lda` apart.
template <int M>
inline void dense_tile(const float* a, int64_t lda, TileRuns runs, const float* panel, float* c, int64_t ldc,
                       const float* start, bool fresh) {
  product_tile<M, kPanelVectors, Word::Float>(
      {.a = a, .lda = lda, .runs = runs, .panel = panel, .c = c, .ldc = ldc, .start = start, .fresh = fresh});
}

}  // namespace
}  // namespace hearth::ops::cpu
