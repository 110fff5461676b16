// Attention over dense tensors. A unit is a batch and a head of k and v, with the rows of all heads of q that read it;
// its rows are cut in chunks, each for one thread. A chunk goes through the keys in blocks, so that scratch depends on
// neither keys nor queries: scores of a few rows at a time against the block's packed keys, softmax with the running
// maximum and sum of each row, products with the block's packed values added to the row's results, which are divided by
// the sum at the end. What a row becomes does not depend on how rows are cut.
#pragma once

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/kernels/dense_product.h"
#include "ops/cpu/kernels/dense_wide_tile.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kScoredRows = 24;  // whose scores of a block of keys stay in the first-level cache
constexpr int64_t kChunkRows = 384;
constexpr int64_t kPackedKeys = 32768;  // numbers of a block's k, and of its v
constexpr int64_t kMaxKeys = 256;

struct AttentionPlan {
  int threads = 1;
  Word word = Word::Float;                  // of both products
  int64_t head_words = 0;                   // k of the first product
  int64_t rows = 0, units = 0, chunks = 0;  // rows and chunks of a unit
  int64_t block = 0, blocks = 0;            // keys in a block
  int64_t key_panels = 0, value_panels = 0;
  int64_t q_row = 0, score_row = 0, result_row = 0;
  // Where each of a thread's areas starts, in floats.
  int64_t q = 0, scores = 0, keys = 0, values = 0, results = 0, most = 0, sums = 0, floats = 0;
};

inline int64_t whole_lines(int64_t floats) {
  return (floats + 15) / 16 * 16;
}

inline AttentionPlan attention_plan(const AttentionJob& job, int threads) {
  AttentionPlan p;
  const int64_t widest = larger(1, larger(job.head_size, job.value_size));
  if (job.factors == Factors::BF16) p.word = kLanes == 16 && has_bf16_dot() ? Word::Dot : Word::Pair;
  p.head_words = words_of(job.head_size, job.factors);
  p.units = job.batch * job.kv_heads;
  p.rows = job.kv_heads == 0 ? 0 : job.heads / job.kv_heads * job.queries;
  const double work =
      static_cast<double>(p.units * p.rows) * static_cast<double>(job.keys) * static_cast<double>(widest);
  p.threads = work < 50000 ? 1 : threads;  // else not worth a fork
  const int64_t whole_chunks = (p.rows + kChunkRows - 1) / kChunkRows;
  const int64_t most = larger(1, p.rows / kScoredRows / larger(1, whole_chunks));
  p.chunks = whole_chunks == 0 ? 0 : whole_chunks * pieces_of_unit(p.units * whole_chunks, most, p.threads);
  const int64_t fit = larger(32, smaller(kMaxKeys, kPackedKeys / widest)) / 32 * 32;
  p.blocks = (job.keys + fit - 1) / fit;
  p.block = smaller(fit, wide_panels(job.keys) * kWideColumns);
  p.key_panels = p.block / kWideColumns;
  p.value_panels = wide_panels(job.value_size);
  // Odd numbers of lines: rows a power of two apart would share few sets of the cache.
  p.q_row = whole_lines(p.head_words) | 16;
  p.score_row = whole_lines(p.block) | 16;
  p.result_row = whole_lines(p.value_panels * kWideColumns) | 16;
  const int64_t chunk_rows = p.chunks == 0 ? 0 : (p.rows + p.chunks - 1) / p.chunks;
  p.scores = p.q + kScoredRows * p.q_row;
  p.keys = p.scores + kScoredRows * p.score_row;
  p.values = p.keys + whole_lines(p.block * p.head_words);
  p.results = p.values + whole_lines(p.value_panels * kWideColumns * words_of(p.block, job.factors));
  p.most = p.results + chunk_rows * p.result_row;
  p.sums = p.most + whole_lines(chunk_rows);
  p.floats = p.sums + whole_lines(chunk_rows);
  return p;
}

