#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

struct Sequence {
  int64_t first_row, rows, first_page, kv_len;
};

// Whether the ragged lists describe rows and pages that exist.
bool consistent(const HearthOpCall& call) {
  const HearthTensor &rows = call.inputs[3], &table = call.inputs[4], &pages = call.inputs[5], &kv_len = call.inputs[6];
  const int64_t sequences = kv_len.dims[0], page_size = call.inputs[1].dims[2];
  if (ref::int_at(rows, 0) != 0 || ref::int_at(rows, sequences) != call.inputs[0].dims[0]) return false;
  if (ref::int_at(pages, 0) < 0 || ref::int_at(pages, sequences) > table.dims[0]) return false;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t n = ref::int_at(rows, s + 1) - ref::int_at(rows, s), keys = ref::int_at(kv_len, s);
    const int64_t held = ref::int_at(pages, s + 1) - ref::int_at(pages, s);
    if (n < 0 || held < 0 || keys < n || keys > held * page_size) return false;
    for (int64_t p = 0; p * page_size < keys; ++p) {
      const int32_t page = ref::int_at(table, ref::int_at(pages, s) + p);
      if (page < 0 || page >= call.inputs[1].dims[0]) return false;
    }
  }
  return true;
}

}  // namespace

int hearth::ops::ref::paged_attention(const HearthOpCall& call) {
  const HearthTensor &q = call.inputs[0], &k_cache = call.inputs[1], &v_cache = call.inputs[2];
  const HearthTensor &rows = call.inputs[3], &table = call.inputs[4], &pages = call.inputs[5], &kv_len = call.inputs[6];
  const HearthTensor &mask = call.inputs[7], &mask_offset = call.inputs[8], &y = call.outputs[0];
  const auto& a = ref::attributes<PagedAttentionAttributes>(call);
  if (!consistent(call)) return HEARTH_INVALID;
  const int64_t heads = q.dims[1], d = q.dims[2], kv_heads = k_cache.dims[1], page_size = k_cache.dims[2];
  std::vector<double> scores, sum(static_cast<size_t>(d));
  for (int64_t s = 0; s < kv_len.dims[0]; ++s) {
    const int64_t keys = ref::int_at(kv_len, s), first_row = ref::int_at(rows, s),
                  n = ref::int_at(rows, s + 1) - first_row;
    const auto element = [&](int64_t key, int64_t head) {
      return std::pair(ref::int_at(table, ref::int_at(pages, s) + key / page_size),
                       (head * page_size + key % page_size) * d);
    };
    for (int64_t r = 0; r < n; ++r) {
      const int64_t i = first_row + r, visible = keys - n + r + 1;
      const int64_t start = a.window > 0 ? std::max<int64_t>(0, visible - a.window) : 0;
      const uint8_t* bits = nullptr;
      if (ref::present(mask) && ref::present(mask_offset) && ref::int_at(mask_offset, i) >= 0) {
        const int64_t offset = ref::int_at(mask_offset, i);
        if (offset + (keys + 7) / 8 > mask.dims[0]) return HEARTH_INVALID;
        bits = data_of<uint8_t>(mask) + offset;
      }
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t group = h / (heads / kv_heads);
        scores.assign(static_cast<size_t>(visible), -std::numeric_limits<double>::infinity());
        double peak = -std::numeric_limits<double>::infinity();
        for (int64_t key = start; key < visible; ++key) {
          if (bits != nullptr && ((bits[key / 8] >> (key % 8)) & 1) == 0) continue;
          const auto [page, base] = element(key, group);
          double dot = 0;
          for (int64_t j = 0; j < d; ++j) dot += ref::at(q, i, h * d + j) * ref::at(k_cache, page, base + j);
          dot *= double{a.scale};
          if (a.softcap > 0) dot = double{a.softcap} * std::tanh(dot / double{a.softcap});
          scores[static_cast<size_t>(key)] = dot;
          peak = std::max(peak, dot);
        }
        double total = 0;
        std::fill(sum.begin(), sum.end(), 0.0);
        for (int64_t key = start; key < visible; ++key) {
          if (std::isinf(scores[static_cast<size_t>(key)])) continue;
          const double weight = std::exp(scores[static_cast<size_t>(key)] - peak);
          const auto [page, base] = element(key, group);
          total += weight;
          for (int64_t j = 0; j < d; ++j) sum[static_cast<size_t>(j)] += weight * ref::at(v_cache, page, base + j);
        }
        for (int64_t j = 0; j < d; ++j)
          ref::put(y, i, h * d + j, total > 0 ? sum[static_cast<size_t>(j)] / total : 0.0);
      }
    }
  }
  return HEARTH_OK;
}
