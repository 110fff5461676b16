// Winograd's convolution F(4x4, 3x3) over channels-last images: an output tile of 4x4 pixels comes from 6x6 input
// pixels by 36 products where the direct method has 144. For each of the 36 points i
//   m[i][tile, out_channel] = sum over channels of v[i][tile, channel] * u[i][channel, out_channel],
// a matrix product; v is transformed from the input, the result is transformed from m, u is made when weights are
// packed: [panel of kWideColumns outputs][36][channels][kWideColumns].
//
// Tiles are worked on in blocks whose v stays in the second-level cache; each panel's m is transformed back at once, so
// scratch does not grow with the image. A NaN or infinity in the input makes NaN of every output of the tiles that read
// it, also of those whose own nine pixels are finite.
#pragma once

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/kernels/dense_wide_tile.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kPoints = 36;
// The polynomials are evaluated at 0, +-sqrt(1/2), +-sqrt(2) and infinity in both directions: with the usual 0, +-1,
// +-2 the largest errors are five times as large, here they are hardly more than the direct method's.
constexpr double kRootHalf = 0.70710678118654752440;
constexpr int64_t kTransformedBytes = 640 << 10;  // of v in a block; with weights streaming by it stays in 1 MiB
constexpr int64_t kBlockTiles = 48;
constexpr int64_t kSharedBytes = 4 << 20;  // of v in a block that all threads share
constexpr int64_t kSharedTiles = 16;       // fewer tiles a thread than this: threads share v, each has its own panels

struct WinogradPlan {
  int threads = 1;
  int64_t high = 0, wide = 0, tiles = 0;  // tiles of an image, of all images
  int64_t panels = 0;
  bool shared = false;  // one v for all threads
  int64_t block = 0;    // tiles
  // v is [36][block][v_row], m [block][36][kWideColumns]. Steps are odd multiples of a line: powers of two would put a
  // tile's points, and a product's rows, into few sets of the cache.
  int64_t v_row = 0, v_step = 0, m_row = 0;
  int64_t v_floats() const { return v_step * kPoints; }
  int64_t m_floats() const { return block * m_row; }
};

inline int64_t odd_lines(int64_t floats) {
  return (floats + 15) / 16 * 16 | 16;
}

inline WinogradPlan winograd_plan(const ConvShape& s, int threads) {
  WinogradPlan p;
  p.high = (s.out_height + 3) / 4;
  p.wide = (s.out_width + 3) / 4;
  p.tiles = s.batch * p.high * p.wide;
  p.panels = wide_panels(s.out_channels);
  p.threads = p.tiles * p.panels * s.channels < 500 ? 1 : threads;  // else not worth a fork
  p.v_row = odd_lines(s.channels);
  p.m_row = odd_lines(kPoints * kWideColumns);
  p.shared = p.threads > 1 && p.tiles < p.threads * kSharedTiles;
  const int64_t tile_bytes = kPoints * p.v_row * 4;
  if (p.shared) {
    p.block = smaller(p.tiles, larger(kWideRows, kSharedBytes / tile_bytes));
  } else {
    const int64_t most = smaller(kBlockTiles, larger(kWideRows, kTransformedBytes / tile_bytes));
    const int64_t share_of_thread = (p.tiles + p.threads - 1) / p.threads, blocks = (share_of_thread + most - 1) / most;
    p.block = blocks == 0 ? 0 : (share_of_thread + blocks - 1) / blocks;
  }
  p.v_step = odd_lines(p.block * p.v_row);
  return p;
}

inline size_t winograd_packed_bytes(const ConvShape& s) {
  return static_cast<size_t>(wide_panels(s.out_channels) * kPoints * s.channels * kWideColumns) * sizeof(float);
}