// k[keys, size] to panels [size][kWideColumns] of kWideColumns keys; keys beyond `keys` are zero.
inline void pack_keys(const float* k, int64_t stride, int64_t keys, int64_t size, float* packed) {
  for (int64_t first_key = 0; first_key < keys; first_key += kWideColumns)
    for (int64_t lane = 0; lane < kWideColumns; lane += kLanes) {
      float* to = packed + first_key * size + lane;
      const int64_t key = first_key + lane;
      for (int64_t j = 0; j < size; j += kLanes) {
        const int n = static_cast<int>(smaller(kLanes, size - j));
        F square[kLanes];
#pragma GCC unroll 16
        for (int r = 0; r < kLanes; ++r)
          square[r] = key + r < keys ? load_some(k + (key + r) * stride + j, n) : fzero();
        transpose_square(square);
#pragma GCC unroll 16
        for (int r = 0; r < kLanes; ++r)
          if (r < n) store(to + (j + r) * kWideColumns, square[r]);
      }
    }
}

// v[keys, size] to panels of kWideColumns columns, [keys][kWideColumns] each, `panel` apart; columns beyond are zero.
inline void pack_values(const float* v, int64_t stride, int64_t keys, int64_t size, int64_t panel, float* packed) {
  for (int64_t column = 0; column < size; column += kWideColumns, packed += panel)
    for (int64_t key = 0; key < keys; ++key)
      for (int64_t lane = 0; lane < kWideColumns; lane += kLanes) {
        const int64_t n = smaller(kLanes, size - column - lane);
        store(packed + key * kWideColumns + lane,
              n <= 0 ? fzero() : load_some(v + key * stride + column + lane, static_cast<int>(n)));
      }
}

// As pack_keys, to words of two of the `size` numbers each.
inline void pack_key_words(const float* k, int64_t stride, int64_t keys, int64_t size, float* packed, bool own) {
  const int64_t words = words_of(size, Factors::BF16);
  for (int64_t first_key = 0; first_key < keys; first_key += kWideColumns)
    for (int64_t lane = 0; lane < kWideColumns; lane += kLanes) {
      float* to = packed + first_key * words + lane;
      const int64_t key = first_key + lane;
      for (int64_t j = 0; j < words; j += kLanes) {
        const int n = static_cast<int>(smaller(kLanes, words - j));
        F square[kLanes];
        for (int r = 0; r < kLanes; ++r) {
          alignas(64) float row[kLanes] = {};
          if (key + r < keys)
            round_to_pairs(k + (key + r) * stride + 2 * j, smaller(2 * kLanes, size - 2 * j), row, own);
          square[r] = load(row);
        }
        transpose_square(square);
        for (int r = 0; r < n; ++r) store(to + (j + r) * kWideColumns, square[r]);
      }
    }
}

// As pack_values, to words of two keys each.
inline void pack_value_words(const float* v, int64_t stride, int64_t keys, int64_t size, int64_t panel, float* packed,
                             bool own) {
  for (int64_t column = 0; column < size; column += kWideColumns, packed += panel)
    for (int64_t key = 0; key < keys; key += 2)
      for (int64_t lane = 0; lane < kWideColumns; lane += kLanes) {
        const int n = static_cast<int>(smaller(kLanes, larger(0, size - column - lane)));
        const float* from = v + key * stride + column + lane;
        const F first = n == 0 ? fzero() : load_some(from, n);
        const F second = n == 0 || key + 1 == keys ? fzero() : load_some(from + stride, n);
        store(packed + key / 2 * kWideColumns + lane, brain_lanes(first, second, own));
      }
}

inline void attention_product(Word word, const float* a, int64_t lda, int64_t rows, int64_t k, const float* panel,
                              float* c, int64_t ldc, bool fresh) {
  if (word == Word::Float)
    wide_product(a, lda, rows, k, panel, c, ldc, fresh, nullptr);
  else if (word == Word::Dot)
    wide_product<kWideVectors, Word::Dot>(a, lda, rows, k, panel, c, ldc, fresh, nullptr);
  else
    wide_product<kWideVectors, Word::Pair>(a, lda, rows, k, panel, c, ldc, fresh, nullptr);
}

