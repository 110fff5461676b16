#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

constexpr float kPoison = 1e4f;  // what lies in cache slots that no key was written to: any leak of it shows

std::vector<int32_t> shuffled(int64_t n, Random& random) {
  std::vector<int32_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(random.below(i + 1))]);
  return order;
}

void build_rope(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), heads = b.size("num_heads", 1), d = b.size("head_dim", 1);
  const int64_t pairs = b.size("rotary_dim") / 2, first = b.size("first_position");
  b.normal("x", b.types().activation, {m, heads, d});
  std::vector<int32_t> positions;
  for (int64_t i = 0; i < m && !b.failed(); ++i) positions.push_back(static_cast<int32_t>(first + 3 * i));
  b.ints("positions", positions);
  std::vector<float> inv_freq;
  for (int64_t j = 0; j < pairs && !b.failed(); ++j)
    inv_freq.push_back(
        static_cast<float>(std::pow(b.number("theta"), -static_cast<double>(j) / static_cast<double>(pairs))));
  b.values("inv_freq", DType::F32, {static_cast<int64_t>(inv_freq.size())}, inv_freq);
  b.output("y", b.types().activation, {m, heads, d});
  if (b.flag("in_place")) b.in_place(0);
}

void build_kv_write(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), g = b.size("num_kv_heads", 1), d = b.size("head_dim", 1);
  const int64_t page_size = b.size("page_size", 1), pages = b.size("pages", 1), skip = b.size("skip_every");
  if (!b.fits({pages, g, page_size, d})) return;
  if (m > pages * page_size) return b.refuse("batch_size; need at most pages * page_size");
  b.normal("k", b.types().activation, {m, g, d});
  b.normal("v", b.types().activation, {m, g, d});
  std::vector<int32_t> slots = shuffled(pages * page_size, b.random());
  slots.resize(static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i)
    if (skip > 0 && i % skip == 0) slots[static_cast<size_t>(i)] = -1;
  b.ints("slots", slots);
  for (const char* cache : {"k_cache", "v_cache"})
    b.in_out(cache, b.types().cache, {pages, g, page_size, d}, b.normal_values({pages, g, page_size, d}, 1.0));
}

void build_copy_pages(CaseBuilder& b) {
  const int64_t copies = b.size("copies"), pages = b.size("pages", 1), g = b.size("num_kv_heads", 1);
  const int64_t page_size = b.size("page_size", 1), d = b.size("head_dim", 1);
  if (!b.fits({pages, g, page_size, d})) return;
  std::vector<int32_t> from, to;
  for (int64_t i = 0; i < copies; ++i) {
    // Every third copy reads what the one before wrote: order matters.
    from.push_back(i % 3 == 2 ? to.back() : static_cast<int32_t>(b.random().below(pages)));
    to.push_back(static_cast<int32_t>(b.random().below(pages)));
  }
  b.ints("from", from);
  b.ints("to", to);
  b.in_out("cache", b.types().cache, {pages, g, page_size, d}, b.normal_values({pages, g, page_size, d}, 1.0));
}

struct Sequences {
  std::vector<int32_t> token_indptr{0}, page_indptr{0}, page_table, kv_len;
  int64_t pages = 0;
};

// With ragged = 1 the sequences differ: a whole prefill, a decode step, a chunk in the middle, one without rows.
Sequences lay_out(CaseBuilder& b, int64_t count, int64_t query_len, int64_t kv_len, int64_t page_size) {
  Sequences s;
  const bool ragged = b.flag("ragged");
  for (int64_t i = 0; i < count; ++i) {
    int64_t rows = query_len, keys = kv_len;
    if (ragged) {
      rows = i % 4 == 0 ? query_len : i % 4 == 1 ? 1 : i % 4 == 2 ? (query_len + 1) / 2 : 0;
      keys = i % 4 == 0 ? rows : std::max<int64_t>(rows, 1 + (kv_len * (i + 1)) / (count + 1));
    }
    s.token_indptr.push_back(s.token_indptr.back() + static_cast<int32_t>(rows));
    s.kv_len.push_back(static_cast<int32_t>(keys));
    s.pages += (keys + page_size - 1) / page_size;
    s.page_indptr.push_back(static_cast<int32_t>(s.pages));
  }
  s.page_table = shuffled(s.pages + 2, b.random());  // two pages belong to nobody
  s.page_table.resize(static_cast<size_t>(s.pages));
  return s;
}

