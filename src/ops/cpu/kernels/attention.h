// Attention of ragged rows over paged keys and values, and the writing and copying of pages.
//
// A task is one key head, one sequence and a run of its rows; the query heads that share the key head are rows too, so
// they share what was loaded. Keys are taken in blocks of kKeyBlock by absolute index. For a block: keys are turned to
// f32 [d][key], values to f32 [key][d]; then tiles of rows: scores with keys in the lanes, one step of the online
// softmax, values added. Keys that a row does not see weigh exactly 0 and leave its sums as they are, so a row's result
// depends neither on its neighbours nor on where its pages lie nor on how the prompt was cut.
#pragma once

#include <math.h>

#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kKeyBlock = 64;
constexpr int64_t kTaskRows = 192;  // rows x heads of a task: their sums stay in L2

struct AttentionCall {
  const HearthTensor *q, *keys, *values, *y;
  const int32_t *token_indptr, *page_table, *page_indptr, *kv_len, *mask_offset;
  const uint8_t* mask;
  int64_t sequences, heads, groups, d, padded_d, page_size, task_tokens;
  float scale, softcap;
  int64_t window;
  uint8_t* memory;  // per part: see TaskMemory
  int64_t memory_each;
  int64_t next;  // index of the next task nobody took
};

struct TaskMemory {
  float *keys, *values;           // [d][kKeyBlock], [kKeyBlock][padded_d]
  float *q, *sums, *most, *mass;  // [rows][d], [rows][padded_d], [rows], [rows]
};

inline int64_t task_rows(const AttentionCall& c) {
  return c.task_tokens * (c.heads / c.groups);
}
inline int64_t task_bytes(const AttentionCall& c) {
  return (c.d * kKeyBlock + kKeyBlock * c.padded_d + task_rows(c) * (c.d + c.padded_d + 2)) * 4 + 512;
}
inline TaskMemory task_memory(const AttentionCall& c, int part) {
  TaskMemory t;
  auto* p = reinterpret_cast<float*>(c.memory + part * c.memory_each);
  t.keys = p;
  t.values = p += c.d * kKeyBlock;
  t.sums = p += kKeyBlock * c.padded_d;
  t.q = p += task_rows(c) * c.padded_d;
  t.most = p += task_rows(c) * c.d;
  t.mass = p + task_rows(c);
  return t;
}

// Keys [begin, end) of the cache, at most kKeyBlock of them, the rest of the block zero up to a whole vector.
template <class T>
inline void load_block(const AttentionCall& c, const int32_t* pages, int64_t g, int64_t begin, int64_t end,
                       const TaskMemory& t) {
  const int64_t count = end - begin;
  const T* rows[kKeyBlock];
  for (int64_t i = 0; i < count; ++i) {
    const int64_t key = begin + i, page = pages[key / c.page_size], slot = key % c.page_size;
    rows[i] = static_cast<const T*>(c.keys->data) + page * c.keys->strides[0] + g * c.keys->strides[1] +
              slot * c.keys->strides[2];
  }
  for (int64_t i = 0; i < count; i += kLanes)
    for (int64_t j = 0; j < c.d; j += kLanes) {
      F square[kLanes];
      const int n = static_cast<int>(smaller(kLanes, c.d - j));
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) square[r] = i + r < count ? load_some(rows[i + r] + j, n) : fzero();
      transpose_square(square);
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r)
        if (r < n) store(t.keys + (j + r) * kKeyBlock + i, square[r]);
    }
  for (int64_t i = 0; i < count; ++i) {
    const int64_t key = begin + i, page = pages[key / c.page_size], slot = key % c.page_size;
    const T* from = static_cast<const T*>(c.values->data) + page * c.values->strides[0] + g * c.values->strides[1] +
                    slot * c.values->strides[2];
    for (int64_t j = 0; j < c.d; j += kLanes)
      store(t.values + i * c.padded_d + j, load_some(from + j, static_cast<int>(smaller(kLanes, c.d - j))));
  }
}

struct RowRange {
  int64_t lower, upper;  // keys the row may see, absolute
  const uint8_t* mask;   // or null
  int64_t mask_keys;
};

inline uint64_t mask_word(const RowRange& r, int64_t key) {  // 64 bits from `key`, a multiple of 64
  const int64_t bytes = smaller(8, (r.mask_keys + 7) / 8 - key / 8);
  uint64_t word = 0;
  if (bytes > 0) memcpy(&word, r.mask + key / 8, static_cast<size_t>(bytes));
  return word;
}