inline float exp_of(float x) {
  alignas(64) float lanes[kLanes];
  store(lanes, exp(fset(x)));
  return lanes[0];
}

// One row's scores of a block become e^(score * scale + mask - maximum); its running maximum and sum follow. When the
// maximum has risen, what the row has so far is scaled down. mask: at + key * mask_column, or nullptr.
inline void softmax_scores(float* scores, int64_t keys, float scale, const float* mask, int64_t mask_column, bool first,
                           float* most, float* sum, float* results, int64_t columns) {
  const F nothing = fset(-__builtin_inff()), scales = fset(scale);
  const F one_mask = mask != nullptr && mask_column == 0 ? fset(*mask) : fzero();
  F top = nothing;
  each_vector(keys, [&](int64_t i, int n) {
    F s = load(scores + i);  // rows are whole panels
    if (mask == nullptr)
      s = mul(s, scales);
    else
      s = fma(s, scales, mask_column == 0 ? one_mask : load_some(mask + i, n));
    if (n < kLanes) s = keep_range(s, 0, n, nothing);
    store(scores + i, s);
    top = max(top, s);
  });
  const float block_most = max_lanes(top), new_most = first || block_most > *most ? block_most : *most;
  // Where every key so far is hidden the maximum is -inf: with 0 in its place their weights are 0, and a later block
  // may still show some. If none does the sum stays 0 and 0 / 0 is the NaN that softmax gives.
  const float base = new_most == -__builtin_inff() ? 0.0f : new_most;
  F total = fzero();
  each_vector(keys, [&](int64_t i, int) {
    const F e = exp(sub(load(scores + i), fset(base)));
    store(scores + i, e);
    total = add(total, e);
  });
  if (first) {
    *sum = sum_lanes(total);
  } else {
    const float shrink = exp_of(*most - base);
    *sum = *sum * shrink + sum_lanes(total);
    if (shrink != 1.0f)
      each_vector(columns, [&](int64_t i, int) { store(results + i, mul(load(results + i), fset(shrink))); });
  }
  *most = new_most;
}

struct AttentionWork {
  const AttentionJob* job;
  const AttentionPlan* plan;
  float* scratch;
};