// w[out_channels, channels, 3, 3]
inline void winograd_pack(const float* w, const ConvShape& s, void* packed) {
  static constexpr double kG[6][3] = {{1, 0, 0},
                                      {-2.0 / 3, -2.0 / 3 * kRootHalf, -1.0 / 3},
                                      {-2.0 / 3, 2.0 / 3 * kRootHalf, -1.0 / 3},
                                      {1.0 / 6, 1.0 / 3 * kRootHalf, 1.0 / 3},
                                      {1.0 / 6, -1.0 / 3 * kRootHalf, 1.0 / 3},
                                      {0, 0, 1}};
  constexpr int W = kWideColumns;
  float* u = static_cast<float*>(packed);
  for (int64_t first_output = 0; first_output < s.out_channels; first_output += W)
    for (int64_t c = 0; c < s.channels; ++c) {
      float* at = u + first_output * kPoints * s.channels + c * W;
      for (int j = 0; j < W; ++j) {
        double points[kPoints] = {};
        if (first_output + j < s.out_channels) {
          const float* g = w + ((first_output + j) * s.channels + c) * 9;
          double rows[6][3];
          for (int i = 0; i < 6; ++i)
            for (int x = 0; x < 3; ++x)
              rows[i][x] = kG[i][0] * static_cast<double>(g[x]) + kG[i][1] * static_cast<double>(g[3 + x]) +
                           kG[i][2] * static_cast<double>(g[6 + x]);
          for (int i = 0; i < 6; ++i)
            for (int k = 0; k < 6; ++k)
              points[i * 6 + k] = rows[i][0] * kG[k][0] + rows[i][1] * kG[k][1] + rows[i][2] * kG[k][2];
        }
        for (int i = 0; i < kPoints; ++i) at[i * s.channels * W + j] = static_cast<float>(points[i]);
      }
    }
}

// Six numbers of the input at the six points (B^T).
inline void to_points(const F* d, F* r) {
  const F a = fset(static_cast<float>(kRootHalf)), b = fset(static_cast<float>(2 * kRootHalf));
  const F p = fma(fset(-2.0f), d[2], d[4]), q = fma(fset(-2.0f), d[1], d[3]);
  const F s = fma(fset(-0.5f), d[2], d[4]), t = fma(fset(-0.5f), d[1], d[3]);
  r[0] = fma(fset(-2.5f), d[2], add(d[0], d[4]));
  r[1] = fma(a, q, p);
  r[2] = fnma(a, q, p);
  r[3] = fma(b, t, s);
  r[4] = fnma(b, t, s);
  r[5] = fma(fset(-2.5f), d[3], add(d[1], d[5]));
}

// Six points of the result to four of its numbers (A^T).
inline void from_points(const F* m, F* r) {
  const F half = fset(0.5f), a = fset(static_cast<float>(kRootHalf));
  const F e = add(m[1], m[2]), f = sub(m[1], m[2]), g = add(m[3], m[4]), h = sub(m[3], m[4]);
  r[0] = add(add(m[0], e), g);
  r[1] = mul(a, fma(fset(2.0f), h, f));
  r[2] = fma(fset(2.0f), g, mul(half, e));
  r[3] = fma(a, fma(fset(4.0f), h, mul(half, f)), m[5]);
}

// `vectors` vectors of channels of a tile, whose 6x6 pixels are `row` and `pixel` apart, to v[36] at steps of `step`.
// The outer loops stay loops: unrolled, more goes into addresses than into arithmetic.
__attribute__((noinline)) inline void transform_input(const float* x, int64_t row, int64_t pixel, int64_t vectors,
                                                      float* v, int64_t step) {
  const int64_t pixel3 = 3 * pixel, pixel5 = 5 * pixel, step6 = 6 * step, step18 = 18 * step, step30 = 30 * step;
  for (; vectors > 0; --vectors, x += kLanes, v += kLanes) {
    alignas(64) float t[6][6][kLanes];  // [point across][row of the tile]
    const float* from = x;
#pragma GCC unroll 1
    for (int y = 0; y < 6; ++y, from += row) {
      const F d[6] = {load(from),          load(from + pixel),     load(from + 2 * pixel),
                      load(from + pixel3), load(from + 4 * pixel), load(from + pixel5)};
      F r[6];
      to_points(d, r);
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) store(t[i][y], r[i]);
    }
    float* to = v;
#pragma GCC unroll 1
    for (int i = 0; i < 6; ++i, to += step) {
      F d[6], r[6];
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) d[y] = load(t[i][y]);
      to_points(d, r);
      store(to, r[0]);
      store(to + step6, r[1]);
      store(to + 2 * step6, r[2]);
      store(to + step18, r[3]);
      store(to + 4 * step6, r[4]);
      store(to + step30, r[5]);
    }
  }
}

