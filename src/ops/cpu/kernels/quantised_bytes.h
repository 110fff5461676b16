// Maxima of bytes over windows of channels-last images, and the ways between floats and bytes.
#pragma once

#include "ops/cpu/kernels/dense_pool_span.h"
#include "ops/cpu/kernels/dense_split.h"
#include "ops/cpu/kernels/quantised_entries.h"
#include "ops/cpu/kernels/quantised_finish.h"

namespace hearth::ops::cpu {
namespace {

template <class T>
inline void max_into(const T* x, T* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = y[i] > x[i] ? y[i] : x[i];
}

// Output lines [from, to), counted over all images.
template <class T>
inline void max_lines(const BytePoolJob& job, int64_t from, int64_t to) {
  const ConvShape& s = job.shape;
  for (int64_t line = from; line < to; ++line) {
    const T* image = static_cast<const T*>(job.x) + line / s.out_height * s.height * s.width * s.channels;
    T* y = static_cast<T*>(job.y) + line * s.out_width * s.channels;
    const PoolSpan rows =
        pool_span(line % s.out_height, s.stride_height, s.pad_top, s.kernel_height, s.dilation_height, s.height, 0);
    for (int64_t ox = 0; ox < s.out_width; ++ox, y += s.channels) {
      const PoolSpan columns = pool_span(ox, s.stride_width, s.pad_left, s.kernel_width, s.dilation_width, s.width, 0);
      bool fresh = true;
      for (int64_t i = rows.first; i < rows.end; ++i)
        for (int64_t j = columns.first; j < columns.end; ++j) {
          const T* x = image + ((rows.start + i * s.dilation_height) * s.width + columns.start + j * s.dilation_width) *
                                   s.channels;
          if (fresh)
            memcpy(y, x, static_cast<size_t>(s.channels));
          else
            max_into(x, y, s.channels);
          fresh = false;
        }
      if (fresh) memset(y, static_cast<T>(-1) < 0 ? 128 : 0, static_cast<size_t>(s.channels));  // nothing: the least
    }
  }
}

template <bool kSigned>
inline void dequantise_some(const uint8_t* x, float* y, int64_t count, const Quantum& quantum) {
  const I zero = iset(quantum.zero);
  const F scale = fset(quantum.scale);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    store(y + i, mul(to_float(sub_ints(load_bytes<kSigned>(x + i), zero)), scale));
  if (i < count) {
    const auto n = static_cast<int>(count - i);
    store(y + i, mul(to_float(sub_ints(load_bytes<kSigned>(x + i, n), zero)), scale), n);
  }
}

struct Extremes {
  float least = 0, most = 0;
};

inline Extremes extremes_of(const float* x, int64_t count) {
  F least[4], most[4];  // min and max take longer than they need to be started
  for (int v = 0; v < 4; ++v) least[v] = most[v] = fzero();
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const F a = load(x + i + v * kLanes);
      least[v] = min(a, least[v]);
      most[v] = max(a, most[v]);
    }
  for (; i < count; i += kLanes) {
    const F a = load(x + i, static_cast<int>(smaller(kLanes, count - i)));
    least[0] = min(a, least[0]);
    most[0] = max(a, most[0]);
  }
  for (int v = 1; v < 4; ++v) {
    least[0] = min(least[v], least[0]);
    most[0] = max(most[v], most[0]);
  }
  return {-max_lanes(sub(fzero(), least[0])), max_lanes(most[0])};
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" {

void HEARTH_CPU_ENTRY(quantised_max_pool)(const hearth::ops::cpu::BytePoolJob& job,
                                          hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const ConvShape& s = job.shape;
  const int64_t lines = s.batch * s.out_height;
  const int64_t work = lines * s.out_width * s.channels * (1 + s.kernel_height * s.kernel_width / 8);
  split_range(pool, lines, work, [&](int64_t from, int64_t to) {
    if (job.type == ByteType::I8)
      max_lines<int8_t>(job, from, to);
    else
      max_lines<uint8_t>(job, from, to);
  });
}

void HEARTH_CPU_ENTRY(quantised_quantise)(const float* x, void* y, int64_t count,
                                          const hearth::ops::cpu::Quantum& quantum,
                                          hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const VectorQuantum q(quantum);
  auto* bytes = static_cast<uint8_t*>(y);
  split_range(pool, count, count * 2, [&](int64_t from, int64_t to) {
    int64_t i = from;
    for (; i + kLanes <= to; i += kLanes) store_quanta<true>(bytes + i, div(load(x + i), q.scale), q, kLanes);
    if (i < to) {
      const auto n = static_cast<int>(to - i);
      store_quanta<false>(bytes + i, div(load(x + i, n), q.scale), q, n);
    }
  });
}

void HEARTH_CPU_ENTRY(quantised_dequantise)(const void* x, float* y, int64_t count,
                                            const hearth::ops::cpu::Quantum& quantum,
                                            hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const auto* bytes = static_cast<const uint8_t*>(x);
  split_range(pool, count, count, [&](int64_t from, int64_t to) {
    if (quantum.type == ByteType::I8)
      dequantise_some<true>(bytes + from, y + from, to - from, quantum);
    else
      dequantise_some<false>(bytes + from, y + from, to - from, quantum);
  });
}

void HEARTH_CPU_ENTRY(quantised_range)(const float* x, int64_t count, float* least, float* most,
                                       hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  constexpr int kMostParts = 64;
  Extremes parts[kMostParts];
  const int64_t ranges = smaller(team_size(pool), kMostParts);
  split_range(pool, ranges, count, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      parts[i] = extremes_of(x + count * i / ranges, count * (i + 1) / ranges - count * i / ranges);
  });
  *least = *most = 0;
  for (int64_t i = 0; i < ranges; ++i) {
    *least = parts[i].least < *least ? parts[i].least : *least;
    *most = parts[i].most > *most ? parts[i].most : *most;
  }
}

}  // extern "C"
