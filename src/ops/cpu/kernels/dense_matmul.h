// Matrix products: rows of a in blocks that stay in the second-level cache, each over all panels of b.
#pragma once

#include "ops/cpu/kernels/dense_walk.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kRowBlock = 16 * kDenseRows;
// Of a block's rows rounded to pairs, a thread's own: what it reads comes out of its second-level cache.
constexpr int64_t kRoundedBytes = 384 << 10;

// From one rounded row to the next. Rows a power of two apart would share few sets of the first-level cache.
inline int64_t rounded_stride(int64_t words) {
  return words % 256 == 0 ? words + 16 : words;
}
inline int64_t block_rows(const MatmulJob& job) {
  if (job.factors == Factors::F32) return kRowBlock;
  const int64_t row = larger(1, rounded_stride(words_of(job.k, job.factors))) * 4;
  return smaller(kRowBlock, larger(4 * kDenseRows, kRoundedBytes / row));
}
inline size_t rounded_bytes(const MatmulJob& job) {  // of one thread
  if (job.factors == Factors::F32) return 0;
  const int64_t rows = smaller(job.m, block_rows(job));
  return static_cast<size_t>(rows * rounded_stride(words_of(job.k, job.factors)) * 4 + 63) / 64 * 64;
}

// Rows [row0, row1) times panels [panel0, panel1). rounded: of rounded_bytes. Threads that share rows round them each.
inline void multiply_share(Product p, const MatmulJob& job, float* rounded, int64_t row0, int64_t row1, int64_t panel0,
                           int64_t panel1) {
  const int64_t blocks = ceil_div(row1 - row0, block_rows(job));
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = row0 + (row1 - row0) * i / blocks, end = row0 + (row1 - row0) * (i + 1) / blocks;
    p.a = job.a + begin * job.lda;
    p.lda = job.lda;
    if (job.factors == Factors::BF16) {
      p.lda = rounded_stride(p.runs.run);
      round_rows(p.a, job.lda, end - begin, job.k, rounded, p.lda);
      p.a = rounded;
    }
    p.c = job.c + begin * job.ldc;
    p.width = end - begin;
    p.program_row = begin;
    HEARTH_CPU_ENTRY(dense_product)(&p, panel0, panel1);
  }
}

inline void multiply(const MatmulJob& job, void* scratch, ThreadPool* pool) {
  const int64_t words = words_of(job.k, job.factors);
  const double work = static_cast<double>(job.m) * static_cast<double>(job.n) * static_cast<double>(job.k);
  ThreadPool* team = work < kSmallProduct ? nullptr : pool;
  Product p;
  p.runs.run = words;
  p.factors = job.factors;
  p.panels = static_cast<const float*>(job.b);
  p.n = job.n;
  p.bias = job.bias;
  p.ldc = job.ldc;
  p.program = &job.program;
  const int64_t panels = panels_of(job.n);
  const Grid grid = cheapest_grid(team_size(team), job.m, 1, panels, words);
  const size_t each = rounded_bytes(job);
  run_team(team, [&](int part, int) {
    const int64_t r = part / grid.columns, c = part % grid.columns;
    if (r >= grid.rows) return;
    const int rows = static_cast<int>(grid.rows), columns = static_cast<int>(grid.columns);
    auto* rounded = reinterpret_cast<float*>(static_cast<char*>(scratch) + static_cast<size_t>(part) * each);
    multiply_share(p, job, rounded, share(job.m, static_cast<int>(r), rows),
                   share(job.m, static_cast<int>(r) + 1, rows), share(panels, static_cast<int>(c), columns),
                   share(panels, static_cast<int>(c) + 1, columns));
  });
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" {

size_t HEARTH_CPU_ENTRY(dense_packed_matrix_bytes)(int64_t k, int64_t n, hearth::ops::cpu::Factors factors) {
  using namespace hearth::ops::cpu;
  return panel_bytes(words_of(k, factors), n);
}

void HEARTH_CPU_ENTRY(dense_pack_matrix)(const float* b, int64_t row_stride, int64_t column_stride, int64_t k,
                                         int64_t n, const float* scale, hearth::ops::cpu::Factors factors,
                                         void* packed) {
  using namespace hearth::ops::cpu;
  pack_panels({.at = b,
               .columns = n,
               .column_stride = column_stride,
               .channels = k,
               .channel_stride = row_stride,
               .scale = scale},
              factors, packed);
}

size_t HEARTH_CPU_ENTRY(dense_matmul_scratch)(const hearth::ops::cpu::MatmulJob& job, int threads) {
  return hearth::ops::cpu::rounded_bytes(job) * static_cast<size_t>(threads);
}

void HEARTH_CPU_ENTRY(dense_matmul)(const hearth::ops::cpu::MatmulJob& job, void* scratch,
                                    hearth::ops::cpu::ThreadPool* pool) {
  if (job.m > 0 && job.n > 0) hearth::ops::cpu::multiply(job, scratch, pool);
}

}  // extern "C"