// M rows of a task against one block of keys that starts at `begin`; [from, to) are the keys any of them may see.
template <int M>
__attribute__((noinline)) void attend(const AttentionCall& c, const TaskMemory& t, int64_t row0, const RowRange* ranges,
                                      int64_t begin, int64_t from, int64_t to) {
  constexpr int V = kScoreVectors, L = kLanes;
  alignas(64) float scores[M][kKeyBlock];
  const float* q = t.q + row0 * c.d;
  const int64_t first_key = (from - begin) / (V * L) * (V * L), end_key = to - begin;
  for (int64_t j = first_key; j < end_key; j += V * L) {
    F s[M][V];
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) s[m][v] = fzero();
    const float* k = t.keys + j;
    for (int64_t i = 0; i < c.d; ++i, k += kKeyBlock) {
      F kv[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) kv[v] = load(k + v * L);
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
        const F x = fset(q[m * c.d + i]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) s[m][v] = fma(x, kv[v], s[m][v]);
      }
    }
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(&scores[m][j + v * L], s[m][v]);
  }
  float fade[M];
  for (int m = 0; m < M; ++m) {
    const RowRange& r = ranges[m];
    F s[kKeyBlock / L];
    F top = fset(-INFINITY);
    const uint64_t word = r.mask != nullptr ? mask_word(r, begin) : 0;
#pragma GCC unroll 8
    for (int i = 0; i < kKeyBlock / L; ++i) {
      const int64_t key = begin + i * L;
      if (key + L <= from || key >= to) {
        s[i] = fset(-INFINITY);
        continue;
      }
      s[i] = mul(load(&scores[m][i * L]), fset(c.scale));
      if (c.softcap > 0) s[i] = mul(fset(c.softcap), tanh(div(s[i], fset(c.softcap))));
      s[i] = keep_range(s[i], r.lower - key, r.upper - key, fset(-INFINITY));
      if (r.mask != nullptr) s[i] = keep_bits(s[i], static_cast<uint32_t>(word >> (i * L)), fset(-INFINITY));
      top = max(top, s[i]);
    }
    const float before = t.most[row0 + m];
    const float block_top = max_lanes(top);
    const float after = block_top > before ? block_top : before;
    t.most[row0 + m] = after;
    const float shift = after == -INFINITY ? 0.0f : after;
    F total = fzero();
#pragma GCC unroll 8
    for (int i = 0; i < kKeyBlock / L; ++i) {
      const F p = exp(sub(s[i], fset(shift)));
      store(&scores[m][i * L], p);
      total = add(total, p);
    }
    alignas(64) float lanes[L];
    store(lanes, exp(fset(before - shift)));
    fade[m] = lanes[0];
    t.mass[row0 + m] = t.mass[row0 + m] * fade[m] + sum_lanes(total);
  }
  for (int64_t j = 0; j < c.padded_d; j += V * L) {
    F s[M][V];
    const int vectors = static_cast<int>(smaller(V, (c.padded_d - j) / L));
    float* sums = t.sums + row0 * c.padded_d + j;
    const float* v0 = t.values + j;
    if (vectors == V) {
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) s[m][v] = mul(load(sums + m * c.padded_d + v * L), fset(fade[m]));
      for (int64_t key = from - begin; key < end_key; ++key) {
        F x[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) x[v] = load(v0 + key * c.padded_d + v * L);
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) {
          const F p = fset(scores[m][key]);
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) s[m][v] = fma(p, x[v], s[m][v]);
        }
      }
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(sums + m * c.padded_d + v * L, s[m][v]);
    } else {
      for (int v = 0; v < vectors; ++v) {
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) s[m][0] = mul(load(sums + m * c.padded_d + v * L), fset(fade[m]));
        for (int64_t key = from - begin; key < end_key; ++key) {
          const F x = load(v0 + key * c.padded_d + v * L);
#pragma GCC unroll 12
          for (int m = 0; m < M; ++m) s[m][0] = fma(fset(scores[m][key]), x, s[m][0]);
        }
#pragma GCC unroll 12
        for (int m = 0; m < M; ++m) store(sums + m * c.padded_d + v * L, s[m][0]);
      }
    }
  }
}
template <int M>
inline void attend_rows(int rows, const AttentionCall& c, const TaskMemory& t, int64_t row0, const RowRange* ranges,
                        int64_t begin, int64_t from, int64_t to) {
  if constexpr (M == 1) {
    attend<1>(c, t, row0, ranges, begin, from, to);
  } else {
    if (rows == M)
      attend<M>(c, t, row0, ranges, begin, from, to);
    else
      attend_rows<M - 1>(rows, c, t, row0, ranges, begin, from, to);
  }
}

