// Quantised weights: x is rounded to signed bytes per 32 values; a block's dot product is an exact integer; then
//   sum = fma(dot, scale_w * scale_x, sum);  sum = fma(minimum, scale_x * sum(x), sum)   block after block.
//
// An accumulator starts at -offset * sum(x): codes stay unsigned at no cost. Up to kDirectRows rows read the packed
// codes in tiles of kDirectTile rows, a chunk of k staying in L1 for all of them; more rows first expand the chunk to
// bytes and f32 scales. The panel part that comes next is prefetched a few lines per block: a burst would not overlap.
#pragma once

#include "ops/cpu/kernels/matmul_job.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kChunkBlocks = 32;  // blocks of 32 k-values; a whole number of super-blocks
constexpr int64_t kDirectRows = 8;

constexpr PanelFormat expanded(PanelFormat f) {
  return {8, f.block, f.minimum, ScaleKind::Float, f.wide};
}
constexpr int scale_sets(PanelFormat f) {
  return 32 / f.block;
}
constexpr int64_t block_bytes(PanelFormat f) {
  return HEARTH_PANEL_BLOCK_BYTES(f, kPanelRows);
}
// Bytes of `blocks` blocks, the factors in front of super-blocks included.
constexpr int64_t blocks_bytes(PanelFormat f, int64_t blocks) {
  return blocks * block_bytes(f) + blocks / 8 * HEARTH_PANEL_HEAD_BYTES(f, kPanelRows);
}
// Words per row and block of the rounded activations: 8 of codes, the start values, the scale, the scaled sum.
constexpr int activation_words(PanelFormat f) {
  return 8 + scale_sets(f) + 2;
}

// M rows times one panel over `blocks` blocks; c [M][kPanelRows] goes on from its contents unless `fresh`.
template <PanelFormat f, int M>
__attribute__((noinline)) void tile(const uint8_t* w, const int32_t* a, int64_t blocks, float* c, bool fresh,
                                    Ahead ahead) {
  constexpr int V = kPanelVectors, L = kLanes, P = kPanelRows, S = scale_sets(f);
  F sum[M][V];
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[m][v] = fresh ? fzero() : load(c + m * P + v * L);
  F factor[V], factor_min[V];
  for (int64_t b = 0; b < blocks; ++b) {
    for (int i = 0; i < ahead.lines; ++i, ahead.at += 64) prefetch(ahead.at);
    if constexpr (f.scale == ScaleKind::Super) {
      if (b % 8 == 0) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          factor[v] = load_half(w + v * L * 2);
          if constexpr (f.minimum) factor_min[v] = load_half(w + P * 2 + v * L * 2);
        }
        w += HEARTH_PANEL_HEAD_BYTES(f, P);
      }
    }
    const int32_t* start = a + 8 * M;
    const float* scale = reinterpret_cast<const float*>(start + S * M);
    const uint8_t* ws = w + HEARTH_PANEL_CODE_BYTES(f, P);
    const uint8_t* wm = ws + HEARTH_PANEL_SCALE_BYTES(f, P);
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) {
      I acc[M][V];
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[m][v] = iset(start[s * M + m]);
#pragma GCC unroll 8
      for (int k = s * (8 / S); k < (s + 1) * (8 / S); ++k) {
        I codes[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          if constexpr (f.bits == 4) {
            const I pair = load_codes(w + (k / 2 * V + v) * L * 4);
            codes[v] = k % 2 == 0 ? low_nibbles(pair) : high_nibbles(pair);
          } else {
            codes[v] = load_codes(w + (k * V + v) * L * 4);
          }
        }
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) {
          const I x = iset(a[k * M + m]);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) acc[m][v] = dot<f.wide>(acc[m][v], codes[v], x);
        }
      }
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        F sw;
        if constexpr (f.scale == ScaleKind::Half) sw = load_half(ws + (s * P + v * L) * 2);
        if constexpr (f.scale == ScaleKind::Float) sw = load(reinterpret_cast<const float*>(ws) + s * P + v * L);
        if constexpr (f.scale == ScaleKind::Super)
          sw = mul(factor[v], f.block == 16 ? load_i8(ws + s * P + v * L) : load_u8(ws + s * P + v * L));
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) sum[m][v] = fma(to_float(acc[m][v]), mul(sw, fset(scale[m])), sum[m][v]);
        if constexpr (f.minimum) {
          F mw;
          if constexpr (f.scale == ScaleKind::Half) mw = load_half(wm + v * L * 2);
          if constexpr (f.scale == ScaleKind::Float) mw = load(reinterpret_cast<const float*>(wm) + v * L);
          if constexpr (f.scale == ScaleKind::Super) mw = mul(factor_min[v], load_u8(wm + v * L));
#pragma GCC unroll 12
          for (int m = 0; m < M; ++m) sum[m][v] = fnma(mw, fset(scale[M + m]), sum[m][v]);
        }
      }
    }
    w += block_bytes(f);
    a += M * activation_words(f);
  }
