// Winograd's convolution F(2x2, 3x3) over channels-last images, its factors BF16: an output tile of 2x2 pixels comes
// from 4x4 input pixels by 16 products where the direct method has 36. Its transforms only add and halve, so rounding
// what they make costs little more than rounding the factors of the direct method does; those of F(4x4, 3x3) would
// magnify it. For each of the 16 points i
//   m[i][tile, out_channel] = sum over channels of v[i][tile, channel] * u[i][channel, out_channel].
//
// u is packed: [panel of kPanelRows outputs][16][words of two channels][kPanelRows], read once a block of tiles from
// front to back. v of a block stays in the second-level cache, m of a panel is transformed back at once, so scratch
// does not grow with the image. Threads share tiles or panels and have each their v. A NaN or infinity in the input
// makes NaN of every output of the tiles that read it.
#pragma once

#include "ops/cpu/kernels/dense_product.h"
#include "ops/cpu/kernels/dense_winograd.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kSmallPoints = 16;
constexpr int64_t kSmallBytes = 320 << 10;  // of v in a block
constexpr int64_t kMostSmallTiles = 7 * kDenseRows;

struct SmallWinogradPlan {
  int threads = 1;
  Grid grid;                              // tiles by panels
  int64_t high = 0, wide = 0, tiles = 0;  // tiles of an image, of all images
  int64_t panels = 0, words = 0;          // of k
  int64_t block = 0;                      // tiles
  // v is [16][block][v_row] words, m [block][16][kPanelRows] floats; rows and points odd multiples of a line apart.
  int64_t v_row = 0, v_step = 0, m_row = 0;
  int64_t v_words() const { return v_step * kSmallPoints; }
  int64_t words_of_thread() const { return v_words() + block * m_row; }
};

inline SmallWinogradPlan small_winograd_plan(const ConvShape& s, int threads) {
  SmallWinogradPlan p;
  p.high = (s.out_height + 1) / 2;
  p.wide = (s.out_width + 1) / 2;
  p.tiles = s.batch * p.high * p.wide;
  p.panels = panels_of(s.out_channels);
  p.words = words_of(s.channels, Factors::BF16);
  p.threads = p.tiles * p.panels * p.words < 500 ? 1 : threads;  // else not worth a fork
  p.grid = cheapest_grid(p.threads, p.tiles, 1, p.panels, kSmallPoints * p.words);
  p.v_row = odd_lines(p.words);
  p.m_row = odd_lines(kSmallPoints * kPanelRows);
  const int64_t most = smaller(kMostSmallTiles, larger(kDenseRows, kSmallBytes / (kSmallPoints * p.v_row * 4)));
  const int64_t tiles = ceil_div(p.tiles, p.grid.rows);  // of a thread
  p.block = ceil_div(tiles, larger(1, ceil_div(tiles, most)));
  p.v_step = odd_lines(p.block * p.v_row);
  return p;
}

inline size_t small_winograd_bytes(const ConvShape& s) {
  return panel_bytes(kSmallPoints * words_of(s.channels, Factors::BF16), s.out_channels);
}

// ---- weights

inline void small_weight_points(const float (&g)[9][kPanelRows], float (&points)[kSmallPoints][kPanelRows]) {
  float rows[4][3][kPanelRows];
  const auto expand = [](const float* a, const float* b, const float* c, float* r0, float* r1, float* r2, float* r3) {
    for (int j = 0; j < kPanelRows; ++j) {
      r0[j] = a[j];
      r1[j] = (a[j] + b[j] + c[j]) * 0.5f;
      r2[j] = (a[j] - b[j] + c[j]) * 0.5f;
      r3[j] = c[j];
    }
  };
  for (int x = 0; x < 3; ++x) expand(g[x], g[3 + x], g[6 + x], rows[0][x], rows[1][x], rows[2][x], rows[3][x]);
  for (int y = 0; y < 4; ++y)
    expand(rows[y][0], rows[y][1], rows[y][2], points[4 * y], points[4 * y + 1], points[4 * y + 2], points[4 * y + 3]);
}

