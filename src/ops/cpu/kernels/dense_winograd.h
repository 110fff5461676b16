// Winograd's convolution F(4x4, 3x3) over channels-last images: an output tile of 4x4 pixels comes from 6x6 input
// pixels by 36 products where the direct method has 144. For each of the 36 points i
//   m[i][tile, out_channel] = sum over channels of v[i][tile, channel] * u[i][channel, out_channel],
// a matrix product; v is transformed from the input, u from the weights, the result is transformed from m. Weights are
// packed as for the direct method: u would be four times as large, and reading it from memory takes longer than making
// it from what is in the cache.
//
// Tiles are worked on in blocks whose v stays in the second-level cache, with kWideColumns outputs at a time and u of
// some channels, which is used at once and stays there too; each panel's m is transformed back at once, so scratch does
// not grow with the image. A NaN or infinity in the input makes NaN of every output of the tiles that read it, also of
// those whose own nine pixels are finite.
#pragma once

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/kernels/dense_winograd_transform.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kTransformedBytes = 400 << 10;  // of v in a block: of a second-level cache that two threads may share
constexpr int64_t kMinTiles = 16, kMaxTiles = 48;  // in a block: fewer read the weights too often
constexpr int64_t kSharedBytes = 4 << 20;          // of v in a block that all threads share
constexpr int64_t kSharedTiles = 16;   // fewer tiles a thread than this: threads share v, each has its own panels
constexpr int64_t kChannelBlock = 64;  // of u

struct WinogradPlan {
  int threads = 1;
  int64_t high = 0, wide = 0, tiles = 0;  // tiles of an image, of all images
  int64_t panels = 0;
  bool shared = false;  // one v for all threads
  int64_t block = 0;    // tiles
  // v is [36][block][v_row], m [block][36][kWideColumns]. Steps are odd multiples of a line: powers of two would put a
  // tile's points, and a product's rows, into few sets of the cache.
  int64_t v_row = 0, v_step = 0, m_row = 0;
  // u is [36][channel_block][kWideColumns].
  int64_t channel_block = 0, u_step = 0;
  int64_t v_floats() const { return v_step * kPoints; }
  int64_t m_floats() const { return block * m_row; }
  int64_t u_floats() const { return u_step * kPoints; }
  // Scratch: v, one or one of each thread, then m and u of each thread.
  int64_t v_count() const { return shared ? 1 : threads; }
  int64_t floats() const { return v_count() * v_floats() + threads * (m_floats() + u_floats()); }
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
    p.block = smaller(p.tiles, larger(kMinTiles, kSharedBytes / tile_bytes));
  } else {
    const int64_t most = smaller(kMaxTiles, larger(kMinTiles, kTransformedBytes / tile_bytes));
    const int64_t share_of_thread = (p.tiles + p.threads - 1) / p.threads, blocks = (share_of_thread + most - 1) / most;
    p.block = blocks == 0 ? 0 : (share_of_thread + blocks - 1) / blocks;
  }
  p.v_step = odd_lines(p.block * p.v_row);
  const int64_t channel_blocks = (s.channels + kChannelBlock - 1) / kChannelBlock;
  p.channel_block = (s.channels + channel_blocks - 1) / channel_blocks;
  p.u_step = odd_lines(p.channel_block * kWideColumns);
  return p;
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

// The first steps of a program, done to the results before they are stored: + added, then min(max(v, low), high) or
// v < 0 ? v * slope : v. NaN goes through. `rest` is what remains, done on rows that are still in the cache.
struct WinogradEnd {
  const float* added = nullptr;  // [pixel * added_stride + column], or nullptr
  int64_t added_stride = 0;
  const float* slope = nullptr;  // [out_channels], or nullptr
  float low = -__builtin_inff(), high = __builtin_inff();
  PointwiseProgram rest;
};

