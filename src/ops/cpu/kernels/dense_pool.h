// Maximum and average over windows of channels-last images. Common maxima walk along a row with the maxima of the
// kernel's columns in registers, so that a column is read once for all windows that share it.
#pragma once

#include <math.h>

#include "ops/cpu/kernels/dense_pool_span.h"
#include "ops/cpu/kernels/dense_split.h"

namespace hearth::ops::cpu {
namespace {

// One output row of a maximum with a window K columns wide, stride S, for V vectors of channels.
template <int K, int S, int V>
inline void max_row(const PoolJob& job, const float* x, float* y, const PoolSpan& rows, int lanes) {
  const ConvShape& s = job.shape;
  const int64_t row_stride = s.width * s.channels;
  const float* top = x + (rows.start + rows.first * s.dilation_height) * row_stride;
  const int64_t step = s.dilation_height * row_stride, count = rows.end - rows.first;
  F column[K][V];
  const auto read = [&](auto k, int64_t at) HEARTH_UNROLLED {
    unrolled<V>([&](auto v) HEARTH_UNROLLED { column[k.value][v.value] = fset(-INFINITY); });
    if (at < 0 || at >= s.width) return;
    const float* from = top + at * s.channels;
    for (int64_t r = 0; r < count; ++r, from += step)
      unrolled<V>([&](auto v) HEARTH_UNROLLED {
        const F a = V > 1 ? load(from + v.value * kLanes) : load_some(from, lanes);
        column[k.value][v.value] = max_nan(column[k.value][v.value], a);
      });
  };
  constexpr int kKept = K > S ? K - S : 0;
  int64_t at = -s.pad_left;
  unrolled<kKept>([&](auto k) HEARTH_UNROLLED { read(k, at + k.value); });
  for (int64_t o = 0; o < s.out_width; ++o, at += S, y += s.channels) {
    unrolled<K, kKept>([&](auto k) HEARTH_UNROLLED { read(k, at + k.value); });
    unrolled<V>([&](auto v) HEARTH_UNROLLED {
      F most = column[0][v.value];
      unrolled<K, 1>([&](auto k) HEARTH_UNROLLED { most = max_nan(most, column[k.value][v.value]); });
      store_some(y + v.value * kLanes, most, V > 1 ? kLanes : lanes);
      unrolled<kKept>([&](auto k) HEARTH_UNROLLED { column[k.value][v.value] = column[k.value + S][v.value]; });
    });
  }
}

// Any window: one pixel, V vectors.
template <bool kAverage, int V>
inline void pool_pixel(const PoolJob& job, const float* x, float* y, const PoolSpan& rows, const PoolSpan& columns,
                       int lanes) {
  const ConvShape& s = job.shape;
  F most[V];
  unrolled<V>([&](auto v) HEARTH_UNROLLED { most[v.value] = kAverage ? fzero() : fset(-INFINITY); });
  for (int64_t r = rows.first; r < rows.end; ++r)
    for (int64_t c = columns.first; c < columns.end; ++c) {
      const int64_t at = (rows.start + r * s.dilation_height) * s.width + columns.start + c * s.dilation_width;
      const float* from = x + at * s.channels;
      unrolled<V>([&](auto v) HEARTH_UNROLLED {
        const F a = V > 1 ? load(from + v.value * kLanes) : load_some(from, lanes);
        most[v.value] = kAverage ? add(most[v.value], a) : max_nan(most[v.value], a);
      });
    }
  const int64_t inside = (rows.end - rows.first) * (columns.end - columns.first);
  // A window over pads alone has nothing to average.
  const F count = fset(static_cast<float>(larger(1, job.count_include_pad ? rows.counted * columns.counted : inside)));
  unrolled<V>([&](auto v) HEARTH_UNROLLED {
    store_some(y + v.value * kLanes, kAverage ? div(most[v.value], count) : most[v.value], V > 1 ? kLanes : lanes);
  });
}

template <bool kAverage>
inline void pool_any_row(const PoolJob& job, const float* x, float* y, const PoolSpan& rows) {
  const ConvShape& s = job.shape;
  constexpr int V = 4;
  for (int64_t o = 0; o < s.out_width; ++o, y += s.channels) {
    const PoolSpan columns =
        pool_span(o, s.stride_width, s.pad_left, s.kernel_width, s.dilation_width, s.width, job.pad_right);
    int64_t c = 0;
    for (; c + V * kLanes <= s.channels; c += V * kLanes)
      pool_pixel<kAverage, V>(job, x + c, y + c, rows, columns, kLanes);
    for (; c < s.channels; c += kLanes)
      pool_pixel<kAverage, 1>(job, x + c, y + c, rows, columns, static_cast<int>(smaller(kLanes, s.channels - c)));
  }
}

template <int K, int S>
inline void max_rows(const PoolJob& job, const float* x, float* y, const PoolSpan& rows) {
  constexpr int V = K > 3 ? 2 : 4;
  int64_t c = 0;
  for (; c + V * kLanes <= job.shape.channels; c += V * kLanes) max_row<K, S, V>(job, x + c, y + c, rows, kLanes);
  for (; c < job.shape.channels; c += kLanes)
    max_row<K, S, 1>(job, x + c, y + c, rows, static_cast<int>(smaller(kLanes, job.shape.channels - c)));
}

using PoolFunction = void (*)(const PoolJob& job, const float* x, float* y, const PoolSpan& rows);

inline PoolFunction pool_function(const PoolJob& job) {
  const ConvShape& s = job.shape;
  if (job.average) return pool_any_row<true>;
  if (s.dilation_width != 1) return pool_any_row<false>;
  if (s.kernel_width == 2 && s.stride_width == 2) return max_rows<2, 2>;
  if (s.kernel_width == 3 && s.stride_width == 1) return max_rows<3, 1>;
  if (s.kernel_width == 3 && s.stride_width == 2) return max_rows<3, 2>;
  if (s.kernel_width == 5 && s.stride_width == 1) return max_rows<5, 1>;
  return pool_any_row<false>;
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_pool)(const hearth::ops::cpu::PoolJob& job, hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const ConvShape& s = job.shape;
  const PoolFunction function = pool_function(job);
  const int64_t rows = s.batch * s.out_height;
  const int64_t work = rows * s.out_width * s.channels * (1 + s.kernel_height * s.kernel_width / 2);
  split_range(pool, rows, work, [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const PoolSpan span = pool_span(r % s.out_height, s.stride_height, s.pad_top, s.kernel_height, s.dilation_height,
                                      s.height, job.pad_bottom);
      function(job, job.x + r / s.out_height * s.height * s.width * s.channels, job.y + r * s.out_width * s.channels,
               span);
    }
  });
}