// w[out_channels, channels, 3, 3] at any address; scale [out_channels] or nullptr.
inline void small_winograd_pack(const float* w, const ConvShape& s, const float* scale, void* packed) {
  const int64_t words = words_of(s.channels, Factors::BF16);
  alignas(64) float g[9][kPanelRows], points[2][kSmallPoints][kPanelRows];
  alignas(64) Brain brain[2][kPanelRows];
  float* panel = static_cast<float*>(packed);
  for (int64_t column = 0; column < s.out_channels; column += kPanelRows, panel += kSmallPoints * words * kPanelRows)
    for (int64_t word = 0; word < words; ++word) {
      for (int64_t h = 0; h < 2; ++h) {
        const int64_t channel = 2 * word + h;
        for (int64_t j = 0; j < kPanelRows; ++j) {
          const bool there = channel < s.channels && column + j < s.out_channels;
          const float* from = w + ((column + j) * s.channels + channel) * 9;
          const float factor = there && scale != nullptr ? scale[column + j] : 1.0f;
          float numbers[9] = {};
          if (there) memcpy(numbers, from, sizeof numbers);
          for (int t = 0; t < 9; ++t) g[t][j] = numbers[t] * factor;
        }
        small_weight_points(g, points[h]);
      }
      for (int64_t i = 0; i < kSmallPoints; ++i) {
        float* to = panel + (i * words + word) * kPanelRows;
        for (int h = 0; h < 2; ++h)
          for (int64_t j = 0; j < kPanelRows; j += kLanes) store(brain[h] + j, load(points[h][i] + j));
        for (int64_t j = 0; j < kPanelRows; ++j) {
          const uint32_t pair = static_cast<uint32_t>(brain[1][j].bits) << 16 | brain[0][j].bits;
          memcpy(to + j, &pair, sizeof pair);
        }
      }
    }
}

// ---- input

inline void to_small_points(const F (&d)[4], F (&r)[4]) {
  r[0] = sub(d[0], d[2]);
  r[1] = add(d[1], d[2]);
  r[2] = sub(d[2], d[1]);
  r[3] = sub(d[1], d[3]);
}

// 4x4 pixels of one vector of channels to their 16 points.
inline void small_points(const float* x, int64_t row, int64_t pixel, F (&points)[kSmallPoints]) {
  F t[4][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const F d[4] = {load(x + j * pixel), load(x + row + j * pixel), load(x + 2 * row + j * pixel),
                    load(x + 3 * row + j * pixel)};
    F r[4];
    to_small_points(d, r);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) t[i][j] = r[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    F r[4];
    to_small_points(t[i], r);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) points[i * 4 + j] = r[j];
  }
}

// Two vectors of channels of a tile to one vector of words of each point, `step` apart.
inline void transform_small(const float* x, int64_t row, int64_t pixel, float* v, int64_t step, bool own) {
  F low[kSmallPoints], high[kSmallPoints];
  small_points(x, row, pixel, low);
  small_points(x + kLanes, row, pixel, high);
#pragma GCC unroll 16
  for (int i = 0; i < kSmallPoints; ++i) store(v + i * step, brain_pairs(low[i], high[i], own));
}

struct SmallTile {
  int64_t image, y, x;  // of the first output pixel
};
inline SmallTile small_tile_at(const SmallWinogradPlan& p, int64_t tile) {
  const int64_t image = tile / (p.high * p.wide), rest = tile % (p.high * p.wide);
  return {image, rest / p.wide * 2, rest % p.wide * 2};
}

