// Softmax, normalisation, means and transposition of dense float matrices. A row (or a column's sum) is one thread's
// work and is done in one order, so a result depends on nothing else.
#pragma once

#include <math.h>

#include "ops/cpu/kernels/common.h"
#include "ops/cpu/kernels/dense_split.h"

namespace hearth::ops::cpu {
namespace {

// fn(vector, at, lanes) over n numbers from x on, four at a time into sums of their own; the last vector's missing
// lanes are `neutral`. fn(sum, vector) is the sum with the vector.
template <class Function>
inline F reduce_vectors(const float* x, int64_t n, F neutral, const Function& fn) {
  F s0 = neutral, s1 = neutral, s2 = neutral, s3 = neutral;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 = fn(s0, load(x + i));
    s1 = fn(s1, load(x + i + kLanes));
    s2 = fn(s2, load(x + i + 2 * kLanes));
    s3 = fn(s3, load(x + i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) s0 = fn(s0, load(x + i));
  const F even = fn(s0, s1), odd = fn(s2, s3);
  return i < n ? fn(fn(even, odd), keep_range(load(x + i, static_cast<int>(n - i)), 0, n - i, neutral)) : fn(even, odd);
}

inline F exp_below(F x, F most) {  // e^(x - most)
  return exp_minus(min(fset(110.0f), sub(most, x)));
}

// A NaN may be lost from `most`: it comes back in every e^(x - most) that it is in, and so in the sum. A row of -inf
// alone is NaN, as -inf - -inf is.
inline void softmax_row(const float* x, float* y, int64_t n) {
  const float most_lane =
      max_lanes(reduce_vectors(x, n, fset(-INFINITY), [](F m, F v) { return hearth::ops::cpu::max(v, m); }));
  const F most = fset(most_lane);
  F s0 = fzero(), s1 = fzero();
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const F a = exp_below(load(x + i), most), b = exp_below(load(x + i + kLanes), most);
    s0 = add(s0, a);
    s1 = add(s1, b);
    store(y + i, a);
    store(y + i + kLanes, b);
  }
  for (; i < n; i += kLanes) {
    const int k = static_cast<int>(smaller(kLanes, n - i));
    const F a = exp_below(load_some(x + i, k), most);
    s0 = add(s0, keep_range(a, 0, k, fzero()));
    store_some(y + i, a, k);
  }
  const F factor = fset(1.0f / sum_lanes(add(s0, s1)));
  for (i = 0; i + kLanes <= n; i += kLanes) store(y + i, mul(load(y + i), factor));
  if (i < n) store(y + i, mul(load(y + i, static_cast<int>(n - i)), factor), static_cast<int>(n - i));
}

inline void layer_norm_row(const float* x, const float* scale, const float* shift, float epsilon, float* y, int64_t n) {
  const float count = static_cast<float>(n);
  const F mean = fset(sum_lanes(reduce_vectors(x, n, fzero(), [](F s, F v) { return add(s, v); })) / count);
  F s0 = fzero(), s1 = fzero(), s2 = fzero(), s3 = fzero();
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    const F a = sub(load(x + i), mean), b = sub(load(x + i + kLanes), mean), c = sub(load(x + i + 2 * kLanes), mean),
            d = sub(load(x + i + 3 * kLanes), mean);
    s0 = fma(a, a, s0);
    s1 = fma(b, b, s1);
    s2 = fma(c, c, s2);
    s3 = fma(d, d, s3);
  }
  for (; i < n; i += kLanes) {
    const int k = static_cast<int>(smaller(kLanes, n - i));
    const F a = keep_range(sub(load_some(x + i, k), mean), 0, k, fzero());
    s0 = fma(a, a, s0);
  }
  const float variance = sum_lanes(add(add(s0, s1), add(s2, s3))) / count;
  const F factor = fset(1.0f / sqrtf(variance + epsilon));
  for (i = 0; i < n; i += kLanes) {
    const int k = static_cast<int>(smaller(kLanes, n - i));
    const F v = mul(mul(sub(load_some(x + i, k), mean), factor), load_some(scale + i, k));
    store_some(y + i, shift != nullptr ? add(v, load_some(shift + i, k)) : v, k);
  }
}

// Means of V vectors of columns. Sums of 64 rows are added up, so that long columns keep their digits.
template <int V>
inline void means_of_columns(const float* x, float* y, int64_t rows, int64_t columns, int lanes) {
  F total[V];
  unrolled<V>([&](auto v) HEARTH_UNROLLED { total[v.value] = fzero(); });
  for (int64_t r = 0; r < rows;) {
    F sum[V];
    unrolled<V>([&](auto v) HEARTH_UNROLLED { sum[v.value] = fzero(); });
    for (const int64_t end = smaller(rows, r + 64); r < end; ++r)
      unrolled<V>([&](auto v) HEARTH_UNROLLED {
        const float* from = x + r * columns + v.value * kLanes;
        sum[v.value] = add(sum[v.value], V > 1 ? load(from) : load_some(from, lanes));
      });
    unrolled<V>([&](auto v) HEARTH_UNROLLED { total[v.value] = add(total[v.value], sum[v.value]); });
  }
  const F count = fset(static_cast<float>(rows));
  unrolled<V>([&](auto v) HEARTH_UNROLLED {
    store_some(y + v.value * kLanes, div(total[v.value], count), V > 1 ? kLanes : lanes);
  });
}

// ---- transposition

constexpr int64_t kTransposeRows = 256, kTransposeColumns = 64;  // of a tile: 64 KiB

inline void transpose_tile(const float* x, float* y, int64_t rows, int64_t columns, int64_t row0, int64_t row1,
                           int64_t column0, int64_t column1) {
  for (int64_t r = row0; r < row1; r += kLanes)
    for (int64_t c = column0; c < column1; c += kLanes) {
      const int height = static_cast<int>(smaller(kLanes, row1 - r)),
                width = static_cast<int>(smaller(kLanes, column1 - c));
      const float* from = x + r * columns + c;
      float* to = y + c * rows + r;
      F v[kLanes];
      if (height == kLanes && width == kLanes) {
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) v[i] = load(from + i * columns);
        transpose_square(v);
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; ++i) store(to + i * rows, v[i]);
        continue;
      }
      for (int i = 0; i < kLanes; ++i) v[i] = i < height ? load(from + i * columns, width) : fzero();
      transpose_square(v);
      for (int i = 0; i < width; ++i) store(to + i * rows, v[i], height);
    }
}