// Rows [token0, token0 + tokens) of sequence `s`, counted within it, for key head g.
template <class Kv, class T>
void attention_task(const AttentionCall& c, const TaskMemory& t, int64_t s, int64_t g, int64_t token0, int64_t tokens) {
  const int64_t shared = c.heads / c.groups, rows = tokens * shared;
  const int64_t row_base = c.token_indptr[s] + token0;
  const int64_t length = c.kv_len[s], all = c.token_indptr[s + 1] - c.token_indptr[s];
  RowRange ranges[kTaskRows];
  int64_t lowest = length, highest = 0;
  for (int64_t i = 0; i < tokens; ++i) {
    RowRange r{};
    r.upper = length - all + token0 + i + 1;
    r.lower = c.window > 0 ? larger(0, r.upper - c.window) : 0;
    if (c.mask != nullptr && c.mask_offset[row_base + i] >= 0) {
      r.mask = c.mask + c.mask_offset[row_base + i];
      r.mask_keys = length;
    }
    lowest = smaller(lowest, r.lower);
    highest = larger(highest, r.upper);
    for (int64_t h = 0; h < shared; ++h) {
      ranges[i * shared + h] = r;
      const T* q = row<T>(*c.q, row_base + i) + (g * shared + h) * c.q->strides[1];
      float* to = t.q + (i * shared + h) * c.d;
      each_vector(c.d, [&](int64_t j, int n) { store_some(to + j, load_some(q + j, n), n); });
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    t.most[i] = -INFINITY;
    t.mass[i] = 0;
  }
  memset(t.sums, 0, static_cast<size_t>(rows * c.padded_d) * 4);
  const int32_t* pages = c.page_table + c.page_indptr[s];
  for (int64_t begin = lowest / kKeyBlock * kKeyBlock; begin < highest; begin += kKeyBlock) {
    const int64_t end = smaller(begin + kKeyBlock, highest);
    load_block<Kv>(c, pages, g, begin, end, t);
    for (int64_t r = 0; r < rows; r += kScoreRows) {
      const int count = static_cast<int>(smaller(kScoreRows, rows - r));
      const int64_t from = larger(begin, ranges[r].lower), to = smaller(end, ranges[r + count - 1].upper);
      if (from < to) attend_rows<kScoreRows>(count, c, t, r, ranges + r, begin, from, to);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    T* y = row<T>(*c.y, row_base + i / shared) + (g * shared + i % shared) * c.y->strides[1];
    const F mass = fset(t.mass[i]);
    const bool nothing = t.mass[i] == 0;
    each_vector(c.d, [&](int64_t j, int n) {
      store_some(y + j, nothing ? fzero() : div(load(t.sums + i * c.padded_d + j), mass), n);
    });
  }
}

template <class Kv, class T>
void attention_part(AttentionCall& c, int part) {
  const TaskMemory t = task_memory(c, part);
  int64_t index = 0, mine = __atomic_fetch_add(&c.next, 1, __ATOMIC_RELAXED);
  for (int64_t s = 0; s < c.sequences; ++s) {
    const int64_t n = c.token_indptr[s + 1] - c.token_indptr[s];
    for (int64_t chunk = (n + c.task_tokens - 1) / c.task_tokens; chunk-- > 0;)  // the long ones first
      for (int64_t g = 0; g < c.groups; ++g, ++index) {
        if (index != mine) continue;
        const int64_t token0 = chunk * c.task_tokens;
        attention_task<Kv, T>(c, t, s, g, token0, smaller(c.task_tokens, n - token0));
        mine = __atomic_fetch_add(&c.next, 1, __ATOMIC_RELAXED);
      }
  }
}

// Everything from outside that would send a load astray.
inline bool attention_is_sound(const AttentionCall& c, int64_t rows, int64_t pages, int64_t table, int64_t mask_bytes) {
  if (c.token_indptr[0] != 0 || c.page_indptr[0] < 0) return false;
  for (int64_t s = 0; s < c.sequences; ++s) {
    const int64_t n = c.token_indptr[s + 1] - c.token_indptr[s], length = c.kv_len[s];
    const int64_t first_page = c.page_indptr[s], end_page = c.page_indptr[s + 1];
    if (n < 0 || length < n || first_page > end_page || end_page > table) return false;
    const int64_t used = (length + c.page_size - 1) / c.page_size;
    if (n > 0 && used > end_page - first_page) return false;
    for (int64_t i = 0; n > 0 && i < used; ++i) {
      const int32_t page = c.page_table[first_page + i];
      if (page < 0 || page >= pages) return false;
    }
    if (c.mask != nullptr)
      for (int64_t i = 0; i < n; ++i) {
        const int64_t offset = c.mask_offset[c.token_indptr[s] + i];
        if (offset >= 0 && offset + (length + 7) / 8 > mask_bytes) return false;
      }
  }
  return c.token_indptr[c.sequences] == rows;
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" int HEARTH_CPU_ENTRY(paged_attention)(void* stream_, const HearthOpCall* call) {
  using namespace hearth::ops;
  using namespace hearth::ops::cpu;
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const auto& attributes = attributes_of<PagedAttentionAttributes>(call);
  const HearthTensor* in = call->inputs;
  AttentionCall c{};
  c.q = &in[0];
  c.keys = &in[1];
  c.values = &in[2];
  c.y = &call->outputs[0];
  c.token_indptr = static_cast<const int32_t*>(in[3].data);
  c.page_table = static_cast<const int32_t*>(in[4].data);
  c.page_indptr = static_cast<const int32_t*>(in[5].data);
  c.kv_len = static_cast<const int32_t*>(in[6].data);
  c.mask = in[8].data != nullptr ? static_cast<const uint8_t*>(in[7].data) : nullptr;
  c.mask_offset = static_cast<const int32_t*>(in[8].data);
  c.sequences = in[6].dims[0];
  c.heads = in[0].dims[1];
  c.groups = in[1].dims[1];
  c.d = in[0].dims[2];
  c.padded_d = (c.d + kLanes - 1) / kLanes * kLanes;
  c.page_size = in[1].dims[2];
  c.scale = attributes.scale;
  c.softcap = attributes.softcap;
  c.window = attributes.window;
  if (in[0].dims[0] == 0) return HEARTH_OK;
  if (c.groups <= 0 || c.heads % c.groups != 0 || in[3].dims[0] != c.sequences + 1) return HEARTH_INVALID;
  const int64_t shared = c.heads / c.groups;
  if (shared > kTaskRows) return HEARTH_UNSUPPORTED;
  if (!attention_is_sound(c, in[0].dims[0], in[1].dims[0], in[4].dims[0], in[7].data != nullptr ? in[7].dims[0] : 0))
    return HEARTH_INVALID;
  c.task_tokens = kTaskRows / shared;
  int64_t work = 0;
  for (int64_t s = 0; s < c.sequences; ++s)
    work += (c.token_indptr[s + 1] - c.token_indptr[s]) * c.kv_len[s] * c.heads * c.d;
  // One part when the call is too small to share.
  const int parts = work < 40 * kForkCost ? 1 : thread_count(stream);
  c.memory_each = (task_bytes(c) + 63) / 64 * 64;
  c.memory = static_cast<uint8_t*>(
      scratch(stream, kScratchAttention, static_cast<size_t>(c.memory_each * thread_count(stream))));
  if (c.memory == nullptr) return HEARTH_NO_MEMORY;
  with_type(c.keys->dtype, [&](auto* kv) {
    with_type(c.q->dtype, [&](auto* t) {
      using Kv = __typeof__(*kv);
      using T = __typeof__(*t);
      if (parts == 1)
        attention_part<Kv, T>(c, 0);
      else
        fork(stream, [](void* p, int part, int) { attention_part<Kv, T>(*static_cast<AttentionCall*>(p), part); }, &c);
    });
  });
  return HEARTH_OK;
}

extern "C" int HEARTH_CPU_ENTRY(kv_write)(void* stream_, const HearthOpCall* call) {
  using namespace hearth::ops::cpu;
  CpuStream& stream = *static_cast<CpuStream*>(stream_);
  const auto* slots = static_cast<const int32_t*>(call->inputs[2].data);
  const int64_t m = call->inputs[0].dims[0], groups = call->inputs[0].dims[1], d = call->inputs[0].dims[2];
  const int64_t page_size = call->outputs[0].dims[2], slot_count = call->outputs[0].dims[0] * page_size;
  for (int64_t i = 0; i < m; ++i)
    if (slots[i] >= slot_count) return HEARTH_INVALID;
  for (int which = 0; which < 2; ++which) {
    const HearthTensor& from = call->inputs[which];
    const HearthTensor& cache = call->outputs[which];
    with_type(from.dtype, [&](auto* a) {
      with_type(cache.dtype, [&](auto* b) {
        using A = __typeof__(*a);
        using B = __typeof__(*b);
        for_range(stream, m, groups * d, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            if (slots[i] < 0) continue;
            for (int64_t g = 0; g < groups; ++g) {
              const A* x = row<A>(from, i) + g * from.strides[1];
              B* y =
                  row<B>(cache, slots[i] / page_size) + g * cache.strides[1] + slots[i] % page_size * cache.strides[2];
              each_vector(d, [&](int64_t j, int n) { store_some(y + j, load_some(x + j, n), n); });
            }
          }
        });
      });
    });
  }
  return HEARTH_OK;
}