std::vector<float> cache_values(CaseBuilder& b, const Sequences& s, int64_t g, int64_t page_size, int64_t d) {
  const int64_t pages = s.pages + 2;
  std::vector<float> values(static_cast<size_t>(pages * g * page_size * d), kPoison);
  for (size_t i = 0; i < s.kv_len.size(); ++i)
    for (int64_t key = 0; key < s.kv_len[i]; ++key) {
      const int64_t page = s.page_table[static_cast<size_t>(s.page_indptr[i] + key / page_size)];
      for (int64_t h = 0; h < g; ++h) {
        float* row = values.data() + ((page * g + h) * page_size + key % page_size) * d;
        for (int64_t j = 0; j < d; ++j) row[j] = static_cast<float>(b.random().normal());
      }
    }
  return values;
}

// Random bits for each row; every fifth row has no mask, every seventh a mask that hides all.
void add_mask(CaseBuilder& b, const Sequences& s) {
  std::vector<uint8_t> mask;
  std::vector<int32_t> offsets;
  for (size_t i = 0; i < s.kv_len.size(); ++i)
    for (int32_t r = s.token_indptr[i]; r < s.token_indptr[i + 1]; ++r) {
      if (r % 5 == 4) {
        offsets.push_back(-1);
        continue;
      }
      offsets.push_back(static_cast<int32_t>(mask.size()));
      for (int32_t byte = 0; byte < (s.kv_len[i] + 7) / 8; ++byte)
        mask.push_back(r % 7 == 6 ? uint8_t{0} : static_cast<uint8_t>(b.random().bits()));
    }
  mask.push_back(0);  // present even when no row needs a byte
  b.raw("mask", DType::U8, {static_cast<int64_t>(mask.size())}, mask.data(), mask.size());
  b.ints("mask_offset", offsets);
}

void build_paged_attention(CaseBuilder& b) {
  const int64_t count = b.size("batch_size"), query_len = b.size("query_len"), kv_len = b.size("kv_len");
  const int64_t h = b.size("num_heads", 1), g = b.size("num_kv_heads", 1), d = b.size("head_dim", 1);
  const int64_t page_size = b.size("page_size", 1);
  if (b.failed()) return;
  if (query_len > kv_len) return b.refuse("query_len; need at most kv_len");
  if (h % g != 0) return b.refuse("num_heads; need a multiple of num_kv_heads");
  if (!b.fits({count, kv_len + page_size, g, d}) || !b.fits({count, query_len, h, d}) ||
      !b.fits({2, g, page_size, d}) || !b.fits({count, query_len, kv_len / 8 + 1}))
    return;
  const Sequences s = lay_out(b, count, query_len, kv_len, page_size);
  const int64_t rows = s.token_indptr.back();
  const std::vector<int64_t> cache = {s.pages + 2, g, page_size, d};
  b.normal("q", b.types().activation, {rows, h, d}, b.number("deviation"));
  b.values("k_cache", b.types().cache, cache, cache_values(b, s, g, page_size, d));
  b.values("v_cache", b.types().cache, cache, cache_values(b, s, g, page_size, d));
  b.ints("token_indptr", s.token_indptr);
  b.ints("page_table", s.page_table);
  b.ints("page_indptr", s.page_indptr);
  b.ints("kv_len", s.kv_len);
  if (b.flag("mask")) {
    add_mask(b, s);
  } else {
    b.absent("mask");
    b.absent("mask_offset");
  }
  b.output("y", b.types().activation, {rows, h, d});
  if (b.number("scale") == 0) b.attribute("scale", 1.0 / std::sqrt(static_cast<double>(d)));
}

}  // namespace

