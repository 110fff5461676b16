// The depthwise kernel, compiled once an instruction set; its face for others is dense_depthwise.h.
// Convolution of every channel by itself over channels-last images. A tile is a few output pixels of one row times one
// vector of channels; every input vector of a row of the kernel is loaded once and feeds all the sums it belongs to.
// Columns outside the image are skipped, not read as zeros. A sum runs over the kernel's rows, then columns, in
// ascending order whatever the tile, so the result depends on nothing else.
#pragma once

#include "ops/cpu/kernels/dense_depthwise.h"
#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/kernels/dense_split.h"

namespace hearth::ops::cpu {
namespace {

struct DepthwiseTile {
  const ConvShape* shape;
  const float* x;  // the image at a block of channels
  int64_t x_stride, row_stride;
  const float* w;     // all taps of this block
  const float* bias;  // of this block or nullptr
  float* y;           // the first pixel that is stored, at this block
  int64_t y_stride;
  int64_t top, left;           // of the first pixel's window, may be outside the image
  int64_t first_tap, end_tap;  // rows of the kernel that lie in the image
  int64_t from;                // pixels before this one belong to another tile: not stored
  const ProgramClamp* clamp;

  void advance(int vectors) {  // to the next block of channels
    x += vectors * kLanes;
    w += vectors * kLanes * shape->kernel_height * shape->kernel_width;
    if (bias != nullptr) bias += vectors * kLanes;
    y += vectors * kLanes;
  }
};

template <bool kTail, int N>
inline HEARTH_UNROLLED void finish_depthwise(const DepthwiseTile& t, float* y, F* sum, int lanes) {
  if (t.clamp->on) {
    const F low = fset(t.clamp->low), high = fset(t.clamp->high);
    unrolled<N>([&](auto p) HEARTH_UNROLLED { sum[p.value] = min(high, max(low, sum[p.value])); });
  }
  unrolled<N>([&](auto p) HEARTH_UNROLLED {
    if (p.value < t.from) return;
    if constexpr (kTail)
      store(y, sum[p.value], lanes);
    else
      store(y, sum[p.value]);
    y += t.y_stride;
  });
}

// P pixels of a kernel K columns wide with stride S, dilation 1, over `blocks` vectors of channels. kTail: of the one
// vector only `lanes` channels are left.
template <int K, int S, int P, bool kTail>
__attribute__((noinline)) void depthwise_row(DepthwiseTile t, int64_t blocks, int lanes) {
  constexpr int kColumns = (P - 1) * S + K;
  uint32_t inside = 0;
  for (int j = 0; j < kColumns; ++j)
    if (t.left + j >= 0 && t.left + j < t.shape->width) inside |= 1u << j;
  const int64_t tap_step = t.shape->dilation_height * t.row_stride;
  const int64_t start_at = t.top * t.row_stride + t.left * t.x_stride;
  for (; blocks > 0; --blocks, t.advance(1)) {
    const F start = t.bias == nullptr ? fzero() : kTail ? load(t.bias, lanes) : load(t.bias);
    F sum[P];
    unrolled<P>([&](auto p) HEARTH_UNROLLED { sum[p.value] = start; });
    for (int64_t tap = t.first_tap; tap < t.end_tap; ++tap) {
      const float* taps = t.w + tap * K * kLanes;
      F w[K];
      unrolled<K>([&](auto k) HEARTH_UNROLLED { w[k.value] = load(taps + k.value * kLanes); });
      int64_t at = start_at + tap * tap_step;  // of a column that may be outside
      unrolled<kColumns>([&](auto j) HEARTH_UNROLLED {
        if ((inside & 1u << j.value) != 0) {
          F x;
          if constexpr (kTail)
            x = load(t.x + at, lanes);
          else
            x = load(t.x + at);
          unrolled<K>([&](auto k) HEARTH_UNROLLED {
            constexpr int kAt = decltype(j)::value - decltype(k)::value, kPixel = kAt / S;
            if constexpr (kAt >= 0 && kAt % S == 0 && kPixel < P) sum[kPixel] = fma(x, w[k.value], sum[kPixel]);
          });
        }
        at += t.x_stride;
      });
    }
    finish_depthwise<kTail, P>(t, t.y, sum, lanes);
  }
}

// Any kernel, stride and dilation: P pixels times `blocks` times V vectors. V == 1: `lanes` channels in each.
template <int P, int V>
__attribute__((noinline)) void depthwise_any(DepthwiseTile t, int64_t blocks, int lanes) {
  const ConvShape& s = *t.shape;
  const int64_t next = s.kernel_height * s.kernel_width * kLanes;
  for (; blocks > 0; --blocks, t.advance(V)) {
    F sum[V][P];
    unrolled<V>([&](auto v) HEARTH_UNROLLED {
      const F start = t.bias == nullptr ? fzero() : load_some(t.bias + v.value * kLanes, V > 1 ? kLanes : lanes);
      unrolled<P>([&](auto p) HEARTH_UNROLLED { sum[v.value][p.value] = start; });
    });
    for (int64_t tap = t.first_tap; tap < t.end_tap; ++tap) {
      const int64_t row = (t.top + tap * s.dilation_height) * t.row_stride;
      for (int64_t k = 0; k < s.kernel_width; ++k) {
        const float* taps = t.w + (tap * s.kernel_width + k) * kLanes;
        const int64_t column = t.left + k * s.dilation_width;
        unrolled<P>([&](auto p) HEARTH_UNROLLED {
          const int64_t at = column + p.value * s.stride_width;
          if (static_cast<uint64_t>(at) >= static_cast<uint64_t>(s.width)) return;
          const float* from = t.x + (row + at * t.x_stride);
          unrolled<V>([&](auto v) HEARTH_UNROLLED {
            const F x = V > 1 ? load(from + v.value * kLanes) : load_some(from, lanes);
            sum[v.value][p.value] = fma(x, load(taps + v.value * next), sum[v.value][p.value]);
          });
        });
      }
    }
    unrolled<V>([&](auto v)
                    HEARTH_UNROLLED { finish_depthwise<V == 1, P>(t, t.y + v.value * kLanes, sum[v.value], lanes); });
  }
}

using DepthwiseFunction = void (*)(DepthwiseTile tile, int64_t blocks, int lanes);

// How a shape is cut: a tile has `pixels` pixels of a row and `vectors` vectors where those are left, else one.
struct DepthwisePlan {
  int pixels = 1, vectors = 1;
  DepthwiseFunction many = nullptr, one = nullptr, tail = nullptr;
};

template <int K, int S>
inline DepthwisePlan depthwise_plan_of(int pixels) {
  switch (pixels) {
    case 8:
      return {8, 1, nullptr, depthwise_row<K, S, 8, false>, depthwise_row<K, S, 8, true>};
    case 7:
      return {7, 1, nullptr, depthwise_row<K, S, 7, false>, depthwise_row<K, S, 7, true>};
    default:
      return {4, 1, nullptr, depthwise_row<K, S, 4, false>, depthwise_row<K, S, 4, true>};
  }
}

inline DepthwisePlan depthwise_plan(const ConvShape& s) {
  if (s.out_width < 3) return {1, 4, depthwise_any<1, 4>, depthwise_any<1, 1>, depthwise_any<1, 1>};
  int pixels = 4;  // the fewest computed in vain, a little more for each tile
  const auto cost = [&](int p) { return (s.out_width + p - 1) / p * (p + 1); };
  for (const int p : {7, 8})
    if (cost(p) < cost(pixels)) pixels = p;
  if (s.dilation_width == 1 && s.stride_width == 1) {
    if (s.kernel_width == 3) return depthwise_plan_of<3, 1>(pixels);
    if (s.kernel_width == 5) return depthwise_plan_of<5, 1>(pixels);
    if (s.kernel_width == 7) return depthwise_plan_of<7, 1>(pixels);
  }
  if (s.dilation_width == 1 && s.stride_width == 2) {
    if (s.kernel_width == 3) return depthwise_plan_of<3, 2>(pixels);
    if (s.kernel_width == 5) return depthwise_plan_of<5, 2>(pixels);
  }
  return {4, 2, depthwise_any<4, 2>, depthwise_any<4, 1>, depthwise_any<4, 1>};
}

inline int64_t floor_div(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

// Tiles [from, to) of all output rows, channels [channel0, channel1).
inline void depthwise_tiles(const ConvJob& job, const DepthwisePlan& plan, int64_t from, int64_t to, int64_t channel0,
                            int64_t channel1) {
  const ConvShape& s = job.shape;
  const int64_t across = (s.out_width + plan.pixels - 1) / plan.pixels;
  const int64_t taps = s.kernel_height * s.kernel_width;
  PointwiseProgram program = job.program;
  const ProgramClamp clamp = take_clamp(program);
  for (int64_t tile = from; tile < to; ++tile) {
    const int64_t row = tile / across, image = row / s.out_height, oy = row % s.out_height;
    const int64_t begin = tile % across * plan.pixels, end = smaller(begin + plan.pixels, s.out_width);
    const int64_t ox = end - plan.pixels;  // the last tile of a row overlaps the one before it
    DepthwiseTile t;
    t.shape = &s;
    t.x_stride = job.x_stride;
    t.row_stride = s.width * job.x_stride;
    t.y_stride = job.y_stride;
    t.top = oy * s.stride_height - s.pad_top;
    t.left = ox * s.stride_width - s.pad_left;
    t.first_tap = t.top >= 0 ? 0 : smaller(s.kernel_height, floor_div(-t.top - 1, s.dilation_height) + 1);
    t.end_tap = larger(t.first_tap, smaller(s.kernel_height, floor_div(s.height - 1 - t.top, s.dilation_height) + 1));
    t.from = begin - ox;
    t.clamp = &clamp;
    const float* x = job.x + image * s.height * t.row_stride;
    const int64_t pixel = row * s.out_width + begin;
    float* y = job.y + pixel * job.y_stride;
    t.x = x + channel0;
    t.w = static_cast<const float*>(job.w) + channel0 * taps;
    t.bias = job.bias != nullptr ? job.bias + channel0 : nullptr;
    t.y = y + channel0;
    int64_t blocks = (channel1 - channel0) / kLanes;
    if (plan.many != nullptr && blocks >= plan.vectors) {
      plan.many(t, blocks / plan.vectors, kLanes);
      t.advance(static_cast<int>(blocks - blocks % plan.vectors));
      blocks %= plan.vectors;
    }
    plan.one(t, blocks, kLanes);
    if (const int left = static_cast<int>((channel1 - channel0) % kLanes); left > 0) {
      t.advance(static_cast<int>(blocks));
      plan.tail(t, 1, left);
    }
    apply_program(program, y + channel0, job.y_stride, pixel, end - begin, channel0, channel1 - channel0);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_depthwise)(const hearth::ops::cpu::ConvJob& job,
                                                  hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const ConvShape& s = job.shape;
  const DepthwisePlan plan = depthwise_plan(s);
  const int64_t tiles = s.batch * s.out_height * ((s.out_width + plan.pixels - 1) / plan.pixels);
  const int64_t work = tiles * plan.pixels * s.channels * (1 + s.kernel_height * s.kernel_width / 4);
  const int64_t team = team_size(pool), vectors = (s.channels + kLanes - 1) / kLanes;
  if (tiles >= 8 * team || vectors < 2 * team) {
    split_range(pool, tiles, work,
                [&](int64_t from, int64_t to) { depthwise_tiles(job, plan, from, to, 0, s.channels); });
    return;
  }
  split_range(pool, vectors, work, [&](int64_t from, int64_t to) {
    depthwise_tiles(job, plan, 0, tiles, from * kLanes, smaller(to * kLanes, s.channels));
  });
}