// All channels of a tile to v, which points at the tile's first word.
inline void transform_small_tile(const ConvJob& job, const SmallWinogradPlan& p, int64_t tile, float* v, bool own) {
  constexpr int64_t kBoth = 2 * kLanes;
  const ConvShape& s = job.shape;
  const SmallTile at = small_tile_at(p, tile);
  const int64_t y0 = at.y - s.pad_top, x0 = at.x - s.pad_left, pixel = job.x_stride, row = s.width * pixel;
  const float* x = job.x + (at.image * s.height * s.width + y0 * s.width + x0) * pixel;
  const int64_t y_from = larger(0, -y0), y_to = smaller(4, s.height - y0);
  const int64_t x_from = larger(0, -x0), x_to = smaller(4, s.width - x0);
  int64_t c = 0;
  if (y_from == 0 && y_to == 4 && x_from == 0 && x_to == 4)
    for (; c + kBoth <= s.channels; c += kBoth) transform_small(x + c, row, pixel, v + c / 2, p.v_step, own);
  if (c >= s.channels) return;
  alignas(64) float edge[kSmallPoints * kBoth] = {};  // what lies outside the image stays zero for all channels
  for (; c < s.channels; c += kBoth) {
    const int64_t n = smaller(kBoth, s.channels - c);
    for (int64_t i = y_from; i < y_to; ++i)
      for (int64_t j = x_from; j < x_to; ++j) {
        const float* from = x + i * row + j * pixel + c;
        float* to = edge + (i * 4 + j) * kBoth;
        store(to, load_some(from, static_cast<int>(smaller(kLanes, n))));
        store(to + kLanes, n > kLanes ? load_some(from + kLanes, static_cast<int>(n - kLanes)) : fzero());
      }
    transform_small(edge, 4 * kBoth, kBoth, v + c / 2, p.v_step, own);
  }
}

// ---- products and results

struct SmallWinogradWork {
  const ConvJob* job;
  const SmallWinogradPlan* plan;
  float* scratch;
  WinogradEnd end;
};

inline void from_small_points(const F (&d)[4], F (&r)[2]) {
  r[0] = add(add(d[0], d[1]), d[2]);
  r[1] = sub(sub(d[1], d[2]), d[3]);
}

// One vector of columns of a tile's m, its points kPanelRows apart, to its pixels.
inline void finish_small_tile(const SmallWinogradWork& w, const float* m, const SmallTile& at, int64_t column,
                              int lanes) {
  const ConvJob& job = *w.job;
  const ConvShape& s = job.shape;
  F t[4][2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    F d[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) d[j] = load(m + (i * 4 + j) * kPanelRows);
    from_small_points(d, t[i]);
  }
  const F bias = job.bias != nullptr ? load_some(job.bias + column, lanes) : fzero();
  const F slope = w.end.slope != nullptr ? load_some(w.end.slope + column, lanes) : fzero();
  const F low = fset(w.end.low), high = fset(w.end.high);
#pragma GCC unroll 2
  for (int x = 0; x < 2; ++x) {
    if (at.x + x >= s.out_width) break;
    const F d[4] = {t[0][x], t[1][x], t[2][x], t[3][x]};
    F r[2];
    from_small_points(d, r);
#pragma GCC unroll 2
    for (int y = 0; y < 2; ++y) {
      if (at.y + y >= s.out_height) break;
      const int64_t pixel = (at.image * s.out_height + at.y + y) * s.out_width + at.x + x;
      F v = add(r[y], bias);
      if (w.end.added != nullptr) v = add(v, load_some(w.end.added + pixel * w.end.added_stride + column, lanes));
      if (w.end.slope != nullptr)
        v = where_less(v, fzero(), mul(v, slope), v);
      else
        v = min(high, max(low, v));  // NaN stays: the second operand
      store_some(job.y + pixel * job.y_stride + column, v, lanes);
    }
  }
}

