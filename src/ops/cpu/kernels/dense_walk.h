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
constexpr int64_t kNearWords = 64 << 10;  // of panels that stay in the second-level cache whatever streams by
constexpr int64_t kAheadBytes = 8192;     // that a single tile prefetches in front of what it reads

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

// The columns that one tile computes at once: whole panels, or the used half of the last one. Ragged ones do not fill
// their vectors.
struct Columns {
  int64_t panel = 0, panels = 1, vectors = 1, first = 0, count = 0;
  bool ragged = false;
  const float* start = nullptr;
};

class Walk {
 public:
  explicit Walk(const Product& p)
      : p_(p),
        tile_rows_(p.lda % kSetWords == 0 ? smaller(kDenseRows, kSetRows) : kDenseRows),
        line_tiles_(ceil_div(p.width, tile_rows_)),
        one_row_(p.lines * p.width == 1),
        alone_(p.lines * line_tiles_ == 1),
        k_(p.runs.planes * p.runs.runs * p.runs.run),
        blocks_(p.runs, one_row_ ? larger(1, k_)
                        : alone_ ? kLongBlockWords
                                 : kBlockWords) {
    fold_program();
  }

  template <Word kWord>
  void run(int64_t panel0, int64_t panel1) {
    if (blocks_.count() == 1 && !alone_ && p_.next == nullptr && (panel1 - panel0) * kPanelRows * k_ <= kNearWords)
      by_rows<kWord>(panel0, panel1);
    else
      by_panels<kWord>(panel0, panel1);
  }

 private:
  // The panels stay near the core: row tiles one after the other, so that c is written in its own order.
  template <Word kWord>
  void by_rows(int64_t panel0, int64_t panel1) {
    for (int64_t line = 0; line < p_.lines; ++line)
      for (int64_t i = 0; i < line_tiles_; ++i)
        for (int64_t panel = panel0; panel < panel1;) {
          const Columns columns = columns_at(panel, panel1);
          panel += columns.panels;
          tile<kWord>(columns, 0, line, i, nullptr, 0);
        }
  }

  template <Word kWord>
  void by_panels(int64_t panel0, int64_t panel1) {
    const int64_t tiles = p_.lines * line_tiles_;
    for (int64_t block = 0; block < blocks_.count(); ++block)
      for (int64_t panel = panel0; panel < panel1;) {
        const Columns columns = columns_at(panel, panel1);
        panel += columns.panels;
        if (columns.ragged && block + 1 < blocks_.count()) continue;
        // The next panel comes into the cache a little with every tile of this one; a single tile fetches its own.
        const char* ahead = nullptr;
        if (alone_)
          ahead = reinterpret_cast<const char*>(panel_at(columns.panel, block)) + kAheadBytes;
        else if (panel < panel1)
          ahead = reinterpret_cast<const char*>(panel_at(panel, block));
        else if (block + 1 < blocks_.count())
          ahead = reinterpret_cast<const char*>(panel_at(panel0, block + 1));
        else
          ahead = reinterpret_cast<const char*>(p_.next);
        const int64_t step = columns.panels * kPanelRows * static_cast<int64_t>(sizeof(float)) / larger(1, tiles);
        const TileRuns& runs = blocks_[block].runs;
        const int64_t bytes = runs.planes * runs.runs * runs.run * step;
        for (int64_t line = 0; line < p_.lines; ++line)
          for (int64_t i = 0; i < line_tiles_; ++i) {
            tile<kWord>(columns, block, line, i, ahead, step);
            if (ahead != nullptr) ahead += bytes;
          }
      }
  }

  const float* panel_at(int64_t panel, int64_t block) const {
    return p_.panels + (panel * k_ + blocks_[block].word) * kPanelRows;
  }

  Columns columns_at(int64_t panel, int64_t panel1) {
    Columns c{.panel = panel, .first = panel * kPanelRows};
    const int64_t left = smaller(p_.n, panel1 * kPanelRows) - c.first;
    const int64_t vectors = ceil_div(left, kLanes);
    c.vectors = one_row_ && vectors >= kRowVectors ? kRowVectors : kDenseVectors >= 2 && vectors >= 2 ? 2 : 1;
    c.panels = ceil_div(c.vectors, kPanelVectors);
    c.count = smaller(left, c.vectors * kLanes);
    c.ragged = c.count < c.vectors * kLanes;
    if (p_.bias == nullptr) return c;
    c.start = p_.bias + c.first;
    if (c.ragged) {
      memset(start_, 0, sizeof start_);
      memcpy(start_, c.start, static_cast<size_t>(c.count) * sizeof(float));
      c.start = start_;
    }
    return c;
  }