#pragma GCC unroll 12
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(c + m * P + v * L, sum[m][v]);
}

// Packed blocks to blocks of bytes and f32 scales, the very values that `tile` would have used.
template <PanelFormat f>
inline void expand(const uint8_t* w, int64_t blocks, uint8_t* to) {
  constexpr int V = kPanelVectors, L = kLanes, P = kPanelRows, S = scale_sets(f);
  constexpr PanelFormat e = expanded(f);
  F factor[V], factor_min[V];
  for (int64_t b = 0; b < blocks; ++b) {
    if constexpr (f.scale == ScaleKind::Super) {
      if (b % 8 == 0) {
        for (int v = 0; v < V; ++v) {
          factor[v] = load_half(w + v * L * 2);
          if constexpr (f.minimum) factor_min[v] = load_half(w + P * 2 + v * L * 2);
        }
        w += HEARTH_PANEL_HEAD_BYTES(f, P);
      }
    }
    if constexpr (f.bits == 4) {
      for (int k = 0; k < 4; ++k)
        for (int v = 0; v < V; ++v) {
          const I pair = load_codes(w + (k * V + v) * L * 4);
          store_codes(to + ((2 * k) * V + v) * L * 4, low_nibbles(pair));
          store_codes(to + ((2 * k + 1) * V + v) * L * 4, high_nibbles(pair));
        }
    } else {
      for (int k = 0; k < 8 * V; ++k) store_codes(to + k * L * 4, load_codes(w + k * L * 4));
    }
    const uint8_t* ws = w + HEARTH_PANEL_CODE_BYTES(f, P);
    const uint8_t* wm = ws + HEARTH_PANEL_SCALE_BYTES(f, P);
    float* es = reinterpret_cast<float*>(to + HEARTH_PANEL_CODE_BYTES(e, P));
    float* em = es + S * P;
    for (int i = 0; i < S * P; i += L) {
      if constexpr (f.scale == ScaleKind::Half)
        store(es + i, load_half(ws + i * 2));
      else
        store(es + i, mul(factor[i % P / L], f.block == 16 ? load_i8(ws + i) : load_u8(ws + i)));
    }
    if constexpr (f.minimum)
      for (int i = 0; i < P; i += L) {
        if constexpr (f.scale == ScaleKind::Half)
          store(em + i, load_half(wm + i * 2));
        else
          store(em + i, mul(factor_min[i / L], load_u8(wm + i)));
      }
    w += block_bytes(f);
    to += block_bytes(e);
  }
}

template <PanelFormat f, int M>
inline void tile_of(int rows, const uint8_t* w, const int32_t* a, int64_t blocks, float* c, bool fresh, Ahead ahead) {
  if constexpr (M == 1) {
    tile<f, 1>(w, a, blocks, c, fresh, ahead);
  } else {
    if (rows == M)
      tile<f, M>(w, a, blocks, c, fresh, ahead);
    else
      tile_of<f, M - 1>(rows, w, a, blocks, c, fresh, ahead);
  }
}