// One vector of a tile's m, its points kWideColumns apart, to high x wide pixels of y. kWhole: 4x4 and all lanes.
template <bool kWhole>
inline void transform_output(const float* m, float* y, int64_t y_row, int64_t y_pixel, int64_t high, int64_t wide,
                             int lanes, F bias, F least) {
  F t[6][4];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    F d[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) d[j] = load(m + (i * 6 + j) * kWideColumns);
    from_points(d, t[i]);
  }
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) {
    if (!kWhole && x >= wide) break;
    F d[6], r[4];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) d[i] = t[i][x];
    from_points(d, r);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (!kWhole && i >= high) break;
      const F result = max(least, add(r[i], bias));  // NaN stays: the second operand
      if constexpr (kWhole)
        store(y + i * y_row + x * y_pixel, result);
      else
        store_some(y + i * y_row + x * y_pixel, result, lanes);
    }
  }
}

struct WinogradTile {
  int64_t image, y, x;  // of the first output pixel
};
inline WinogradTile tile_at(const WinogradPlan& p, int64_t tile) {
  const int64_t image = tile / (p.high * p.wide), rest = tile % (p.high * p.wide);
  return {image, rest / p.wide * 4, rest % p.wide * 4};
}

// Channels [from, to) of a tile, `from` a multiple of kLanes, to v (which points at the tile's first channel).
inline void transform_tile(const ConvJob& job, const WinogradPlan& p, int64_t tile, int64_t from, int64_t to,
                           float* v) {
  const ConvShape& s = job.shape;
  const WinogradTile at = tile_at(p, tile);
  const int64_t y0 = at.y - s.pad_top, x0 = at.x - s.pad_left, pixel = job.x_stride, row = s.width * pixel;
  const float* x = job.x + (at.image * s.height * s.width + y0 * s.width + x0) * pixel;
  const int64_t y_from = larger(0, -y0), y_to = smaller(6, s.height - y0);
  const int64_t x_from = larger(0, -x0), x_to = smaller(6, s.width - x0);
  const bool inside = y_from == 0 && y_to == 6 && x_from == 0 && x_to == 6;
  int64_t c = from;
  if (inside) {
    const int64_t vectors = (to - from) / kLanes;
    transform_input(x + c, row, pixel, vectors, v + c, p.v_step);
    c += vectors * kLanes;
  }
  if (c >= to) return;
  alignas(64) float edge[kPoints * kLanes] = {};  // what lies outside the image stays zero for all channels
  for (; c < to; c += kLanes) {
    const int lanes = static_cast<int>(smaller(kLanes, to - c));
    for (int64_t i = y_from; i < y_to; ++i)
      for (int64_t j = x_from; j < x_to; ++j)
        store(edge + (i * 6 + j) * kLanes, load_some(x + i * row + j * pixel + c, lanes));
    transform_input(edge, 6 * kLanes, kLanes, 1, v + c, p.v_step);
  }
}

struct WinogradWork {
  const ConvJob* job;
  const WinogradPlan* plan;
  float *v, *m;           // shared: one v, and m of every thread; else v and m of every thread
  int64_t first, count;   // shared: the block
  int64_t pieces;         // shared: of the block for each panel
  float least;            // a leading Relu is part of the transform
  PointwiseProgram rest;  // of the program, on rows that are still in the cache
};