// What remains of the program, over the pixels of tiles [first, first + count).
inline void finish_small_pixels(const SmallWinogradWork& w, int64_t first, int64_t count, int64_t column,
                                int64_t columns) {
  const ConvJob& job = *w.job;
  const ConvShape& s = job.shape;
  for (int64_t t = first; t < first + count;) {
    const SmallTile at = small_tile_at(*w.plan, t);
    const int64_t run = smaller(first + count - t, w.plan->wide - at.x / 2);  // tiles side by side
    const int64_t wide = smaller(run * 2, s.out_width - at.x), high = smaller(2, s.out_height - at.y);
    for (int64_t i = 0; i < high; ++i) {
      const int64_t pixel = (at.image * s.out_height + at.y + i) * s.out_width + at.x;
      apply_program(w.end.rest, job.y + pixel * job.y_stride + column, job.y_stride, pixel, wide, column, columns);
    }
    t += run;
  }
}

inline void small_winograd_panel(const SmallWinogradWork& w, const float* v, float* m, int64_t first, int64_t count,
                                 int64_t panel) {
  const SmallWinogradPlan& p = *w.plan;
  const PointwiseProgram none;
  const int64_t slice = p.words * kPanelRows;
  const float* u = static_cast<const float*>(w.job->w) + panel * kSmallPoints * slice;
  Product product;
  product.lda = p.v_row;
  product.width = count;
  product.runs.run = p.words;
  product.factors = Factors::BF16;
  product.n = kPanelRows;
  product.ldc = p.m_row;
  product.program = &none;
  for (int i = 0; i < kSmallPoints; ++i) {
    product.a = v + i * p.v_step;
    product.panels = u + i * slice;
    product.next = panel + 1 == p.panels && i + 1 == kSmallPoints ? nullptr : product.panels + slice;
    product.c = m + i * kPanelRows;
    HEARTH_CPU_ENTRY(dense_product)(&product, 0, 1);
  }
  const int64_t column = panel * kPanelRows, columns = smaller(kPanelRows, w.job->shape.out_channels - column);
  for (int64_t t = 0; t < count; ++t) {
    const SmallTile at = small_tile_at(p, first + t);
    for (int64_t c = 0; c < columns; c += kLanes)
      finish_small_tile(w, m + t * p.m_row + c, at, column + c, static_cast<int>(smaller(kLanes, columns - c)));
  }
  if (!w.end.rest.steps.empty()) finish_small_pixels(w, first, count, column, columns);
}

inline size_t small_winograd_scratch(const ConvJob& job, int threads) {
  const SmallWinogradPlan p = small_winograd_plan(job.shape, threads);
  return static_cast<size_t>(p.threads * p.words_of_thread()) * sizeof(float);
}

inline void small_winograd(const ConvJob& job, void* scratch, ThreadPool* pool) {
  const SmallWinogradPlan p = small_winograd_plan(job.shape, team_size(pool));
  const SmallWinogradWork w{&job, &p, static_cast<float*>(scratch),
                            winograd_end(job.program, job.shape.batch * job.shape.out_height * job.shape.out_width)};
  run_team(p.threads > 1 ? pool : nullptr, [&](int part, int) {
    const int64_t r = part / p.grid.columns, c = part % p.grid.columns;
    if (r >= p.grid.rows) return;
    const bool own = has_bf16_dot();
    float *v = w.scratch + part * p.words_of_thread(), *m = v + p.v_words();
    const int64_t panel0 = p.panels * c / p.grid.columns, panel1 = p.panels * (c + 1) / p.grid.columns;
    const int64_t end = p.tiles * (r + 1) / p.grid.rows;
    for (int64_t first = p.tiles * r / p.grid.rows; first < end; first += p.block) {
      const int64_t count = smaller(p.block, end - first);
      for (int64_t t = 0; t < count; ++t) transform_small_tile(job, p, first + t, v + t * p.v_row, own);
      for (int64_t panel = panel0; panel < panel1; ++panel) small_winograd_panel(w, v, m, first, count, panel);
    }
  });
}

}  // namespace
}  // namespace hearth::ops::cpu
