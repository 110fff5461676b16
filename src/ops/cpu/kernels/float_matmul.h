// Float weights: sum = fma(x[k], w[k], sum), k ascending.
#pragma once

#include "ops/cpu/kernels/matmul_job.h"

namespace hearth::ops::cpu {
namespace {

template <class W, int M>
__attribute__((noinline)) void float_tile(const float* x, int64_t ldx, const W* w, int64_t count, float* c, bool fresh,
                                          Ahead ahead) {
  constexpr int V = kPanelVectors, L = kLanes, P = kPanelRows;
  F sum[M][V];
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[m][v] = fresh ? fzero() : load(c + m * P + v * L);
  for (int64_t k = 0; k < count; ++k) {
    for (int i = 0; i < ahead.lines; ++i, ahead.at += 64) prefetch(ahead.at);
    F wv[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) wv[v] = load(w + k * P + v * L);
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      const F xv = fset(x[m * ldx + k]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[m][v] = fma(xv, wv[v], sum[m][v]);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(c + m * P + v * L, sum[m][v]);
}
template <class W, int M>
inline void float_tile_of(int rows, const float* x, int64_t ldx, const W* w, int64_t count, float* c, bool fresh,
                          Ahead ahead) {
  if constexpr (M == 1) {
    float_tile<W, 1>(x, ldx, w, count, c, fresh, ahead);
  } else {
    if (rows == M)
      float_tile<W, M>(x, ldx, w, count, c, fresh, ahead);
    else
      float_tile_of<W, M - 1>(rows, x, ldx, w, count, c, fresh, ahead);
  }
}

template <class W>
void float_part(const MatmulJob& job, int part, int parts) {
  constexpr int64_t kChunk = 384;
  alignas(64) float local[kFloatTile * kPanelRows];
  float* c = job.sums == nullptr ? local : job.sums + static_cast<int64_t>(part) * job.m * kPanelRows;
  const bool one_tile = job.m <= kFloatTile;
  const int64_t ldx = job.x->strides[0];
  const auto* x = static_cast<const float*>(job.x->data);
  const int64_t end = share(job.panels, part + 1, parts);
  for (int64_t p = share(job.panels, part, parts); p < end; ++p) {
    const W* panel = reinterpret_cast<const W*>(job.w) + p * job.k * kPanelRows;
    const int64_t cols = smaller(kPanelRows, job.n - p * kPanelRows);
    const int64_t step = one_tile ? job.k : kChunk;
    for (int64_t k = 0; k < job.k || k == 0; k += step) {
      const int64_t count = smaller(step, job.k - k);
      const int64_t tiles = (job.m + kFloatTile - 1) / kFloatTile;
      const int64_t bytes = count * kPanelRows * static_cast<int64_t>(sizeof(W));
      const bool last_panel = p + 1 == end && k + count >= job.k;
      Ahead ahead;
      if (!one_tile && !last_panel && count > 0) {
        ahead.at = reinterpret_cast<const uint8_t*>(panel + (k + count) * kPanelRows);
        ahead.lines = static_cast<int>((bytes / 64 + tiles * count - 1) / (tiles * count));
      }
      int64_t fetched = 0;
      for (int64_t row0 = 0; row0 < job.m; row0 += kFloatTile) {
        const int64_t rows = smaller(kFloatTile, job.m - row0);
        float* to = job.sums == nullptr ? local : c + row0 * kPanelRows;
        float_tile_of<W, kFloatTile>(static_cast<int>(rows), x + row0 * ldx + k, ldx, panel + k * kPanelRows, count, to,
                                     k == 0, fetched < bytes ? ahead : Ahead{});
        ahead.at += count * ahead.lines * 64;
        fetched += count * ahead.lines * 64;
        if (k + count >= job.k) finish(job.out, to, row0, rows, p * kPanelRows, cols);
      }
    }
  }
}

template <class W>
int float_matmul(CpuStream& stream, const HearthOpCall* call) {
  const HearthTensor& x = call->inputs[0];
  MatmulJob job = job_of(call);
  HearthTensor wide = x;
  if (static_cast<DType>(x.dtype) != DType::F32) {
    auto* rows = static_cast<float*>(scratch(stream, kScratchActivations, static_cast<size_t>(job.m * job.k) * 4));
    if (rows == nullptr) return HEARTH_NO_MEMORY;
    for (int64_t i = 0; i < job.m; ++i)
      with_type(x.dtype, [&](auto* t) {
        const auto* from = row<__typeof__(*t)>(x, i);
        each_vector(job.k, [&](int64_t j, int n) { store_some(rows + i * job.k + j, load_some(from + j, n), n); });
      });
    wide.data = rows;
    wide.strides[0] = job.k;
  }
  job.x = &wide;
  if (job.m > kFloatTile && !take_sums(stream, job)) return HEARTH_NO_MEMORY;
  run_parts<float_part<W>>(stream, job, 4 * kForkCost);
  return HEARTH_OK;
}

}  // namespace
}  // namespace hearth::ops::cpu
