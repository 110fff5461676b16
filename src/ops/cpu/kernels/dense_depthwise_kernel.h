// The depthwise kernel, compiled once an instruction set; its face for others is dense_depthwise.h.
// Convolution of every channel by itself over channels-last images. A tile is a few output pixels of one or two rows
// times one vector of channels; an input vector is loaded once a tile and feeds all the sums it belongs to. Pixels
// outside the image are skipped, not read as zeros. A sum runs over the kernel's rows, then columns, in ascending order
// whatever the tile, so the result depends on nothing else.
#pragma once

#include "ops/cpu/kernels/dense_depthwise.h"
#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/kernels/dense_split.h"

namespace hearth::ops::cpu {
namespace {

// Tiles [tile0, tile1) of the rows from output row `row` (counted over all images) on, channels [channel0, channel1).
struct DepthwiseStrip {
  const ConvJob* job;
  PointwiseProgram program;  // what comes after the clamp or the slopes
  ProgramClamp clamp;
  const float* slope = nullptr;  // of each channel, for what is negative; nullptr: none
  int64_t row, tile0, tile1, channel0, channel1;
};

// One block of channels of a tile.
struct DepthwiseBlock {
  const float* x;  // the image
  int64_t at;      // of the first pixel's window, which may begin outside the image
  int64_t x_stride, row_stride;
  uint32_t rows, columns;  // those of the windows that lie in the image, a bit each
  const float* w;
  const float* bias;   // or nullptr
  const float* slope;  // or nullptr
  float* y;            // the first pixel that is stored
  int64_t y_stride, y_row_stride;
  int64_t from;  // pixels before this one belong to another tile: not stored
  int lanes;