// Few rows become pixels of N numbers, or the other way round: the compiler knows how to shuffle these.
template <int N>
inline void interleave(const float* __restrict x, float* __restrict y, int64_t plane, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < N; ++j) y[i * N + j] = x[j * plane + i];
}
template <int N>
inline void separate(const float* __restrict x, float* __restrict y, int64_t plane, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < N; ++j) y[j * plane + i] = x[i * N + j];
}

template <int N>
inline void transpose_few(const float* x, float* y, int64_t batch, int64_t n, bool to_pixels, ThreadPool* pool) {
  constexpr int64_t kPiece = 2048;
  const int64_t pieces = (n + kPiece - 1) / kPiece;
  split_range(pool, batch * pieces, batch * n * N, [&](int64_t from, int64_t to) {
    for (int64_t p = from; p < to; ++p) {
      const int64_t at = p / pieces * n * N, first = p % pieces * kPiece, count = smaller(kPiece, n - first);
      if (to_pixels)
        interleave<N>(x + at + first, y + at + first * N, n, count);
      else
        separate<N>(x + at + first * N, y + at + first, n, count);
    }
  });
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_softmax)(const float* x, float* y, int64_t rows, int64_t columns,
                                                hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  split_range(pool, rows, rows * columns * 6, [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) softmax_row(x + r * columns, y + r * columns, columns);
  });
}

extern "C" void HEARTH_CPU_ENTRY(dense_layer_norm)(const float* x, const float* scale, const float* shift,
                                                   float epsilon, float* y, int64_t rows, int64_t columns,
                                                   hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  split_range(pool, rows, rows * columns * 2, [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r)
      layer_norm_row(x + r * columns, scale, shift, epsilon, y + r * columns, columns);
  });
}

extern "C" void HEARTH_CPU_ENTRY(dense_column_means)(const float* x, float* y, int64_t batch, int64_t rows,
                                                     int64_t columns, hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  constexpr int V = 4;
  const int64_t blocks = (columns + V * kLanes - 1) / (V * kLanes);
  split_range(pool, batch * blocks, batch * rows * columns, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      const int64_t column = b % blocks * V * kLanes, left = columns - column;
      const float* at = x + b / blocks * rows * columns + column;
      float* out = y + b / blocks * columns + column;
      if (left >= V * kLanes) {
        means_of_columns<V>(at, out, rows, columns, kLanes);
        continue;
      }
      for (int64_t c = 0; c < left; c += kLanes)
        means_of_columns<1>(at + c, out + c, rows, columns, static_cast<int>(smaller(kLanes, left - c)));
    }
  });
}

extern "C" void HEARTH_CPU_ENTRY(dense_transpose)(const float* x, float* y, int64_t batch, int64_t rows,
                                                  int64_t columns, hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  if (batch <= 0 || rows <= 0 || columns <= 0) return;
  if (rows == 1 || columns == 1) {
    split_range(pool, batch * rows * columns, batch * rows * columns,
                [&](int64_t from, int64_t to) { memcpy(y + from, x + from, static_cast<size_t>(to - from) * 4); });
    return;
  }
  const bool to_pixels = rows <= 4;
  switch (to_pixels ? rows : columns) {
    case 2:
      return transpose_few<2>(x, y, batch, to_pixels ? columns : rows, to_pixels, pool);
    case 3:
      return transpose_few<3>(x, y, batch, to_pixels ? columns : rows, to_pixels, pool);
    case 4:
      return transpose_few<4>(x, y, batch, to_pixels ? columns : rows, to_pixels, pool);
    default:
      break;
  }
  const int64_t down = (rows + kTransposeRows - 1) / kTransposeRows;
  const int64_t across = (columns + kTransposeColumns - 1) / kTransposeColumns;
  split_range(pool, batch * down * across, batch * rows * columns, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const int64_t image = t / (down * across) * rows * columns, row0 = t / across % down * kTransposeRows,
                    column0 = t % across * kTransposeColumns;
      transpose_tile(x + image, y + image, rows, columns, row0, smaller(rows, row0 + kTransposeRows), column0,
                     smaller(columns, column0 + kTransposeColumns));
    }
  });
}
