// What matrix products and convolutions share: panels (dense_pack.h), and the walk over blocks of k, panels and row
// tiles of one thread's share.
#pragma once

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/kernels/dense_pack.h"
#include "ops/cpu/kernels/dense_tile.h"

namespace hearth::ops::cpu {
namespace {

// Rows of a are `lines` of rows `lda` apart; line l of an image begins at l * line_stride. Rows of c and of the program
// likewise.
struct Product {
  const float* a = nullptr;
  int64_t lda = 0, line_stride = 0;
  int64_t lines_per_image = 1, image_stride = 0;
  int64_t lines = 1, width = 0;
  TileRuns runs;
  Factors factors = Factors::F32;
  const float* panels = nullptr;
  const float* next = nullptr;  // what will be read after these panels, as long as one; nullptr: not known
  int64_t n = 0;                // columns of all panels
  const float* bias = nullptr;  // [n] or nullptr
  float* c = nullptr;
  int64_t ldc = 0;
  int64_t line_rows = 0;  // rows of c from one line to the next
  const PointwiseProgram* program = nullptr;
  int64_t program_row = 0, program_column = 0;  // of c's first element
};

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
inline int64_t panels_of(int64_t n) {
  return ceil_div(n, kPanelRows);
}
inline size_t panel_bytes(int64_t k_words, int64_t n) {
  return static_cast<size_t>(panels_of(n) * kPanelRows * k_words) * 4;
}

}  // namespace
}  // namespace hearth::ops::cpu

// Runs panels [panel0, panel1) of a Product on the calling thread. In one object, because there are many tiles; void*,
// because the vector headers give every object types of its own.
extern "C" void HEARTH_CPU_ENTRY(dense_product)(const void* product, int64_t panel0, int64_t panel1);

namespace hearth::ops::cpu {
namespace {

// n floats as words of pairs, the last one filled up with zero.
inline void round_to_pairs(const float* from, int64_t n, float* words, bool own) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes)
    store(words + i / 2, brain_pairs(load(from + i), load(from + i + kLanes), own));
  if (i == n) return;
  const int low = static_cast<int>(smaller(kLanes, n - i)), high = static_cast<int>(n - i) - low;
  store(words + i / 2, brain_pairs(load(from + i, low), high > 0 ? load(from + i + kLanes, high) : fzero(), own),
        (low + high + 1) / 2);
}

// Rows of n floats, `stride` apart, as rows of words; to_stride >= words_of(n, BF16).
inline void round_rows(const float* from, int64_t stride, int64_t rows, int64_t n, float* to, int64_t to_stride) {
  if (stride == n && to_stride * 2 == n) {  // one long row
    n *= rows;
    rows = 1;
  }
  const bool own = has_bf16_dot();
  for (; rows > 0; --rows, from += stride, to += to_stride) round_to_pairs(from, n, to, own);
}

// ---- threads

// How a product is cut for threads: `rows` shares of its rows by `columns` shares of its panels.
struct Grid {
  int64_t rows = 1, columns = 1;
  double cost = 0;
};

// The cheapest cut of `units` of `unit_rows` rows by `panels`, in about cycles: multiplying, and reading both factors.
// Who shares rows reads what another core has just written, and so will who reads the result: that costs more than
// weights which every core keeps.
inline Grid cheapest_grid(int threads, int64_t units, int64_t unit_rows, int64_t panels, int64_t k_words) {
  constexpr double kRemote = 2;  // cycles a word of a row
  Grid best;
  for (int64_t rows = 1; rows <= threads && rows <= units; ++rows) {
    const int64_t columns = larger(1, smaller(threads / rows, panels));
    const double share_rows = static_cast<double>(ceil_div(units, rows) * unit_rows);
    const double share_panels = static_cast<double>(ceil_div(panels, columns));
    const double remote = share_rows * kRemote * static_cast<double>(columns - 1) / static_cast<double>(columns);
    const double cost = static_cast<double>(k_words) * (share_rows * share_panels * kPanelVectors + share_rows / 8 +
                                                        share_panels * kPanelRows / 2 + remote);
    if (rows == 1 || cost < best.cost) best = {.rows = rows, .columns = columns, .cost = cost};
  }
  return best;
}

// Below this many multiply-adds of one number waking the other threads costs more than they save.
constexpr double kSmallProduct = 100000;

template <class Function>
inline void run_team(ThreadPool* pool, const Function& fn) {
  team_run(
      pool, [](void* context, int part, int parts) { (*static_cast<const Function*>(context))(part, parts); },
      const_cast<Function*>(&fn));
}

}  // namespace
}  // namespace hearth::ops::cpu
