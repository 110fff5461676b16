// What the model says about given tokens: for `pie model logits` and `pie model perplexity`, and for the tests that
// hold every device against the reference. Runs the same forward step as serving does.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "llm/model.h"

namespace hearth::llm {

// Logits [tokens, vocab] at every position of one sequence. At most the model's context length.
// step_tokens: rows of one step, at most Model::max_step_tokens.
Result<std::vector<float>> logits_of(Model& model, std::span<const int32_t> tokens, int64_t step_tokens);

struct LikelihoodResult {
  double mean_nll = 0;  // natural logarithm; perplexity = exp(mean_nll)
  int64_t scored = 0;   // tokens that were predicted
};

// Mean negative log-likelihood of a text, cut into windows of `window` tokens (the last may be shorter). Each window
// starts from nothing; its tokens from index `first_scored` on are predicted from those before them in the window.
// `progress`, when given, hears the number of tokens done after each window.
Result<LikelihoodResult> likelihood_of(Model& model, std::span<const int32_t> tokens, int64_t window,
                                       int64_t first_scored, int64_t step_tokens,
                                       const std::function<void(int64_t)>& progress = {});

}  // namespace hearth::llm