  void advance(int64_t taps) {
    x += kLanes;
    w += taps * kLanes;
    if (bias != nullptr) bias += kLanes;
    if (slope != nullptr) slope += kLanes;
    y += kLanes;
  }
};

inline uint32_t bits_inside(int64_t first, int64_t count, int64_t size) {  // of count positions from first on
  const int64_t low = smaller(count, larger(0, -first)), high = larger(low, smaller(count, size - first));
  return ((1u << high) - 1u) & ~((1u << low) - 1u);
}

template <bool kTail>
inline F load_lanes(const float* p, int lanes) {
  return kTail ? load(p, lanes) : load(p);
}

template <bool kTail, int N>
inline HEARTH_UNROLLED void store_pixels(F* sum, const ProgramClamp& clamp, const float* slope, int64_t from, float* y,
                                         int64_t y_stride, int lanes) {
  if (clamp.on) {
    const F low = fset(clamp.low), high = fset(clamp.high);
    unrolled<N>([&](auto p) HEARTH_UNROLLED { sum[p.value] = min(high, max(low, sum[p.value])); });
  } else if (slope != nullptr) {
    const F slopes = load_lanes<kTail>(slope, lanes);
    unrolled<N>([&](auto p) HEARTH_UNROLLED {
      sum[p.value] = where_less(sum[p.value], fzero(), mul(sum[p.value], slopes), sum[p.value]);
    });
  }
  unrolled<N>([&](auto p) HEARTH_UNROLLED {
    if (p.value < from) return;
    if constexpr (kTail)
      store(y, sum[p.value], lanes);
    else
      store(y, sum[p.value]);
    y += y_stride;
  });
}

// R rows of P pixels; a K x K kernel with stride S (R == 1: of any height and vertical stride and dilation, whose taps
// are `rows`). kBorder: parts of the windows lie outside. kTail: only `lanes` channels are left.
template <int K, int S, int R, int P, bool kBorder, bool kTail>
inline HEARTH_UNROLLED void depthwise_block(const DepthwiseBlock& b, const ProgramClamp& clamp, int64_t first_tap,
                                            int64_t end_tap) {
  constexpr int kColumns = (P - 1) * S + K;
  const F start = b.bias == nullptr ? fzero() : load_lanes<kTail>(b.bias, b.lanes);
  F sum[R][P];
  unrolled<R>([&](auto r)
                  HEARTH_UNROLLED { unrolled<P>([&](auto p) HEARTH_UNROLLED { sum[r.value][p.value] = start; }); });
  // fn(column, x): what column `column` of an input row adds
  const auto each_column = [&](int64_t at, const auto& fn) HEARTH_UNROLLED {
    unrolled<kColumns>([&](auto j) HEARTH_UNROLLED {
      if (!kBorder || (b.columns & 1u << j.value) != 0) fn(j, load_lanes<kTail>(b.x + at, b.lanes));
      at += b.x_stride;
    });
  };
  if constexpr (R == 1) {
    int64_t at = b.at + first_tap * b.row_stride;
    for (int64_t tap = first_tap; tap < end_tap; ++tap, at += b.row_stride) {
      F w[K];
      unrolled<K>([&](auto k) HEARTH_UNROLLED { w[k.value] = load(b.w + (tap * K + k.value) * kLanes); });
      each_column(at, [&](auto j, F x) HEARTH_UNROLLED {
        unrolled<K>([&](auto k) HEARTH_UNROLLED {
          constexpr int kAt = decltype(j)::value - decltype(k)::value, kPixel = kAt / S;
          if constexpr (kAt >= 0 && kAt % S == 0 && kPixel < P) sum[0][kPixel] = fma(x, w[k.value], sum[0][kPixel]);
        });
      });
    }
  } else {
    F w[K * K];
    unrolled<K * K>([&](auto k) HEARTH_UNROLLED { w[k.value] = load(b.w + k.value * kLanes); });
    int64_t at = b.at;
    unrolled<(R - 1) * S + K>([&](auto i) HEARTH_UNROLLED {
      if (!kBorder || (b.rows & 1u << i.value) != 0)
        each_column(at, [&](auto j, F x) HEARTH_UNROLLED {
          unrolled<R>([&](auto r) HEARTH_UNROLLED {
            unrolled<K>([&](auto k) HEARTH_UNROLLED {
              constexpr int kTap = decltype(i)::value - decltype(r)::value * S;
              constexpr int kAt = decltype(j)::value - decltype(k)::value, kPixel = kAt / S;
              if constexpr (kTap >= 0 && kTap < K && kAt >= 0 && kAt % S == 0 && kPixel < P)
                sum[r.value][kPixel] = fma(x, w[kTap * K + k.value], sum[r.value][kPixel]);
            });
          });
        });
      at += b.row_stride;
    });
  }
  unrolled<R>([&](auto r) HEARTH_UNROLLED {
    store_pixels<kTail, P>(sum[r.value], clamp, b.slope, b.from, b.y + r.value * b.y_row_stride, b.y_stride, b.lanes);
  });
}

inline int64_t floor_div(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

// The block of the first channels of a strip's rows, without what depends on the tile; first_tap and end_tap are the
// rows of the kernel that lie in the image for the first output row.
inline DepthwiseBlock first_block(const DepthwiseStrip& strip, int64_t* first_tap, int64_t* end_tap) {
  const ConvJob& job = *strip.job;
  const ConvShape& s = job.shape;
  const int64_t image = strip.row / s.out_height, top = strip.row % s.out_height * s.stride_height - s.pad_top;
  *first_tap = top >= 0 ? 0 : smaller(s.kernel_height, floor_div(-top - 1, s.dilation_height) + 1);
  *end_tap = larger(*first_tap, smaller(s.kernel_height, floor_div(s.height - 1 - top, s.dilation_height) + 1));
  DepthwiseBlock b;
  const int64_t row = s.width * job.x_stride;
  b.x = job.x + image * s.height * row + strip.channel0;
  b.at = top * row;
  b.x_stride = job.x_stride;
  b.row_stride = s.dilation_height * row;
  b.w = static_cast<const float*>(job.w) + strip.channel0 * s.kernel_height * s.kernel_width;
  b.bias = job.bias != nullptr ? job.bias + strip.channel0 : nullptr;
  b.slope = strip.slope != nullptr ? strip.slope + strip.channel0 : nullptr;
  b.y = job.y + strip.row * s.out_width * job.y_stride + strip.channel0;
  b.y_stride = job.y_stride;
  b.y_row_stride = s.out_width * job.y_stride;
  b.lanes = static_cast<int>((strip.channel1 - strip.channel0) % kLanes);
  return b;
}

// fn(block, begin, end, left) for every tile of `pixels` pixels: output columns [begin, end), windows from column
// `left` of the image on; then the program over its `rows` rows. The last tile of a row overlaps the one before it.
template <class Function>
inline HEARTH_UNROLLED void each_tile(const DepthwiseStrip& strip, const DepthwiseBlock& first, int64_t pixels,
                                      int64_t rows, const Function& fn) {
  const ConvShape& s = strip.job->shape;
  for (int64_t tile = strip.tile0; tile < strip.tile1; ++tile) {
    const int64_t begin = tile * pixels, end = smaller(begin + pixels, s.out_width), ox = end - pixels;
    DepthwiseBlock b = first;
    const int64_t left = ox * s.stride_width - s.pad_left;
    b.at += left * b.x_stride;
    b.from = begin - ox;
    b.y += begin * b.y_stride;
    float* y = b.y;
    fn(b, left);
    for (int64_t r = 0; r < rows; ++r)
      apply_program(strip.program, y + r * b.y_row_stride, b.y_stride, (strip.row + r) * s.out_width + begin,
                    end - begin, strip.channel0, strip.channel1 - strip.channel0);
  }
}

template <int K, int S, int R, int P>
__attribute__((noinline)) void depthwise_strip(const DepthwiseStrip& strip) {
  constexpr int kColumns = (P - 1) * S + K, kRows = (R - 1) * S + K;
  constexpr uint32_t kAllColumns = (1u << kColumns) - 1u, kAllRows = (1u << kRows) - 1u;
  const ConvShape& s = strip.job->shape;
  const int64_t taps = s.kernel_height * K, blocks = (strip.channel1 - strip.channel0) / kLanes;
  int64_t first_tap, end_tap;
  DepthwiseBlock first = first_block(strip, &first_tap, &end_tap);
  first.rows = R == 1 ? kAllRows : bits_inside(strip.row % s.out_height * S - s.pad_top, kRows, s.height);
  each_tile(strip, first, P, R, [&](DepthwiseBlock& b, int64_t left) {
    b.columns = bits_inside(left, kColumns, s.width);
    if (b.rows == kAllRows && b.columns == kAllColumns)
      for (int64_t i = 0; i < blocks; ++i, b.advance(taps))
        depthwise_block<K, S, R, P, false, false>(b, strip.clamp, first_tap, end_tap);
    else
      for (int64_t i = 0; i < blocks; ++i, b.advance(taps))
        depthwise_block<K, S, R, P, true, false>(b, strip.clamp, first_tap, end_tap);
    if (b.lanes > 0) depthwise_block<K, S, R, P, true, true>(b, strip.clamp, first_tap, end_tap);
  });
}

// Any kernel, stride and dilation: P pixels of V vectors. V == 1: `lanes` channels.
template <int P, int V, bool kBorder>
inline HEARTH_UNROLLED void depthwise_any_block(const DepthwiseBlock& b, const ConvShape& s, const ProgramClamp& clamp,
                                                int64_t left, int64_t first_tap, int64_t end_tap, int lanes) {
  const int64_t next = s.kernel_height * s.kernel_width * kLanes;
  F sum[V][P];
  unrolled<V>([&](auto v) HEARTH_UNROLLED {
    const F start = b.bias == nullptr ? fzero() : load_some(b.bias + v.value * kLanes, V > 1 ? kLanes : lanes);
    unrolled<P>([&](auto p) HEARTH_UNROLLED { sum[v.value][p.value] = start; });
  });
  for (int64_t tap = first_tap; tap < end_tap; ++tap)
    for (int64_t k = 0; k < s.kernel_width; ++k) {
      const float* w = b.w + (tap * s.kernel_width + k) * kLanes;
      const int64_t at = b.at + tap * b.row_stride + k * s.dilation_width * b.x_stride;
      const int64_t column = left + k * s.dilation_width;
      unrolled<P>([&](auto p) HEARTH_UNROLLED {
        const int64_t step = p.value * s.stride_width;
        if (kBorder && static_cast<uint64_t>(column + step) >= static_cast<uint64_t>(s.width)) return;
        const float* x = b.x + (at + step * b.x_stride);
        unrolled<V>([&](auto v) HEARTH_UNROLLED {
          const F a = V > 1 ? load(x + v.value * kLanes) : load_some(x, lanes);
          sum[v.value][p.value] = fma(a, load(w + v.value * next), sum[v.value][p.value]);
        });
      });
    }
  unrolled<V>([&](auto v) HEARTH_UNROLLED {
    store_pixels<V == 1, P>(sum[v.value], clamp, b.slope != nullptr ? b.slope + v.value * kLanes : nullptr, b.from,
                            b.y + v.value * kLanes, b.y_stride, lanes);
  });
}

template <int P, int V>
__attribute__((noinline)) void depthwise_any_strip(const DepthwiseStrip& strip) {
  const ConvShape& s = strip.job->shape;
  const int64_t taps = s.kernel_height * s.kernel_width;
  int64_t first_tap, end_tap;
  const DepthwiseBlock first = first_block(strip, &first_tap, &end_tap);
  each_tile(strip, first, P, 1, [&](DepthwiseBlock& b, int64_t left) {
    int64_t channels = strip.channel1 - strip.channel0;
    if (left >= 0 && left + (P - 1) * s.stride_width + (s.kernel_width - 1) * s.dilation_width < s.width)
      for (; channels >= V * kLanes; channels -= V * kLanes) {
        depthwise_any_block<P, V, false>(b, s, strip.clamp, left, first_tap, end_tap, kLanes);
        for (int v = 0; v < V; ++v) b.advance(taps);
      }
    for (; channels >= V * kLanes; channels -= V * kLanes) {
      depthwise_any_block<P, V, true>(b, s, strip.clamp, left, first_tap, end_tap, kLanes);
      for (int v = 0; v < V; ++v) b.advance(taps);
    }
    for (; channels > 0; channels -= kLanes, b.advance(taps))
      depthwise_any_block<P, 1, true>(b, s, strip.clamp, left, first_tap, end_tap,
                                      static_cast<int>(smaller(channels, kLanes)));
  });
}

using DepthwiseFunction = void (*)(const DepthwiseStrip& strip);

// How a shape is cut into tiles: `rows` rows of `pixels` pixels, single rows where no more are left.
struct DepthwisePlan {
  int pixels, rows;
  DepthwiseFunction several, single;
};

template <int K, int S, int R>
inline DepthwisePlan depthwise_plan_of(int pixels) {
  if constexpr (!kOneTileSize) {
    if (pixels == 8) return {8, R, depthwise_strip<K, S, R, 8>, depthwise_strip<K, S, 1, 8>};
    if (pixels == 7) return {7, R, depthwise_strip<K, S, R, 7>, depthwise_strip<K, S, 1, 7>};
  }
  return {4, R, depthwise_strip<K, S, R, 4>, depthwise_strip<K, S, 1, 4>};
}

inline DepthwisePlan depthwise_plan(const ConvShape& s) {
  if (s.out_width < 3) return {1, 1, nullptr, depthwise_any_strip<1, 4>};
  int pixels = 4;  // the fewest computed in vain, a little more for each tile
  const auto cost = [&](int p) { return (s.out_width + p - 1) / p * (p + 1); };
  for (const int p : {7, 8})
    if (cost(p) < cost(pixels)) pixels = p;
  if (s.kernel_width == 3 && s.kernel_height == 3 && s.dilation_width == 1 && s.dilation_height == 1 &&
      s.stride_width == s.stride_height) {
    if (kLanes < 16) pixels = 4;  // two rows of more do not fit 16 registers
    if (s.stride_width == 1) return depthwise_plan_of<3, 1, 2>(pixels);
    if (s.stride_width == 2) return depthwise_plan_of<3, 2, 2>(pixels);
  }
  if (s.dilation_width == 1 && s.stride_width == 1) {
    if (s.kernel_width == 3) return depthwise_plan_of<3, 1, 1>(pixels);
    if (s.kernel_width == 5) return depthwise_plan_of<5, 1, 1>(pixels);
    if (s.kernel_width == 7) return depthwise_plan_of<7, 1, 1>(pixels);
  }
  if (s.dilation_width == 1 && s.stride_width == 2) {
    if (s.kernel_width == 3) return depthwise_plan_of<3, 2, 1>(pixels);
    if (s.kernel_width == 5) return depthwise_plan_of<5, 2, 1>(pixels);
  }
  return {4, 1, nullptr, depthwise_any_strip<4, 2>};
}

// Tiles [from, to), counted over all groups of rows.
inline void depthwise_tiles(const ConvJob& job, const DepthwisePlan& plan, int64_t from, int64_t to, int64_t channel0,
                            int64_t channel1) {
  const ConvShape& s = job.shape;
  const int64_t across = (s.out_width + plan.pixels - 1) / plan.pixels,
                down = (s.out_height + plan.rows - 1) / plan.rows;
  DepthwiseStrip strip;
  strip.job = &job;
  strip.program = job.program;
  strip.clamp = take_clamp(strip.program);
  if (!strip.clamp.on) strip.slope = take_slopes(strip.program);
  strip.channel0 = channel0;
  strip.channel1 = channel1;
  while (from < to) {
    const int64_t group = from / across, oy = group % down * plan.rows;
    strip.row = group / down * s.out_height + oy;
    strip.tile0 = from - group * across;
    strip.tile1 = smaller(across, to - group * across);
    (plan.rows > 1 && oy + plan.rows <= s.out_height ? plan.several : plan.single)(strip);
    from += strip.tile1 - strip.tile0;
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_depthwise)(const hearth::ops::cpu::ConvJob& job,
                                                  hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const ConvShape& s = job.shape;
  const DepthwisePlan plan = depthwise_plan(s);
  const int64_t tiles =
      s.batch * ((s.out_height + plan.rows - 1) / plan.rows) * ((s.out_width + plan.pixels - 1) / plan.pixels);
  const int64_t work = tiles * plan.rows * plan.pixels * s.channels * (1 + s.kernel_height * s.kernel_width / 4);
  const int64_t team = team_size(pool), vectors = (s.channels + kLanes - 1) / kLanes;
  // By rows where they can be shared out evenly: products before and after cut there too, so a core finds what it made
  // itself.
  const bool even = tiles >= 6 * team && (tiles + team - 1) / team * team * 8 <= tiles * 9;
  if (even || tiles >= 8 * team || vectors < 2 * team) {
    split_range(pool, tiles, work,
                [&](int64_t from, int64_t to) { depthwise_tiles(job, plan, from, to, 0, s.channels); });
    return;
  }
  split_range(pool, vectors, work, [&](int64_t from, int64_t to) {
    depthwise_tiles(job, plan, 0, tiles, from * kLanes, smaller(to * kLanes, s.channels));
  });
}
