// The walk of dense_product: blocks of k, panels, lines, row tiles.
#pragma once

#include <utility>

#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/kernels/dense_product.h"

namespace hearth::ops::cpu {
namespace {

using Tile = void (*)(const TileCall&);

constexpr int kRowVectors = 4;  // vectors of a tile of one row: enough sums at once to hide an addition's time
// Rows a multiple of 4096 bytes apart fall into one set of the first-level cache, which holds eight lines at least.
constexpr int64_t kSetWords = 1024;
constexpr int kSetRows = 7;
// k of a block: its panel and its rows of a stay near the core. A single tile reads a panel once: longer ones, and a
// single row all of it, as memory likes it.
constexpr int64_t kBlockWords = 512, kLongBlockWords = 4096;
constexpr int64_t kAheadBytes = 8192;  // that a single tile prefetches in front of what it reads

// Tiles of 1 … kDenseRows rows.
template <int V, Word kWord, int... kM>
inline Tile tile_of(int64_t rows, std::integer_sequence<int, kM...>) {
  static constexpr Tile kTiles[] = {product_tile<kM + 1, V, kWord>...};
  return kTiles[rows - 1];
}
template <Word kWord>
inline Tile tile_of(int64_t rows, int64_t vectors) {
  constexpr std::make_integer_sequence<int, kDenseRows> kRows{};
  if (vectors == kRowVectors) return product_tile<1, kRowVectors, kWord>;
  if constexpr (kDenseVectors == 2)
    if (vectors == 2) return tile_of<2, kWord>(rows, kRows);
  return tile_of<1, kWord>(rows, kRows);
}

// k of a product in blocks of whole planes, whole runs or parts of one run.
class Blocks {
 public:
  struct Block {
    TileRuns runs;
    int64_t a = 0, word = 0;  // where it begins in a row of a, and in k
  };

  Blocks(const TileRuns& runs, int64_t most) : whole_(runs) {
    const int64_t plane = runs.runs * runs.run;
    if (runs.planes * plane <= most * 3 / 2) return;
    if (plane <= most) {
      each_ = even(runs.planes, most / plane);
      per_ = 0;
      count_ = ceil_div(runs.planes, each_);
    } else if (runs.run <= most) {
      each_ = even(runs.runs, most / runs.run);
      per_ = ceil_div(runs.runs, each_);
      count_ = per_ * runs.planes;
    } else {
      each_ = even(runs.run, most);
      per_ = ceil_div(runs.run, each_);
      count_ = per_ * runs.runs * runs.planes;
      in_run_ = true;
    }
  }

  int64_t count() const { return count_; }
  Block operator[](int64_t i) const {
    Block b{whole_, 0, 0};
    const TileRuns& w = whole_;
    if (count_ == 1) return b;
    if (per_ == 0) {
      const int64_t plane = i * each_;
      b.runs.planes = smaller(each_, w.planes - plane);
      b.a = plane * w.plane_stride;
      b.word = plane * w.runs * w.run;
    } else if (!in_run_) {
      const int64_t plane = i / per_, run = i % per_ * each_;
      b.runs.planes = 1;
      b.runs.runs = smaller(each_, w.runs - run);
      b.a = plane * w.plane_stride + run * w.run_stride;
      b.word = (plane * w.runs + run) * w.run;
    } else {
      const int64_t all = i / per_, part = i % per_ * each_;
      b.runs.planes = b.runs.runs = 1;
      b.runs.run = smaller(each_, w.run - part);
      b.a = all / w.runs * w.plane_stride + all % w.runs * w.run_stride + part;
      b.word = all * w.run + part;
    }
    return b;
  }

 private:
  static int64_t even(int64_t n, int64_t most) { return ceil_div(n, ceil_div(n, most)); }

  TileRuns whole_;
  int64_t count_ = 1, each_ = 0, per_ = 0;
  bool in_run_ = false;
};

// The columns that one tile computes at once: whole panels, or the used half of the last one.
struct Columns {
  int64_t panel = 0, panels = 1, vectors = 1, first = 0, count = 0;
};

class Walk {
 public:
  explicit Walk(const Product& p)
      : p_(p),
        tile_rows_(p.lda % kSetWords == 0 ? smaller(kDenseRows, kSetRows) : kDenseRows),
        tiles_(p.lines * ceil_div(p.width, tile_rows_)),
        one_row_(p.lines * p.width == 1),
        k_(p.runs.planes * p.runs.runs * p.runs.run),
        blocks_(p.runs, one_row_      ? larger(1, k_)
                        : tiles_ == 1 ? kLongBlockWords
                                      : kBlockWords) {}

