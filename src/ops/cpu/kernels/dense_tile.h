// The register tile under matrix products, convolutions and attention: M rows of a times one panel of packed columns.
// A panel is kPanelRows columns wide and has one row of kPanelRows numbers for each k. What a row of the result is does
// not depend on M: sums run over k in ascending order, fma by fma.
#pragma once

#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

// How a tile finds the k numbers of a row: `runs` runs of `run` numbers each, `run_stride` apart. A matrix has one run;
// a convolution one for each row of its kernel.
struct TileRuns {
  int64_t runs = 1, run = 0, run_stride = 0;
};

// c[M, kPanelRows] (row stride ldc) = (fresh ? start : c) + a * panel. `start`: kPanelRows numbers or nullptr for
// zeros. a's rows are `lda` apart.
template <int M>
__attribute__((noinline)) void dense_tile(const float* a, int64_t lda, TileRuns runs, const float* panel, float* c,
                                          int64_t ldc, const float* start, bool fresh) {
  constexpr int V = kPanelVectors, L = kLanes, P = kPanelRows;
  F sum[M][V];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v)
      sum[m][v] = !fresh ? load(c + m * ldc + v * L) : start != nullptr ? load(start + v * L) : fzero();
  for (int64_t r = 0; r < runs.runs; ++r, a += runs.run_stride)
    for (int64_t k = 0; k < runs.run; ++k, panel += P) {
      F w[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) w[v] = load(panel + v * L);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const F x = fset(a[m * lda + k]);
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) sum[m][v] = fma(x, w[v], sum[m][v]);
      }
    }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(c + m * ldc + v * L, sum[m][v]);
}

}  // namespace
}  // namespace hearth::ops::cpu