void add_attention_cases(std::vector<OpCases>& all) {
  all.push_back({Op::Rope,
                 kActivation,
                 {{"batch_size", 3},
                  {"num_heads", 3},
                  {"head_dim", 64},
                  {"rotary_dim", 64},
                  {"first_position", 0},
                  {"theta", 10000},
                  {"in_place", 0},
                  {"interleaved", 0},
                  {"attention_factor", 1}},
                 {{"single", {{"batch_size", 1}, {"num_heads", 1}, {"head_dim", 2}, {"rotary_dim", 2}}},
                  {"empty", {{"batch_size", 0}}},
                  {"odd", {{"num_heads", 5}, {"head_dim", 22}, {"rotary_dim", 22}, {"first_position", 17}}},
                  {"partial", {{"rotary_dim", 24}, {"head_dim", 40}}},
                  {"interleaved", {{"interleaved", 1}}},
                  {"interleaved_partial", {{"interleaved", 1}, {"rotary_dim", 6}, {"head_dim", 11}}},
                  {"scaled", {{"attention_factor", 1.19}}},
                  {"far", {{"first_position", 131000}, {"theta", 500000}}},
                  {"in_place", {{"in_place", 1}, {"rotary_dim", 32}}},
                  {"strided", {{"row_padding", 13}}},
                  {"production", {{"batch_size", 64}, {"num_heads", 12}, {"first_position", 2000}}}},
                 build_rope});
  all.push_back(
      {Op::KvWrite,
       kActivation | kCache,
       {{"batch_size", 5}, {"num_kv_heads", 2}, {"head_dim", 16}, {"page_size", 4}, {"pages", 7}, {"skip_every", 0}},
       {{"single", {{"batch_size", 1}, {"num_kv_heads", 1}, {"head_dim", 1}, {"page_size", 1}, {"pages", 1}}},
        {"empty", {{"batch_size", 0}}},
        {"odd", {{"num_kv_heads", 3}, {"head_dim", 13}, {"page_size", 5}}},
        {"skipped", {{"skip_every", 2}, {"batch_size", 9}}},
        {"full", {{"batch_size", 28}}},
        {"strided", {{"row_padding", 6}}},
        {"production", {{"batch_size", 64}, {"num_kv_heads", 3}, {"head_dim", 64}, {"page_size", 16}, {"pages", 40}}}},
       build_kv_write});
  all.push_back(
      {Op::PagedAttention,
       kActivation | kCache,
       {{"batch_size", 1},
        {"query_len", 5},
        {"kv_len", 5},
        {"num_heads", 4},
        {"num_kv_heads", 2},
        {"head_dim", 16},
        {"page_size", 4},
        {"ragged", 0},
        {"mask", 0},
        {"deviation", 1},
        {"scale", 0},
        {"softcap", 0},
        {"window", 0}},
       {{"single",
         {{"query_len", 1}, {"kv_len", 1}, {"num_heads", 1}, {"num_kv_heads", 1}, {"head_dim", 1}, {"page_size", 1}}},
        {"empty", {{"query_len", 0}}},
        {"no_sequences", {{"batch_size", 0}}},
        {"prefill", {{"query_len", 37}, {"kv_len", 37}}},
        {"chunk", {{"query_len", 11}, {"kv_len", 50}}},
        {"decode", {{"batch_size", 3}, {"query_len", 1}, {"kv_len", 43}}},
        {"odd_sizes",
         {{"query_len", 7}, {"kv_len", 29}, {"num_heads", 5}, {"num_kv_heads", 5}, {"head_dim", 11}, {"page_size", 3}}},
        {"one_kv_head", {{"num_heads", 8}, {"num_kv_heads", 1}, {"kv_len", 21}}},
        {"ratio_of_three", {{"num_heads", 9}, {"num_kv_heads", 3}, {"kv_len", 33}, {"head_dim", 64}}},
        {"ragged", {{"batch_size", 7}, {"ragged", 1}, {"query_len", 12}, {"kv_len", 40}}},
        {"window", {{"window", 6}, {"query_len", 9}, {"kv_len", 31}}},
        {"window_of_one", {{"window", 1}, {"query_len", 3}, {"kv_len", 9}}},
        {"softcap", {{"softcap", 2}, {"deviation", 4}, {"kv_len", 19}}},
        {"mask", {{"mask", 1}, {"query_len", 16}, {"kv_len", 35}}},
        {"ragged_mask_window",
         {{"mask", 1}, {"ragged", 1}, {"batch_size", 6}, {"query_len", 10}, {"kv_len", 30}, {"window", 12}}},
        {"large_scores", {{"deviation", 40}, {"scale", 1}, {"kv_len", 24}}},
        {"wide_heads", {{"head_dim", 256}, {"kv_len", 20}}},
        {"strided", {{"row_padding", 8}, {"kv_len", 18}}},
        {"production",
         {{"batch_size", 4},
          {"ragged", 1},
          {"query_len", 32},
          {"kv_len", 512},
          {"num_heads", 9},
          {"num_kv_heads", 3},
          {"head_dim", 64},
          {"page_size", 16}}}},
       build_paged_attention});
  all.push_back(
      {Op::CopyPages,
       kCache,
       {{"copies", 4}, {"pages", 7}, {"num_kv_heads", 2}, {"page_size", 4}, {"head_dim", 16}},
       {{"single", {{"copies", 1}, {"pages", 1}, {"num_kv_heads", 1}, {"page_size", 1}, {"head_dim", 1}}},
        {"empty", {{"copies", 0}}},
        {"odd", {{"num_kv_heads", 3}, {"page_size", 5}, {"head_dim", 7}}},
        {"chained", {{"copies", 30}}},
        {"strided", {{"row_padding", 5}}},
        {"production", {{"copies", 16}, {"pages", 64}, {"num_kv_heads", 3}, {"page_size", 16}, {"head_dim", 64}}}},
       build_copy_pages});
}

}  // namespace hearth::ops::conformance