// All rows times the panels of one part.
template <PanelFormat f>
void quantised_part(const MatmulJob& job, int part, int parts) {
  constexpr PanelFormat e = expanded(f);
  constexpr int64_t kWords = activation_words(f);
  const bool direct = job.m <= kDirectRows;
  const int64_t blocks = job.k / 32, panel_bytes = blocks_bytes(f, blocks);
  alignas(64) uint8_t bytes[static_cast<size_t>(kChunkBlocks * block_bytes(e))];
  alignas(64) float local[kDirectRows * kPanelRows];
  float* c = job.sums == nullptr ? local : job.sums + static_cast<int64_t>(part) * job.m * kPanelRows;
  const bool one_chunk = blocks <= kChunkBlocks;
  const int64_t end = share(job.panels, part + 1, parts);
  for (int64_t p = share(job.panels, part, parts); p < end; ++p) {
    const uint8_t* panel = job.w + p * panel_bytes;
    const int64_t cols = smaller(kPanelRows, job.n - p * kPanelRows);
    for (int64_t b0 = 0; b0 < blocks || b0 == 0; b0 += kChunkBlocks) {
      const int64_t count = smaller(kChunkBlocks, blocks - b0);
      const uint8_t* w = panel + blocks_bytes(f, b0);
      const int64_t chunk_bytes = blocks_bytes(f, count);
      if (!direct) expand<f>(w, count, bytes);
      const bool last = p + 1 == end && b0 + count == blocks;
      const int64_t groups = (job.m + job.group - 1) / job.group;
      // Small batches fetch about 8 KB ahead of what they read; a single row gains nothing from it.
      Ahead ahead;
      if (!last && job.m > 1 && count > 0) {
        const int64_t tiles = direct ? 1 : groups;
        ahead.at = direct ? w + 8192 : w + chunk_bytes;
        ahead.lines = static_cast<int>((chunk_bytes / 64 + tiles * count - 1) / (tiles * count));
      }
      int64_t fetched = 0;
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t row0 = g * job.group, rows = smaller(job.group, job.m - row0);
        const int32_t* a = job.a + row0 * blocks * kWords + b0 * rows * kWords;
        float* to = one_chunk ? local : c + row0 * kPanelRows;
        if (direct)
          tile_of<f, kDirectTile>(static_cast<int>(rows), w, a, count, to, b0 == 0, g == 0 ? ahead : Ahead{});
        else
          tile_of<e, kExpandedTile>(static_cast<int>(rows), bytes, a, count, to, b0 == 0,
                                    fetched < chunk_bytes ? ahead : Ahead{});
        if (ahead.lines != 0 && !direct) {
          ahead.at += count * ahead.lines * 64;
          fetched += count * ahead.lines * 64;
        }
        if (b0 + count == blocks) finish(job.out, to, row0, rows, p * kPanelRows, cols);
      }
    }
  }
}

template <PanelFormat f, class T>
inline void round_rows(const HearthTensor& x, int64_t m, int64_t k, int64_t group, int32_t offset, int32_t* a,
                       int64_t row_begin, int64_t row_end) {
  constexpr int64_t kWords = activation_words(f);
  constexpr int S = scale_sets(f);
  const int64_t blocks = k / 32;
  for (int64_t i = row_begin; i < row_end; ++i) {
    const int64_t row0 = i / group * group, rows = smaller(group, m - row0);
    int32_t* to = a + row0 * blocks * kWords + (i - row0);
    const T* from = row<T>(x, i);
    for (int64_t b = 0; b < blocks; ++b, to += rows * kWords) {
      int32_t sums[2];
      const float scale = quantise32(from + b * 32, to, rows, sums);
      const uint32_t total = static_cast<uint32_t>(sums[0]) + static_cast<uint32_t>(sums[1]);
      if constexpr (S == 1) {
        to[8 * rows] = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * total);
      } else {
        to[8 * rows] = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * static_cast<uint32_t>(sums[0]));
        to[9 * rows] = static_cast<int32_t>(0u - static_cast<uint32_t>(offset) * static_cast<uint32_t>(sums[1]));
      }
      const float scaled = scale * static_cast<float>(static_cast<int32_t>(total));
      memcpy(to + (8 + S) * rows, &scale, 4);
      memcpy(to + (9 + S) * rows, &scaled, 4);
    }
  }
}

template <PanelFormat f>
int quantised_matmul(CpuStream& stream, const HearthOpCall* call, int32_t offset) {
  const HearthTensor& x = call->inputs[0];
  MatmulJob job = job_of(call);
  job.group = job.m <= kDirectRows ? kDirectTile : kExpandedTile;
  if (kSignedWide && f.wide) offset -= 128;
  auto* a = static_cast<int32_t*>(
      scratch(stream, kScratchActivations, static_cast<size_t>(job.m * (job.k / 32) * activation_words(f)) * 4));
  if (a == nullptr) return HEARTH_NO_MEMORY;
  job.a = a;
  if (job.k / 32 > kChunkBlocks && job.m > kDirectRows && !take_sums(stream, job)) return HEARTH_NO_MEMORY;
  for_range(stream, job.m, job.m >= 16 ? job.k : 0, [&](int64_t begin, int64_t end) {
    with_type(x.dtype,
              [&](auto* t) { round_rows<f, __typeof__(*t)>(x, job.m, job.k, job.group, offset, a, begin, end); });
  });
  run_parts<quantised_part<f>>(stream, job, 12 * kForkCost);
  return HEARTH_OK;
}

}  // namespace
}  // namespace hearth::ops::cpu