inline WinogradEnd winograd_end(const PointwiseProgram& program, int64_t pixels) {
  WinogradEnd e;
  size_t done = 0;
  const auto operand_of = [&](Pointwise op, Spread spread) -> const Operand* {
    if (done >= program.steps.size() || program.steps[done].op != op) return nullptr;
    const Operand& o = program.operands[static_cast<size_t>(program.steps[done].operand)];
    return o.spread == spread ? &o : nullptr;
  };
  if (const Operand* o = operand_of(Pointwise::Add, Spread::Full); o != nullptr && o->period >= pixels) {
    e.added = o->data;
    e.added_stride = o->row_stride;
    ++done;
  }
  if (const Operand* o = operand_of(Pointwise::Prelu, Spread::Column)) {
    e.slope = o->data;
    ++done;
  } else if (done < program.steps.size()) {
    const PointwiseStep& step = program.steps[done];
    if (step.op == Pointwise::Relu) e.low = 0;
    if (step.op == Pointwise::Clip) {
      e.low = step.a;
      e.high = step.b;
    }
    if (step.op == Pointwise::Relu || step.op == Pointwise::Clip) ++done;
  }
  e.rest = {program.steps.subspan(done), program.operands};
  return e;
}

struct WinogradWork {
  const ConvJob* job;
  const WinogradPlan* plan;
  float* scratch;
  int64_t first, count;  // shared: the block
  WinogradEnd end;

  float* v(int part) const { return scratch + (plan->shared ? 0 : part * plan->v_floats()); }
  float* m(int part) const {
    return scratch + plan->v_count() * plan->v_floats() + part * (plan->m_floats() + plan->u_floats());
  }
  float* u(int part) const { return m(part) + plan->m_floats(); }
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
      apply_program(w.end.rest, job.y + pixel * job.y_stride + column, job.y_stride, pixel, wide, column, columns);
    }
    t += run;
  }
}

// m of one panel for `count` tiles. The weights of the next block of channels come into the cache meanwhile.
template <int V>
inline void multiply_points(const WinogradWork& w, const float* v, float* m, float* u, int64_t count, int64_t panel) {
  const ConvShape& s = w.job->shape;
  const WinogradPlan& p = *w.plan;
  const int64_t tap = s.channels * kPanelRows, part = 9 * tap;  // a panel of kPanelRows outputs
  constexpr int kParts = (kWideVectors + kPanelVectors - 1) / kPanelVectors;
  const float* weights = static_cast<const float*>(w.job->w) + panel * kParts * part;
  for (int64_t from = 0; from < s.channels; from += p.channel_block, weights += p.channel_block * kPanelRows) {
    const int64_t channels = smaller(p.channel_block, s.channels - from);
    transform_weights<V>(weights, tap, part, channels, u, p.u_step);
    const bool last = from + channels == s.channels;
    const float* next = !last                  ? weights + p.channel_block * kPanelRows
                        : panel + 1 < p.panels ? weights - from * kPanelRows + kParts * part
                                               : nullptr;
    constexpr int kEvery = kPoints / (9 * kParts);  // products to each tap of each part
    for (int i = 0; i < kPoints; ++i) {
      const int piece = i / kEvery;
      const float* ahead = next != nullptr && i % kEvery == 0 ? next + piece / 9 * part + piece % 9 * tap : nullptr;
      wide_product<V>(v + i * p.v_step + from, p.v_row, count, channels, u + i * p.u_step, m + i * kWideColumns,
                      p.m_row, from == 0, ahead);
    }
  }
}

// The products of one panel for tiles [first, first + count), whose v starts at `v`, and the results' pixels.
inline void multiply_panel(const WinogradWork& w, const float* v, int part, int64_t first, int64_t count,
                           int64_t panel) {
  constexpr int W = kWideColumns;
  const ConvJob& job = *w.job;
  const ConvShape& s = job.shape;
  const WinogradPlan& p = *w.plan;
  const int64_t column = panel * W, columns = smaller(W, s.out_channels - column);
  float* m = w.m(part);
  if (columns > (kWideVectors - 1) * kLanes)
    multiply_points<kWideVectors>(w, v, m, w.u(part), count, panel);
  else
    multiply_points<1>(w, v, m, w.u(part), count, panel);
  for (int64_t t = 0; t < count; ++t) {
    const WinogradTile at = tile_at(p, first + t);
    const int64_t pixel = (at.image * s.out_height + at.y) * s.out_width + at.x;
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int lanes = static_cast<int>(smaller(kLanes, columns - c));
      const WinogradTarget to{
          .y = job.y + pixel * job.y_stride + column + c,
          .row = s.out_width * job.y_stride,
          .pixel = job.y_stride,
          .high = smaller(4, s.out_height - at.y),
          .wide = smaller(4, s.out_width - at.x),
          .lanes = lanes,
          .bias = job.bias != nullptr ? load_some(job.bias + column + c, lanes) : fzero(),
          .low = fset(w.end.low),
          .high_value = fset(w.end.high),
          .slope = w.end.slope != nullptr ? load_some(w.end.slope + column + c, lanes) : fzero(),
          .added = w.end.added != nullptr ? w.end.added + pixel * w.end.added_stride + column + c : nullptr,
          .added_row = s.out_width * w.end.added_stride,
          .added_pixel = w.end.added_stride,
      };
      const float* from = m + t * p.m_row + c;
      if (w.end.slope != nullptr)
        w.end.added != nullptr ? transform_some_output<true, true>(from, to)
                               : transform_some_output<false, true>(from, to);
      else
        w.end.added != nullptr ? transform_some_output<true, false>(from, to)
                               : transform_some_output<false, false>(from, to);
    }
  }
  if (!w.end.rest.steps.empty()) finish_pixels(w, first, count, column, columns);
}

