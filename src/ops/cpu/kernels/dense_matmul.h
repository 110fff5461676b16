// Matrix products: rows of a in blocks that stay in the second-level cache, each over all panels of b.
#pragma once

#include "ops/cpu/kernels/dense_walk.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kRowBlock = 16 * kDenseRows;

inline void multiply_share(Product p, int64_t row0, int64_t row1, int64_t panel0, int64_t panel1) {
  const int64_t blocks = ceil_div(row1 - row0, kRowBlock);
  const float* a = p.a;
  float* c = p.c;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = row0 + (row1 - row0) * i / blocks, end = row0 + (row1 - row0) * (i + 1) / blocks;
    p.a = a + begin * p.lda;
    p.c = c + begin * p.ldc;
    p.width = end - begin;
    p.program_row = begin;
    HEARTH_CPU_ENTRY(dense_product)(&p, panel0, panel1);
  }
}

// a rounded to pairs, all of it before the product: every thread may need every row.
inline void round_rows(const MatmulJob& job, int64_t words, float* to, ThreadPool* pool) {
  run_team(pool, [&](int part, int parts) {
    for (int64_t i = share(job.m, part, parts), end = share(job.m, part + 1, parts); i < end; ++i)
      round_to_pairs(job.a + i * job.lda, job.k, to + i * words);
  });
}

inline void multiply(const MatmulJob& job, void* scratch, ThreadPool* pool) {
  const int64_t words = words_of(job.k, job.factors);
  const double work = static_cast<double>(job.m) * static_cast<double>(job.n) * static_cast<double>(job.k);
  ThreadPool* team = work < kSmallProduct ? nullptr : pool;
  Product p;
  p.a = job.a;
  p.lda = job.lda;
  if (job.factors == Factors::BF16) {
    round_rows(job, words, static_cast<float*>(scratch), team);
    p.a = static_cast<const float*>(scratch);
    p.lda = words;
  }
  p.runs.run = words;
  p.factors = job.factors;
  p.panels = static_cast<const float*>(job.b);
  p.n = job.n;
  p.bias = job.bias;
  p.c = job.c;
  p.ldc = job.ldc;
  p.program = &job.program;
  const int64_t panels = panels_of(job.n);
  const Grid grid = cheapest_grid(team_size(team), job.m, 1, panels, words);
  run_team(team, [&](int part, int) {
    const int64_t r = part / grid.columns, c = part % grid.columns;
    if (r >= grid.rows) return;
    const int rows = static_cast<int>(grid.rows), columns = static_cast<int>(grid.columns);
    multiply_share(p, share(job.m, static_cast<int>(r), rows), share(job.m, static_cast<int>(r) + 1, rows),
                   share(panels, static_cast<int>(c), columns), share(panels, static_cast<int>(c) + 1, columns));
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

size_t HEARTH_CPU_ENTRY(dense_matmul_scratch)(const hearth::ops::cpu::MatmulJob& job, int) {
  using namespace hearth::ops::cpu;
  return job.factors == Factors::BF16 ? static_cast<size_t>(job.m * words_of(job.k, job.factors)) * 4 : 0;
}

void HEARTH_CPU_ENTRY(dense_matmul)(const hearth::ops::cpu::MatmulJob& job, void* scratch,
                                    hearth::ops::cpu::ThreadPool* pool) {
  if (job.m > 0 && job.n > 0) hearth::ops::cpu::multiply(job, scratch, pool);
}

}  // extern "C"