// Output pixels of tiles [first, first + count) in columns [column, column + columns).
inline void finish_pixels(const WinogradWork& w, int64_t first, int64_t count, int64_t column, int64_t columns) {
  const ConvJob& job = *w.job;
  const ConvShape& s = job.shape;
  const WinogradPlan& p = *w.plan;
  for (int64_t t = first; t < first + count;) {
    const WinogradTile at = tile_at(p, t);
    const int64_t run = smaller(first + count - t, p.wide - at.x / 4);  // tiles side by side
    const int64_t wide = smaller(run * 4, s.out_width - at.x), high = smaller(4, s.out_height - at.y);
    for (int64_t i = 0; i < high; ++i) {
      const int64_t pixel = (at.image * s.out_height + at.y + i) * s.out_width + at.x;
      apply_program(w.rest, job.y + pixel * job.y_stride + column, job.y_stride, pixel, wide, column, columns);
    }
    t += run;
  }
}

// A tile's pixels to the cache while products keep the arithmetic busy: written cold they cost as much as the
// transforms.
inline void prefetch_pixels(const WinogradWork& w, int64_t tile, int64_t column, int64_t columns) {
  const ConvJob& job = *w.job;
  const ConvShape& s = job.shape;
  const WinogradTile at = tile_at(*w.plan, tile);
  const int64_t high = smaller(4, s.out_height - at.y), wide = smaller(4, s.out_width - at.x);
  const float* y = job.y + ((at.image * s.out_height + at.y) * s.out_width + at.x) * job.y_stride + column;
  for (int64_t i = 0; i < high; ++i)
    for (int64_t j = 0; j < wide; ++j)
      for (int64_t c = 0; c < columns; c += 16) prefetch(y + (i * s.out_width + j) * job.y_stride + c);
}

// The products of one panel for tiles [first, first + count), whose v starts at `v`, and the results' pixels.
inline void multiply_panel(const WinogradWork& w, const float* v, float* m, int64_t first, int64_t count,
                           int64_t panel) {
  constexpr int W = kWideColumns;
  const ConvJob& job = *w.job;
  const ConvShape& s = job.shape;
  const WinogradPlan& p = *w.plan;
  const int64_t slice = s.channels * W, column = panel * W, columns = smaller(W, s.out_channels - column);
  const float* u = static_cast<const float*>(job.w) + panel * kPoints * slice;
  for (int i = 0; i < kPoints; ++i) {
    const bool last = i + 1 == kPoints && panel + 1 == p.panels;
    wide_product(v + i * p.v_step, p.v_row, count, s.channels, u + i * slice, m + i * W, p.m_row, true,
                 last ? nullptr : u + (i + 1) * slice);
    for (int64_t t = count * i / kPoints; t < count * (i + 1) / kPoints; ++t)
      prefetch_pixels(w, first + t, column, columns);
  }
  for (int64_t t = 0; t < count; ++t) {
    const WinogradTile at = tile_at(p, first + t);
    const int64_t high = smaller(4, s.out_height - at.y), wide = smaller(4, s.out_width - at.x);
    float* y = job.y + ((at.image * s.out_height + at.y) * s.out_width + at.x) * job.y_stride + column;
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int lanes = static_cast<int>(smaller(kLanes, columns - c));
      const F bias = job.bias != nullptr ? load_some(job.bias + column + c, lanes) : fzero();
      const float* from = m + t * p.m_row + c;
      if (high == 4 && wide == 4 && lanes == kLanes)
        transform_output<true>(from, y + c, s.out_width * job.y_stride, job.y_stride, 4, 4, kLanes, bias,
                               fset(w.least));
      else
        transform_output<false>(from, y + c, s.out_width * job.y_stride, job.y_stride, high, wide, lanes, bias,
                                fset(w.least));
    }
  }
  if (!w.rest.steps.empty()) finish_pixels(w, first, count, column, columns);
}