  template <Word kWord>
  void run(int64_t panel0, int64_t panel1) const {
    for (int64_t block = 0; block < blocks_.count(); ++block)
      for (int64_t panel = panel0; panel < panel1;) {
        const Columns columns = columns_at(panel, panel1);
        panel += columns.panels;
        const int64_t next = panel < panel1 ? panel * kPanelRows * k_ + blocks_[block].word * kPanelRows
                             : block + 1 < blocks_.count()
                                 ? panel0 * kPanelRows * k_ + blocks_[block + 1].word * kPanelRows
                                 : -1;
        tiles<kWord>(columns, block, next);
      }
  }

 private:
  Columns columns_at(int64_t panel, int64_t panel1) const {
    Columns c{.panel = panel, .first = panel * kPanelRows};
    const int64_t left = smaller(p_.n, panel1 * kPanelRows) - c.first;
    const int64_t vectors = ceil_div(left, kLanes);
    c.vectors = one_row_ && vectors >= kRowVectors ? kRowVectors : kDenseVectors >= 2 && vectors >= 2 ? 2 : 1;
    c.panels = ceil_div(c.vectors, kPanelVectors);
    c.count = smaller(left, c.vectors * kLanes);
    return c;
  }

  template <Word kWord>
  void tiles(const Columns& columns, int64_t block, int64_t next) const {
    constexpr int64_t kMost = kRowVectors * kLanes > kDenseRows * kDenseVectors * kLanes
                                  ? kRowVectors * kLanes
                                  : kDenseRows * kDenseVectors * kLanes;
    alignas(64) float local[kMost];
    alignas(64) float start[kRowVectors * kLanes];
    // A ragged tile is made beside c, all blocks of k at once: c has no room for its last columns.
    const bool ragged = columns.count < columns.vectors * kLanes, last = block + 1 == blocks_.count();
    if (ragged && !last) return;
    TileCall t;
    t.lda = p_.lda;
    t.panel_stride = k_ * kPanelRows;
    if (p_.bias != nullptr) {
      t.start = p_.bias + columns.first;
      if (ragged) {
        memset(start, 0, sizeof start);
        memcpy(start, t.start, static_cast<size_t>(columns.count) * sizeof(float));
        t.start = start;
      }
    }
    const float* panel = p_.panels + columns.panel * kPanelRows * k_;
    const Blocks::Block part = blocks_[block];
    // The next panel comes into the cache a little with every tile of this one; a single tile fetches its own.
    const bool alone = tiles_ == 1;
    const int64_t words = part.runs.planes * part.runs.runs * part.runs.run;
    const int64_t step = columns.panels * kPanelRows * static_cast<int64_t>(sizeof(float)) / larger(1, tiles_);
    const char* ahead = alone       ? reinterpret_cast<const char*>(panel + part.word * kPanelRows) + kAheadBytes
                        : next >= 0 ? reinterpret_cast<const char*>(p_.panels + next)
                                    : nullptr;
    for (int64_t line = 0; line < p_.lines; ++line) {
      const float* a = p_.a + line / p_.lines_per_image * p_.image_stride + line % p_.lines_per_image * p_.line_stride;
      const int64_t count = ceil_div(p_.width, tile_rows_);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = p_.width * i / count, rows = p_.width * (i + 1) / count - row;
        const int64_t c_row = line * p_.line_rows + row;
        float* c = p_.c + c_row * p_.ldc + columns.first;
        const Tile tile = tile_of<kWord>(rows, columns.vectors);
        t.c = ragged ? local : c;
        t.ldc = ragged ? columns.vectors * kLanes : p_.ldc;
        t.ahead = ahead;
        t.ahead_step = ahead != nullptr ? step : 0;
        for (int64_t b = ragged ? 0 : block; b <= block; ++b) {
          const Blocks::Block now = b == block ? part : blocks_[b];
          t.a = a + row * p_.lda + now.a;
          t.runs = now.runs;
          t.panel = panel + now.word * kPanelRows;
          t.fresh = b == 0;
          tile(t);
        }
        if (ahead != nullptr) ahead += words * step;
        if (!last) continue;
        if (ragged)
          for (int64_t m = 0; m < rows; ++m)
            each_vector(columns.count,
                        [&](int64_t j, int n) { store_some(c + m * p_.ldc + j, load(local + m * t.ldc + j), n); });
        apply_program(*p_.program, c, p_.ldc, p_.program_row + c_row, rows, p_.program_column + columns.first,
                      columns.count);
      }
    }
  }

  const Product& p_;
  int64_t tile_rows_, tiles_;
  bool one_row_;
  int64_t k_;
  Blocks blocks_;
};

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_product)(const void* product, int64_t panel0, int64_t panel1) {
  using namespace hearth::ops::cpu;
  const Product& p = *static_cast<const Product*>(product);
  const Walk walk(p);
  if (p.factors == Factors::F32) return walk.run<Word::Float>(panel0, panel1);
  if constexpr (kLanes == 16)
    if (has_bf16_dot()) return walk.run<Word::Dot>(panel0, panel1);
  walk.run<Word::Pair>(panel0, panel1);
}