  // The first steps of the program that a tile can do before it stores: adding a matrix, then a clamp or slopes.
  void fold_program() {
    const PointwiseProgram& program = *p_.program;
    size_t folded = 0;
    const auto step = [&](Pointwise op) { return folded < program.steps.size() && program.steps[folded].op == op; };
    const auto spread = [&] { return program.operands[static_cast<size_t>(program.steps[folded].operand)].spread; };
    if (step(Pointwise::Add) && spread() == Spread::Full)
      added_ = &program.operands[static_cast<size_t>(program.steps[folded++].operand)];
    if (step(Pointwise::Relu)) {
      finish_ = Finish::Clamp;
      high_ = __builtin_inff();
      ++folded;
    } else if (step(Pointwise::Clip)) {
      finish_ = Finish::Clamp;
      low_ = program.steps[folded].a;
      high_ = program.steps[folded++].b;
    } else if (step(Pointwise::Prelu) && spread() == Spread::Column) {
      finish_ = Finish::Prelu;
      slope_ = program.operands[static_cast<size_t>(program.steps[folded++].operand)].data + p_.program_column;
    }
    rest_ = {program.steps.subspan(folded), program.operands};
  }

  template <Word kWord>
  void tile(const Columns& columns, int64_t block, int64_t line, int64_t i, const char* ahead, int64_t step) {
    const int64_t row = p_.width * i / line_tiles_, rows = p_.width * (i + 1) / line_tiles_ - row;
    const int64_t c_row = line * p_.line_rows + row, program_row = p_.program_row + c_row;
    const bool last = block + 1 == blocks_.count();
    float* c = p_.c + c_row * p_.ldc + columns.first;
    const float* a =
        p_.a + line / p_.lines_per_image * p_.image_stride + line % p_.lines_per_image * p_.line_stride + row * p_.lda;
    const Tile make = tile_of<kWord>(rows, columns.vectors);
    TileCall t;
    t.lda = p_.lda;
    t.panel_stride = k_ * kPanelRows;
    t.start = columns.start;
    t.ahead = ahead;
    t.ahead_step = step;
    if (columns.ragged) {
      // Made beside c, which has no room for the last columns: all blocks of k at once.
      t.c = local_;
      t.ldc = columns.vectors * kLanes;
      for (int64_t b = 0; b <= block; ++b) part(t, make, a, columns.panel, b);
      for (int64_t m = 0; m < rows; ++m)
        each_vector(columns.count,
                    [&](int64_t j, int n) { store_some(c + m * p_.ldc + j, load(local_ + m * t.ldc + j), n); });
      apply_program(*p_.program, c, p_.ldc, program_row, rows, p_.program_column + columns.first, columns.count);
      return;
    }
    t.c = c;
    t.ldc = p_.ldc;
    bool folds = last;
    if (last && added_ != nullptr) {
      const int64_t added_row = added_->period > program_row ? program_row : program_row % added_->period;
      folds = added_row + rows <= added_->period;
      t.added = added_->data + added_row * added_->row_stride + p_.program_column + columns.first;
      t.ldadded = added_->row_stride;
    }
    if (folds) {
      t.finish = finish_;
      t.low = low_;
      t.high = high_;
      t.slope = slope_ != nullptr ? slope_ + columns.first : nullptr;
    } else {
      t.added = nullptr;
    }
    part(t, make, a, columns.panel, block);
    if (last)
      apply_program(folds ? rest_ : *p_.program, c, p_.ldc, program_row, rows, p_.program_column + columns.first,
                    columns.count);
  }

  void part(TileCall& t, Tile make, const float* a, int64_t panel, int64_t block) const {
    const Blocks::Block now = blocks_[block];
    t.a = a + now.a;
    t.runs = now.runs;
    t.panel = p_.panels + (panel * k_ + now.word) * kPanelRows;
    t.fresh = block == 0;
    make(t);
  }

  static constexpr int64_t kLocal = kDenseRows * kDenseVectors > kRowVectors ? kDenseRows* kDenseVectors : kRowVectors;

  const Product& p_;
  int64_t tile_rows_, line_tiles_;
  bool one_row_, alone_;
  int64_t k_;
  Blocks blocks_;
  const Operand* added_ = nullptr;
  Finish finish_ = Finish::None;
  float low_ = 0, high_ = 0;
  const float* slope_ = nullptr;  // of column 0
  PointwiseProgram rest_;
  alignas(64) float start_[kRowVectors * kLanes];
  alignas(64) float local_[kLocal * kLanes];
};

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_product)(const void* product, int64_t panel0, int64_t panel1) {
  using namespace hearth::ops::cpu;
  const Product& p = *static_cast<const Product*>(product);
  Walk walk(p);
  if (p.factors == Factors::F32) return walk.run<Word::Float>(panel0, panel1);
  if constexpr (kLanes == 16)
    if (has_bf16_dot()) return walk.run<Word::Dot>(panel0, panel1);
  walk.run<Word::Pair>(panel0, panel1);
}
