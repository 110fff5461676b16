// Checks of a step before any kernel sees it.
#pragma once

#include "base/result.h"
#include "llm/model.h"

namespace hearth::llm {

// Lengths, indices and pages of a batch agree with each other, with the model and with the cache.
Result<> check(const StepBatch& batch, const ModelConfig& config, const KvCache& kv, int64_t max_step_tokens);

}  // namespace hearth::llm