// Each thread its own tiles.
inline void winograd_own(void* context, int part, int parts) {
  const WinogradWork& w = *static_cast<const WinogradWork*>(context);
  const WinogradPlan& p = *w.plan;
  float* v = w.v + part * (p.v_floats() + p.m_floats());
  float* m = v + p.v_floats();
  const int64_t end = share(p.tiles, part + 1, parts);
  for (int64_t first = share(p.tiles, part, parts); first < end; first += p.block) {
    const int64_t count = smaller(p.block, end - first);
    for (int64_t t = 0; t < count; ++t) transform_tile(*w.job, p, first + t, 0, w.job->shape.channels, v + t * p.v_row);
    for (int64_t panel = 0; panel < p.panels; ++panel) multiply_panel(w, v, m, first, count, panel);
  }
}

// A block of tiles for all threads: first v in pieces of a tile and kChannelPiece channels, then panels of it.
constexpr int64_t kChannelPiece = 64;
inline void winograd_shared_input(void* context, int part, int parts) {
  const WinogradWork& w = *static_cast<const WinogradWork*>(context);
  const int64_t channels = w.job->shape.channels, pieces = (channels + kChannelPiece - 1) / kChannelPiece;
  for (int64_t i = share(w.count * pieces, part, parts); i < share(w.count * pieces, part + 1, parts); ++i) {
    const int64_t tile = i / pieces, from = i % pieces * kChannelPiece;
    transform_tile(*w.job, *w.plan, w.first + tile, from, smaller(channels, from + kChannelPiece),
                   w.v + tile * w.plan->v_row);
  }
}
inline void winograd_shared_panels(void* context, int part, int parts) {
  const WinogradWork& w = *static_cast<const WinogradWork*>(context);
  const WinogradPlan& p = *w.plan;
  const int64_t items = p.panels * w.pieces;
  for (int64_t i = share(items, part, parts); i < share(items, part + 1, parts); ++i) {
    const int64_t piece = i % w.pieces, from = w.count * piece / w.pieces;
    multiply_panel(w, w.v + from * p.v_row, w.m + part * p.m_floats(), w.first + from,
                   w.count * (piece + 1) / w.pieces - from, i / w.pieces);
  }
}

// threads: as many as the pool of the job will have.
inline size_t winograd_scratch(const ConvJob& job, int threads) {
  const WinogradPlan p = winograd_plan(job.shape, threads);
  const int64_t floats = p.shared ? p.v_floats() + p.threads * p.m_floats() : p.threads * (p.v_floats() + p.m_floats());
  return static_cast<size_t>(floats) * sizeof(float);
}

inline void winograd(const ConvJob& job, void* scratch, ThreadPool* pool) {
  const WinogradPlan p = winograd_plan(job.shape, team_size(pool));
  WinogradWork w{.job = &job,
                 .plan = &p,
                 .v = static_cast<float*>(scratch),
                 .m = static_cast<float*>(scratch) + p.v_floats(),
                 .first = 0,
                 .count = 0,
                 .pieces = 1,
                 .least = -__builtin_inff(),
                 .rest = job.program};
  if (!w.rest.steps.empty() && w.rest.steps[0].op == Pointwise::Relu) {
    w.least = 0;
    w.rest.steps = w.rest.steps.subspan(1);
  }
  if (!p.shared) {
    team_run(p.threads > 1 ? pool : nullptr, winograd_own, &w);
    return;
  }
  for (w.first = 0; w.first < p.tiles; w.first += p.block) {
    w.count = smaller(p.block, p.tiles - w.first);
    w.pieces = pieces_of_unit(p.panels, (w.count + kWideRows - 1) / kWideRows, p.threads);
    team_run(pool, winograd_shared_input, &w);
    team_run(pool, winograd_shared_panels, &w);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
