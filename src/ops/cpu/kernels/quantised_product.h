// Products of bytes with packed weights, exact in int32: what matrices and convolutions share. A word holds
// kWordFactors neighbouring k: where the processor multiplies bytes (AVX-512 VNNI) four of them, unsigned on the left,
// so that int8 gets 128 added there; elsewhere two numbers of 16 bits.
//
// Packed: for every panel of kSumColumns columns its sums of weights, then all panels: for each word of k the words of
// the panel's columns.
#pragma once

#include <type_traits>
#include <utility>

#include "ops/cpu/kernels/dense_product.h"
#include "ops/cpu/kernels/quantised_entries.h"
#include "ops/cpu/kernels/quantised_finish.h"

namespace hearth::ops::cpu {
namespace {

using ByteWord = int32_t;
constexpr bool kBytes = kWordFactors == 4;
using LeftFactor = std::conditional_t<kBytes, uint8_t, int16_t>;
using RightFactor = std::conditional_t<kBytes, int8_t, int16_t>;

constexpr double kSmallByteProduct = 4 * kSmallProduct;

inline int64_t byte_words(int64_t factors) {
  return ceil_div(factors, kWordFactors);
}
inline int64_t sum_panels(int64_t n) {
  return ceil_div(n, kSumColumns);
}
// The zero point of the left factors as words hold them.
inline int32_t word_zero(ByteType type, int32_t zero) {
  return kBytes && type == ByteType::I8 ? zero + 128 : zero;
}
inline size_t packed_words_bytes(int64_t words, int64_t n) {
  return static_cast<size_t>(sum_panels(n) * kSumColumns * (words + 1)) * sizeof(int32_t);
}

// Bytes and 16-bit numbers are written into words: not a plain load, which need not see them.
inline int32_t word_at(const ByteWord* p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

// ---- left factors

// `count` factors as words, the last one filled up with zeros.
inline void to_words(const uint8_t* from, ByteType type, int64_t count, ByteWord* to) {
  auto* factors = reinterpret_cast<LeftFactor*>(to);
  if constexpr (kBytes) {
    const uint8_t flip = type == ByteType::I8 ? 128 : 0;
    for (int64_t i = 0; i < count; ++i) factors[i] = static_cast<LeftFactor>(from[i] ^ flip);
  } else if (type == ByteType::I8) {
    for (int64_t i = 0; i < count; ++i) factors[i] = static_cast<int8_t>(from[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) factors[i] = from[i];
  }
  for (int64_t i = count; i % kWordFactors != 0; ++i) factors[i] = 0;
}
inline void fill_words(int32_t zero, int64_t count, ByteWord* to) {
  auto* factors = reinterpret_cast<LeftFactor*>(to);
  for (int64_t i = 0; i < count; ++i) factors[i] = static_cast<LeftFactor>(zero);
  for (int64_t i = count; i % kWordFactors != 0; ++i) factors[i] = 0;
}

// ---- packing

// Column j, tap t, channel i lies at at[j * column_stride + t * tap_stride + i * channel_stride].
struct BytePackSource {
  const int8_t* at = nullptr;
  int64_t columns = 0, column_stride = 0;
  int64_t taps = 1, tap_stride = 0;
  int64_t channels = 0, channel_stride = 0;
};

inline void pack_bytes(const BytePackSource& s, void* packed) {
  const int64_t panels = sum_panels(s.columns), words = byte_words(s.channels);
  auto* sums = static_cast<int32_t*>(packed);
  auto* out = reinterpret_cast<RightFactor*>(sums + panels * kSumColumns);
  memset(packed, 0, packed_words_bytes(s.taps * words, s.columns));
  for (int64_t column = 0; column < panels * kSumColumns; column += kSumColumns) {
    const int64_t n = smaller(kSumColumns, s.columns - column);
    for (int64_t tap = 0; tap < s.taps; ++tap)
      for (int64_t word = 0; word < words; ++word, out += kSumColumns * kWordFactors)
        for (int64_t f = 0; f < kWordFactors && word * kWordFactors + f < s.channels; ++f) {
          const int8_t* from =
              s.at + column * s.column_stride + tap * s.tap_stride + (word * kWordFactors + f) * s.channel_stride;
          for (int64_t j = 0; j < n; ++j) {
            const int8_t w = from[j * s.column_stride];
            out[j * kWordFactors + f] = w;
            sums[column + j] += w;
          }
        }
  }
}

// ---- the register tile

struct ByteTile {
  const ByteWord* a = nullptr;
  int64_t lda = 0;  // strides in words
  TileRuns runs;
  const ByteWord* panel = nullptr;
  int32_t* sums = nullptr;      // [M][kSumColumns]
  const char* ahead = nullptr;  // prefetched from here on, ahead_step bytes for each word of k
  int64_t ahead_step = 0;
};

template <int M, int V, bool kFlip>
__attribute__((noinline)) void byte_tile(const ByteTile& t) {
  constexpr int kBases = (M + 2) / 3;
  const int64_t lda = t.lda, run = t.runs.run;
  I sum[M][V];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sum[m][v] = izero();
  const ByteWord* a[kBases];  // three rows to a pointer, as in dense_tile.h
#pragma GCC unroll 8
  for (int i = 0; i < kBases; ++i) a[i] = t.a + 3 * i * lda;
  const ByteWord* panel = t.panel;
  const char* ahead = t.ahead;
  for (int64_t plane = 0; plane < t.runs.planes; ++plane) {
    for (int64_t r = 0; r < t.runs.runs; ++r) {
      for (int64_t k = 0; k < run; ++k, panel += kSumColumns) {
        if constexpr (M > 2) {
          prefetch(ahead);
          ahead += t.ahead_step;
        }
        I w[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) w[v] = load_codes(reinterpret_cast<const uint8_t*>(panel + v * kLanes));
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) {
          I x = iset(word_at(a[m / 3] + m % 3 * lda));
          if constexpr (kFlip) x = flip_signs(x);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) sum[m][v] = dot_words(sum[m][v], x, w[v]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < kBases; ++i) ++a[i];
      }
#pragma GCC unroll 8
      for (int i = 0; i < kBases; ++i) a[i] += t.runs.run_stride - run;
    }
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) a[i] += t.runs.plane_stride - t.runs.runs * t.runs.run_stride;
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store_ints(t.sums + m * kSumColumns + v * kLanes, sum[m][v]);
}

// The sum of the left factors of one row.
template <bool kFlip>
inline int32_t row_sum(const ByteWord* a, const TileRuns& runs) {
  const I ones = iset(kBytes ? 0x01010101 : 0x00010001);
  I sum = izero();
  for (int64_t plane = 0; plane < runs.planes; ++plane)
    for (int64_t r = 0; r < runs.runs; ++r) {
      const ByteWord* at = a + plane * runs.plane_stride + r * runs.run_stride;
      for (int64_t k = 0; k < runs.run; k += kLanes) {
        const auto n = static_cast<int>(smaller(kLanes, runs.run - k));
        int32_t words[kLanes] = {};
        memcpy(words, at + k, static_cast<size_t>(n) * sizeof(int32_t));
        I x = load_ints(words);
        if constexpr (kFlip) {
          x = flip_signs(x);
          store_ints(words, x);
          x = load_ints(words, n);  // lanes beyond the run are zero again
        }
        sum = dot_words(sum, x, ones);
      }
    }
  int32_t lanes[kLanes];
  store_ints(lanes, sum);
  uint32_t all = 0;
  for (const int32_t lane : lanes) all += static_cast<uint32_t>(lane);
  return static_cast<int32_t>(all);
}

// ---- the walk

// Rows of a are `lines` of `width` rows lda apart; line l of an image begins at l * line_stride.
struct ByteProduct {
  const ByteWord* a = nullptr;
  int64_t lda = 0, line_stride = 0;
  int64_t lines_per_image = 1, image_stride = 0;
  int64_t lines = 1, width = 0;
  TileRuns runs;
  bool flip = false;  // the words hold int8
  const void* packed = nullptr;
  int64_t n = 0;      // columns of all panels
  int64_t count = 0;  // products in a sum
  int32_t zero = 0;   // word_zero
  const int32_t* b_zero = nullptr;
  const QuantisedFinish* finish = nullptr;
  int64_t row = 0, line_rows = 0, column = 0;  // the result's first row and column, and rows from line to line
};

using ByteTileFunction = void (*)(const ByteTile&);

template <int V, bool kFlip, int... kM>
inline ByteTileFunction byte_tile_of(int64_t rows, std::integer_sequence<int, kM...>) {
  static constexpr ByteTileFunction kTiles[] = {byte_tile<kM + 1, V, kFlip>...};
  return kTiles[rows - 1];
}
template <bool kFlip>
inline ByteTileFunction byte_tile_of(int64_t rows, int64_t columns) {
  constexpr std::make_integer_sequence<int, kSumRows> kRows{};
  if constexpr (kSumVectors > 1)
    if (columns > kLanes) return byte_tile_of<kSumVectors, kFlip>(rows, kRows);
  return byte_tile_of<1, kFlip>(rows, kRows);
}

template <bool kFlip>
inline void walk_panels(const ByteProduct& p, int64_t panel0, int64_t panel1) {
  const int64_t words = p.runs.planes * p.runs.runs * p.runs.run;
  const auto* weight_sums = static_cast<const int32_t*>(p.packed);
  const auto* panels = static_cast<const ByteWord*>(p.packed) + sum_panels(p.n) * kSumColumns;
  const int64_t tiles = ceil_div(p.width, kSumRows);
  const TileFinish finish(*p.finish);
  alignas(64) int32_t sums[kSumRows * kSumColumns];
  int32_t row_sums[kSumRows];
  for (int64_t panel = panel0; panel < panel1; ++panel) {
    ByteTile t{.lda = p.lda, .runs = p.runs, .panel = panels + panel * words * kSumColumns, .sums = sums};
    SumTile s{.sums = sums,
              .column = p.column + panel * kSumColumns,
              .columns = smaller(kSumColumns, p.n - panel * kSumColumns),
              .weight_sums = weight_sums + panel * kSumColumns,
              .zero = p.zero,
              .row_sums = row_sums,
              .b_zero = p.b_zero != nullptr ? p.b_zero + p.column + panel * kSumColumns : nullptr,
              .count = p.count};
    // The next panel comes into the cache a little with every tile of this one.
    const bool last = panel + 1 == panel1;
    t.ahead = reinterpret_cast<const char*>(t.panel + (last ? 0 : words * kSumColumns));
    t.ahead_step = last ? 0 : ceil_div(kSumColumns * static_cast<int64_t>(sizeof(ByteWord)), p.lines * tiles);
    for (int64_t line = 0; line < p.lines; ++line)
      for (int64_t i = 0; i < tiles; ++i) {
        const int64_t row = p.width * i / tiles;
        s.rows = p.width * (i + 1) / tiles - row;
        s.row = p.row + line * p.line_rows + row;
        t.a = p.a + line / p.lines_per_image * p.image_stride + line % p.lines_per_image * p.line_stride + row * p.lda;
        if (p.b_zero != nullptr)
          for (int64_t m = 0; m < s.rows; ++m) row_sums[m] = row_sum<kFlip>(t.a + m * p.lda, p.runs);
        finish.fetch(s);
        byte_tile_of<kFlip>(s.rows, s.columns)(t);
        t.ahead += words * t.ahead_step;
        finish.finish(s);
      }
  }
}

inline void byte_product(const ByteProduct& p, int64_t panel0, int64_t panel1) {
  if constexpr (kBytes)
    if (p.flip) return walk_panels<true>(p, panel0, panel1);
  walk_panels<false>(p, panel0, panel1);
}

// ---- matrices

constexpr int64_t kByteBlock = 256 << 10;  // bytes of rows of a that all panels read before the next ones

// Whether the rows are words as they lie there.
inline bool rows_are_words(const QuantisedMatmulJob& job) {
  return kBytes && job.k % kWordFactors == 0 && job.lda % kWordFactors == 0 &&
         reinterpret_cast<uintptr_t>(job.a) % sizeof(ByteWord) == 0;
}

inline size_t byte_matmul_scratch(const QuantisedMatmulJob& job) {
  return rows_are_words(job) ? 0 : static_cast<size_t>(job.m * byte_words(job.k)) * sizeof(ByteWord);
}

inline void byte_matmul(const QuantisedMatmulJob& job, void* scratch, ThreadPool* pool) {
  const int64_t words = byte_words(job.k), panels = sum_panels(job.n);
  const double work = static_cast<double>(job.m) * static_cast<double>(job.n) * static_cast<double>(job.k);
  ThreadPool* team = work < kSmallByteProduct ? nullptr : pool;
  ByteProduct p;
  p.runs.run = words;
  p.packed = job.b;
  p.n = job.n;
  p.count = job.k;
  p.zero = word_zero(job.a_type, job.a_zero);
  p.b_zero = job.b_zero;
  p.finish = &job.finish;
  if (rows_are_words(job)) {
    p.a = static_cast<const ByteWord*>(job.a);
    p.lda = job.lda / kWordFactors;
    p.flip = job.a_type == ByteType::I8;
  } else {
    auto* to = static_cast<ByteWord*>(scratch);
    run_team(team, [&](int part, int parts) {
      for (int64_t i = share(job.m, part, parts), end = share(job.m, part + 1, parts); i < end; ++i)
        to_words(static_cast<const uint8_t*>(job.a) + i * job.lda, job.a_type, job.k, to + i * words);
    });
    p.a = to;
    p.lda = words;
  }
  const Grid grid = cheapest_grid(team_size(team), job.m, 1, panels, words);
  run_team(team, [&](int part, int) {
    const int64_t r = part / grid.columns, c = part % grid.columns;
    if (r >= grid.rows) return;
    const int64_t begin = job.m * r / grid.rows, rows = job.m * (r + 1) / grid.rows - begin;
    const int64_t blocks = ceil_div(rows * words * static_cast<int64_t>(sizeof(ByteWord)), kByteBlock);
    for (int64_t i = 0; i < blocks; ++i) {
      ByteProduct block = p;
      block.row = begin + rows * i / blocks;
      block.width = begin + rows * (i + 1) / blocks - block.row;
      if (block.width == 0) continue;
      block.a = p.a + block.row * p.lda;
      byte_product(block, panels * c / grid.columns, panels * (c + 1) / grid.columns);
    }
  });
}

}  // namespace
}  // namespace hearth::ops::cpu
