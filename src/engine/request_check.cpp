// What a request must be before it becomes a pass.
#include <cmath>

#include "engine/engine_state.h"

namespace hearth::engine {

Result<> Engine::State::check_request(const ForwardRequest& request) const {
  if (stopping) return fail(ErrorKind::Cancelled, "[engine] the engine ends");
  if (request.model >= models.size())
    return fail(ErrorKind::NotFound, "[engine] model number; got {}, there are {}", request.model, models.size());
  const Served& model = *models[request.model];
  if (model.broken) return std::unexpected(*model.broken);
  if (request.context) {
    const auto context = find(*request.context);
    if (!context) return std::unexpected(context.error());
    if ((*context)->model != request.model)
      return fail(ErrorKind::Invalid, "[engine] the context belongs to another model than the pass");
  }
  const llm::ModelConfig& config = model.model->config();
  const size_t count = request.tokens.size();
  if (count == 0) return fail(ErrorKind::Invalid, "[engine] a pass without tokens");
  if (count > UINT32_MAX) return fail(ErrorKind::Limit, "[engine] tokens of a pass; got {}", count);
  if (request.positions.size() != count)
    return fail(ErrorKind::Invalid, "[engine] positions of a pass; got {}, need {}, one per token",
                request.positions.size(), count);
  if (!request.attention_mask.empty() && request.attention_mask.size() != count)
    return fail(ErrorKind::Invalid, "[engine] attention masks of a pass; got {}, need none or {}, one per token",
                request.attention_mask.size(), count);
  for (size_t i = 0; i < count; ++i) {
    if (request.tokens[i] >= config.vocab)
      return fail(ErrorKind::Invalid, "[engine] token {} of the pass; got {}, the vocabulary has {}", i,
                  request.tokens[i], config.vocab);
    if (request.positions[i] >= config.context_length)
      return fail(ErrorKind::Limit, "[engine] position of token {} of the pass; got {}, the model's context has {}", i,
                  request.positions[i], config.context_length);
  }
  size_t outputs = 0;  // no overflow: one output is far smaller than the limit can be
  for (const SamplerSlot& slot : request.slots) {
    if (slot.index >= count)
      return fail(ErrorKind::Invalid, "[engine] sampler on token; got {}, the pass has {}", slot.index, count);
    if (const auto* draw = std::get_if<Draw>(&slot.sampler)) {
      if (!std::isfinite(draw->temperature) || std::isnan(draw->top_p) || std::isnan(draw->min_p))
        return fail(ErrorKind::Invalid, "[engine] temperature {}, top_p {}, min_p {}; need numbers", draw->temperature,
                    draw->top_p, draw->min_p);
    }
    if (const auto* dist = std::get_if<Distribution>(&slot.sampler);
        dist && !(std::isfinite(dist->temperature) && dist->temperature >= 0))
      return fail(ErrorKind::Invalid, "[engine] temperature of a distribution; got {}, need a number from 0 up",
                  dist->temperature);
    if (const auto* probs = std::get_if<LogProbs>(&slot.sampler))
      for (const uint32_t token : probs->tokens)
        if (token >= config.vocab)
          return fail(ErrorKind::Invalid,
                      "[engine] token whose log probability is asked for; got {}, the vocabulary has {}", token,
                      config.vocab);
    outputs += output_bytes(slot.sampler, config);
    if (outputs > options.max_pass_output_bytes)
      return fail(ErrorKind::Limit, "[engine] outputs of a pass; got {} samplers that take more than {} bytes",
                  request.slots.size(), options.max_pass_output_bytes);
  }
  return {};
}

}  // namespace hearth::engine