// Each thread its own tiles.
inline void winograd_own(void* context, int part, int parts) {
  const WinogradWork& w = *static_cast<const WinogradWork*>(context);
  const WinogradPlan& p = *w.plan;
  float* v = w.v(part);
  const int64_t end = share(p.tiles, part + 1, parts);
  for (int64_t first = share(p.tiles, part, parts); first < end; first += p.block) {
    const int64_t count = smaller(p.block, end - first);
    for (int64_t t = 0; t < count; ++t) transform_tile(*w.job, p, first + t, 0, w.job->shape.channels, v + t * p.v_row);
    for (int64_t panel = 0; panel < p.panels; ++panel) multiply_panel(w, v, part, first, count, panel);
  }
}

// A block of tiles for all threads: first v in pieces of a tile and kChannelPiece channels, then panels, cut where a
// thread's share of the row tiles ends.
constexpr int64_t kChannelPiece = 64;
inline void winograd_shared_input(void* context, int part, int parts) {
  const WinogradWork& w = *static_cast<const WinogradWork*>(context);
  const int64_t channels = w.job->shape.channels, pieces = (channels + kChannelPiece - 1) / kChannelPiece;
  for (int64_t i = share(w.count * pieces, part, parts); i < share(w.count * pieces, part + 1, parts); ++i) {
    const int64_t tile = i / pieces, from = i % pieces * kChannelPiece;
    transform_tile(*w.job, *w.plan, w.first + tile, from, smaller(channels, from + kChannelPiece),
                   w.v(part) + tile * w.plan->v_row);
  }
}
inline void winograd_shared_panels(void* context, int part, int parts) {
  const WinogradWork& w = *static_cast<const WinogradWork*>(context);
  const WinogradPlan& p = *w.plan;
  const int64_t pieces = (w.count + kWideRows - 1) / kWideRows, end = share(p.panels * pieces, part + 1, parts);
  for (int64_t i = share(p.panels * pieces, part, parts); i < end;) {
    const int64_t panel = i / pieces, piece_end = smaller(pieces, end - panel * pieces);
    const int64_t from = w.count * (i % pieces) / pieces, to = w.count * piece_end / pieces;
    multiply_panel(w, w.v(part) + from * p.v_row, part, w.first + from, to - from, panel);
    i = panel * pieces + piece_end;
  }
}

// threads: as many as the pool of the job will have.
inline size_t winograd_scratch(const ConvJob& job, int threads) {
  return static_cast<size_t>(winograd_plan(job.shape, threads).floats()) * sizeof(float);
}

inline void winograd(const ConvJob& job, void* scratch, ThreadPool* pool) {
  const WinogradPlan p = winograd_plan(job.shape, team_size(pool));
  WinogradWork w{.job = &job,
                 .plan = &p,
                 .scratch = static_cast<float*>(scratch),
                 .first = 0,
                 .count = 0,
                 .end = winograd_end(job.program, job.shape.batch * job.shape.out_height * job.shape.out_width)};
  if (!p.shared) {
    team_run(p.threads > 1 ? pool : nullptr, winograd_own, &w);
    return;
  }
  for (w.first = 0; w.first < p.tiles; w.first += p.block) {
    w.count = smaller(p.block, p.tiles - w.first);
    team_run(pool, winograd_shared_input, &w);
    team_run(pool, winograd_shared_panels, &w);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
