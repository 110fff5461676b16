#include "llm/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hearth::llm {
namespace {

// One sequence in a cache of its own, fed in chunks; `take` gets the logits of each chunk's rows from `first` on.
class Sequence {
 public:
  static Result<Sequence> create(Model& model, int64_t tokens) {
    if (tokens < 1 || tokens > model.config().context_length)
      return fail(ErrorKind::Limit, "[evaluate] tokens; got {}, need 1 to {}, the model's context", tokens,
                  model.config().context_length);
    Sequence sequence(model);
    const int64_t page_size = model.page_size();
    ASSIGN_OR_RETURN(sequence.kv_, model.allocate_kv((tokens + page_size - 1) / page_size));
    return sequence;
  }

  template <class Take>
  Result<> feed(std::span<const int32_t> tokens, int64_t step, int64_t first_wanted, Take take) {
    const auto total = static_cast<int64_t>(tokens.size());
    for (int64_t done = 0; done < total; done += step) {
      const int64_t rows = std::min(step, total - done);
      std::vector<int32_t> positions(static_cast<size_t>(rows));
      std::iota(positions.begin(), positions.end(), static_cast<int32_t>(done));
      const int64_t skipped = std::clamp<int64_t>(first_wanted - done, 0, rows);
      std::vector<int32_t> wanted(static_cast<size_t>(rows - skipped));
      std::iota(wanted.begin(), wanted.end(), static_cast<int32_t>(skipped));
      const auto kv_len = static_cast<int32_t>(done + rows);
      const auto pages = static_cast<int32_t>((kv_len + kv_.page_size - 1) / kv_.page_size);
      std::vector<int32_t> page_table(static_cast<size_t>(pages));
      std::iota(page_table.begin(), page_table.end(), 0);
      const int32_t token_indptr[] = {0, static_cast<int32_t>(rows)}, page_indptr[] = {0, pages}, lengths[] = {kv_len};
      StepBatch batch{};
      batch.tokens = tokens.subspan(static_cast<size_t>(done), static_cast<size_t>(rows));
      batch.positions = batch.slots = positions;  // page i holds the tokens from i * page_size
      batch.token_indptr = token_indptr;
      batch.page_indptr = page_indptr;
      batch.page_table = page_table;
      batch.kv_len = lengths;
      batch.output_rows = wanted;
      ASSIGN_OR_RETURN(const StepResult result, model_->forward(batch, kv_));
      if (wanted.empty()) continue;
      logits_.resize(static_cast<size_t>(element_count(result.logits)));
      TRY(model_->device().download(logits_.data(), result.logits.data, logits_.size() * sizeof(float)));
      take(done + skipped, std::span<const float>(logits_));
    }
    return {};
  }

 private:
  explicit Sequence(Model& model) : model_(&model) {}
  Model* model_;
  KvCache kv_;
  std::vector<float> logits_;
};

double negative_log_likelihood(std::span<const float> logits, int32_t token) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - top);
  return top + std::log(sum) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

Result<> check_step(int64_t step) {
  if (step < 1) return fail(ErrorKind::Usage, "[evaluate] tokens of a step; got {}, need at least 1", step);
  return {};
}

}  // namespace

Result<std::vector<float>> logits_of(Model& model, std::span<const int32_t> tokens, int64_t step_tokens) {
  TRY(check_step(step_tokens));
  ASSIGN_OR_RETURN(auto sequence, Sequence::create(model, static_cast<int64_t>(tokens.size())));
  std::vector<float> all;
  all.reserve(tokens.size() * static_cast<size_t>(model.config().vocab));
  TRY(sequence.feed(tokens, step_tokens, 0, [&](int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  }));
  return all;
}

Result<LikelihoodResult> likelihood_of(Model& model, std::span<const int32_t> tokens, int64_t window,
                                       int64_t first_scored, int64_t step_tokens,
                                       const std::function<void(int64_t)>& progress) {
  TRY(check_step(step_tokens));
  if (first_scored < 1 || window <= first_scored)
    return fail(ErrorKind::Usage, "[evaluate] first scored token; got {} in windows of {}, need 1 to {}", first_scored,
                window, window - 1);
  const auto vocab = static_cast<size_t>(model.config().vocab);
  LikelihoodResult result;
  double sum = 0;
  const auto total = static_cast<int64_t>(tokens.size());
  for (int64_t start = 0; start < total; start += window) {
    const auto part = tokens.subspan(static_cast<size_t>(start), static_cast<size_t>(std::min(window, total - start)));
    const auto size = static_cast<int64_t>(part.size());
    if (size > first_scored) {
      ASSIGN_OR_RETURN(auto sequence, Sequence::create(model, size));
      TRY(sequence.feed(part.first(part.size() - 1), step_tokens, first_scored - 1,
                        [&](int64_t first, std::span<const float> logits) {
                          for (size_t row = 0; row * vocab < logits.size(); ++row)
                            sum += negative_log_likelihood(logits.subspan(row * vocab, vocab),
                                                           part[static_cast<size_t>(first) + row + 1]);
                          result.scored += static_cast<int64_t>(logits.size() / vocab);
                        }));
    }
    if (progress) progress(start + size);
  }
  if (result.scored == 0)
    return fail(ErrorKind::Usage, "[evaluate] text; got {} tokens, need more than {}", total, first_scored);
  result.mean_nll = sum / static_cast<double>(result.scored);
  return result;
}

}  // namespace hearth::llm