// Rows [from, to) of a unit, whose index is `unit`, with a thread's areas at `at`. packed: which block of which unit
// those of keys and values hold.
inline void attend_chunk(const AttentionWork& w, float* at, int64_t unit, int64_t from, int64_t to, int64_t* packed) {
  constexpr int W = kWideColumns;
  const AttentionJob& job = *w.job;
  const AttentionPlan& p = *w.plan;
  const int64_t batch = unit / job.kv_heads, kv_head = unit % job.kv_heads, group = job.heads / job.kv_heads;
  const auto head_of = [&](int64_t row) { return kv_head * group + row / job.queries; };
  float *q = at + p.q, *scores = at + p.scores, *keys = at + p.keys, *values = at + p.values;
  float *most = at + p.most, *sums = at + p.sums;
  const bool pairs = p.word != Word::Float, own = p.word == Word::Dot;
  const int64_t value_panel = words_of(p.block, job.factors) * W, columns = p.value_panels * W,
                row_blocks = (to - from + kScoredRows - 1) / kScoredRows;
  for (int64_t b = 0; b < p.blocks; ++b) {
    const int64_t first_key = b * p.block, count = smaller(p.block, job.keys - first_key);
    if (*packed != unit * p.blocks + b) {
      *packed = unit * p.blocks + b;
      const float* k =
          job.k + batch * job.k_strides.batch + kv_head * job.k_strides.head + first_key * job.k_strides.row;
      const float* v =
          job.v + batch * job.v_strides.batch + kv_head * job.v_strides.head + first_key * job.v_strides.row;
      if (pairs) {
        pack_key_words(k, job.k_strides.row, count, job.head_size, keys, own);
        pack_value_words(v, job.v_strides.row, count, job.value_size, value_panel, values, own);
      } else {
        pack_keys(k, job.k_strides.row, count, job.head_size, keys);
        pack_values(v, job.v_strides.row, count, job.value_size, value_panel, values);
      }
    }
    for (int64_t block = 0; block < row_blocks; ++block) {
      const int64_t row = (to - from) * block / row_blocks, rows = (to - from) * (block + 1) / row_blocks - row;
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t i = from + row + r;
        const float* source =
            job.q + batch * job.q_strides.batch + head_of(i) * job.q_strides.head + i % job.queries * job.q_strides.row;
        float* query = q + r * p.q_row;
        if (pairs)
          round_to_pairs(source, job.head_size, query, own);
        else
          each_vector(job.head_size, [&](int64_t c, int n) { store(query + c, load_some(source + c, n)); });
      }
      for (int64_t j = 0; j < count; j += W)
        attention_product(p.word, q, p.q_row, rows, p.head_words, keys + j * p.head_words, scores + j, p.score_row,
                          true);
      float* results = at + p.results + row * p.result_row;
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t i = from + row + r;
        const float* mask = job.mask == nullptr
                                ? nullptr
                                : job.mask + batch * job.mask_strides.batch + head_of(i) * job.mask_strides.head +
                                      i % job.queries * job.mask_strides.row + first_key * job.mask_column;
        softmax_scores(scores + r * p.score_row, count, job.scale, mask, job.mask_column, b == 0, most + row + r,
                       sums + row + r, results + r * p.result_row, columns);
        if (pairs) round_to_pairs(scores + r * p.score_row, count, scores + r * p.score_row, own);  // in place
      }
      for (int64_t c = 0; c < p.value_panels; ++c)
        attention_product(p.word, scores, p.score_row, rows, words_of(count, job.factors), values + c * value_panel,
                          results + c * W, p.result_row, b == 0);
    }
  }
  for (int64_t r = from; r < to; ++r) {
    const float* result = at + p.results + (r - from) * p.result_row;
    const F sum = fset(sums[r - from]);
    float* out = job.out + batch * job.out_strides.batch + head_of(r) * job.out_strides.head +
                 r % job.queries * job.out_strides.row;
    each_vector(job.value_size, [&](int64_t c, int n) {
      // The sum of no weights times no values is 0, not 0 / 0.
      store_some(out + c, p.blocks == 0 ? fzero() : div(load(result + c), sum), n);
    });
  }
}

inline void attention_part(void* context, int part, int parts) {
  const AttentionWork& w = *static_cast<const AttentionWork*>(context);
  const AttentionPlan& p = *w.plan;
  const int64_t items = p.units * p.chunks;
  int64_t packed = -1;
  for (int64_t i = share(items, part, parts); i < share(items, part + 1, parts); ++i) {
    const int64_t chunk = i % p.chunks;
    attend_chunk(w, w.scratch + part * p.floats, i / p.chunks, p.rows * chunk / p.chunks,
                 p.rows * (chunk + 1) / p.chunks, &packed);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" size_t HEARTH_CPU_ENTRY(dense_attention_scratch)(const hearth::ops::cpu::AttentionJob& job, int threads) {
  using namespace hearth::ops::cpu;
  const AttentionPlan p = attention_plan(job, threads);
  return static_cast<size_t>(p.floats * p.threads) * sizeof(float);
}

extern "C" void HEARTH_CPU_ENTRY(dense_attention)(const hearth::ops::cpu::AttentionJob& job, void* scratch,
                                                  hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const AttentionPlan p = attention_plan(job, team_size(pool));
  AttentionWork w{&job, &p, static_cast<float*>(scratch)};
  team_run(p.threads > 1 ? pool : nullptr, attention_part, &w);
}
