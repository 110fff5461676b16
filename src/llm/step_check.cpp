#include "llm/step_check.h"

namespace hearth::llm {
namespace {

Result<> check_indptr(std::string_view what, std::span<const int32_t> indptr, size_t total) {
  if (indptr.empty() || indptr.front() != 0 || static_cast<size_t>(indptr.back()) != total)
    return fail(ErrorKind::Invalid, "[model] {}; need 0 at the start and {} at the end", what, total);
  for (size_t i = 1; i < indptr.size(); ++i)
    if (indptr[i] < indptr[i - 1]) return fail(ErrorKind::Invalid, "[model] {}; need ascending values", what);
  return {};
}

Result<> check_values(std::string_view what, std::span<const int32_t> values, int64_t low, int64_t high) {
  for (const int32_t value : values)
    if (value < low || value >= high)
      return fail(ErrorKind::Invalid, "[model] {}; got {}, need {} to {}", what, value, low, high - 1);
  return {};
}

Result<> check_sequences(const StepBatch& b, const KvCache& kv) {
  for (size_t i = 0; i < b.kv_len.size(); ++i) {
    const int64_t rows = b.token_indptr[i + 1] - b.token_indptr[i];
    const int64_t pages = b.page_indptr[i + 1] - b.page_indptr[i];
    if (b.kv_len[i] < rows || b.kv_len[i] > pages * kv.page_size)
      return fail(ErrorKind::Invalid, "[model] kv_len of sequence {}; got {}, need {} (its rows) to {} (its pages)", i,
                  b.kv_len[i], rows, pages * kv.page_size);
    if (b.mask.empty()) continue;
    for (int32_t r = b.token_indptr[i]; r < b.token_indptr[i + 1]; ++r) {
      const int64_t offset = b.mask_offset[static_cast<size_t>(r)];
      if (offset >= 0 && offset + (b.kv_len[i] + 7) / 8 > static_cast<int64_t>(b.mask.size()))
        return fail(ErrorKind::Invalid, "[model] mask of row {}; it ends behind the mask's {} bytes", r, b.mask.size());
    }
  }
  return {};
}

}  // namespace

Result<> check(const StepBatch& b, const ModelConfig& config, const KvCache& kv, int64_t max_step_tokens) {
  const size_t rows = b.tokens.size(), sequences = b.kv_len.size();
  if (rows == 0 || static_cast<int64_t>(rows) > max_step_tokens)
    return fail(ErrorKind::Invalid, "[model] step; got {} tokens, need 1 to {}", rows, max_step_tokens);
  if (b.positions.size() != rows || b.slots.size() != rows)
    return fail(ErrorKind::Invalid, "[model] step; got {} positions and {} slots, need {}", b.positions.size(),
                b.slots.size(), rows);
  if (b.token_indptr.size() != sequences + 1 || b.page_indptr.size() != sequences + 1)
    return fail(ErrorKind::Invalid, "[model] step; need one more token_indptr and page_indptr than the {} sequences",
                sequences);
  if (!b.mask.empty() && b.mask_offset.size() != rows)
    return fail(ErrorKind::Invalid, "[model] step; got {} mask offsets, need {}", b.mask_offset.size(), rows);
  if (static_cast<int64_t>(kv.keys.size()) != config.layers)
    return fail(ErrorKind::Invalid, "[model] cache; got {} layers, need {}", kv.keys.size(), config.layers);
  TRY(check_indptr("token_indptr", b.token_indptr, rows));
  TRY(check_indptr("page_indptr", b.page_indptr, b.page_table.size()));
  TRY(check_values("token", b.tokens, 0, config.vocab));
  TRY(check_values("position", b.positions, 0, INT32_MAX));
  TRY(check_values("slot", b.slots, INT32_MIN, kv.page_count * kv.page_size));
  TRY(check_values("page", b.page_table, 0, kv.page_count));
  TRY(check_values("output row", b.output_rows, 0, static_cast<int64_t>(rows)));
  for (size_t i = 1; i < b.output_rows.size(); ++i)
    if (b.output_rows[i] <= b.output_rows[i - 1])
      return fail(ErrorKind::Invalid, "[model] output rows; need ascending values");
  return check_sequences(b, kv);
}

}  // namespace hearth::llm
