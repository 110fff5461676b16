// The serving engine: contexts over paged keys and values, a prefix tree over full pages, continuous batching.
//
// Threads: every method of Engine may be called from any thread. Bookkeeping (contexts, pages, queues) is behind one lock
// that the engine thread holds only while it plans a step and while it takes a step's results in, never while it computes.
// Keys and values are touched by the engine thread alone: page copies are part of a step's plan.
// Callbacks run on the engine thread and must neither block nor call back into the Engine.
//
// A context is a row of tokens: first `committed` full pages, which are immutable and shared (content-addressed by the
// chain of their tokens, positions and masks), then working pages, which are its own and may be truncated.
// Outcomes that are nobody's fault (out of pages, cancelled) arrive as errors of kind Limit and Cancelled with a text for people.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/brle.h"
#include "llm/model.h"
#include "llm/tokenizer.h"

namespace hearth::engine {

using ModelId = uint32_t;
using ContextId = uint64_t;  // never reused
using RequestId = uint64_t;

// ---- samplers (pie:core/inference). Each attached row gives one SlotOutput.
struct Draw {                 // multinomial, top-k, top-p, min-p, top-k-top-p: one description
  float temperature = 1.0f;   // <= 0: greedy
  uint32_t top_k = 0;         // 0: all
  float top_p = 1.0f;
  float min_p = 0.0f;
  // The uniform number of the row is a pure function of (seed, position of the row's token in its context): the same seed
  // gives the same draw whatever else is in the batch. 0: a fresh seed per request.
  uint64_t seed = 0;
};
struct Distribution {         // `dist`: the top_n most probable of softmax(logits / temperature); 0 = the whole vocabulary
  float temperature = 1.0f;
  uint32_t top_n = 0;
};
struct RawLogits {};
struct LogProbs {             // natural log, no temperature
  std::vector<uint32_t> tokens;
};
struct Entropy {};
struct Embedding {};          // the final-norm hidden state
using Sampler = std::variant<Draw, Distribution, RawLogits, LogProbs, Entropy, Embedding>;

struct SamplerSlot {
  uint32_t index;  // into ForwardRequest::tokens
  Sampler sampler;
};

struct TokenOutput { uint32_t token; };
struct DistributionOutput { std::vector<uint32_t> tokens; std::vector<float> probabilities; };
struct LogitsOutput { std::vector<float> logits; };
struct LogProbsOutput { std::vector<float> values; };
struct EntropyOutput { float value; };
struct EmbeddingOutput { std::vector<float> values; };
using SlotOutput = std::variant<TokenOutput, DistributionOutput, LogitsOutput, LogProbsOutput, EntropyOutput, EmbeddingOutput>;

struct ForwardRequest {
  ModelId model = 0;
  std::optional<ContextId> context;         // none: a context of its own for this pass only
  std::vector<uint32_t> tokens, positions;  // same length, at least one; appended to the context when the pass succeeds
  std::vector<Brle> attention_mask;         // empty: causal; else one per token over the keys 0 .. its own (bits past the end count as 0)
  std::optional<Brle> logit_mask;           // applied to every Draw and Distribution of the pass; bits past the end count as 0
  std::vector<SamplerSlot> slots;
};
struct ForwardOutput {
  std::vector<SlotOutput> slots;  // one per ForwardRequest::slots, in order
};
using ForwardDone = std::function<void(Result<ForwardOutput>)>;

struct EngineOptions {
  int64_t page_size = 16;
  int64_t max_step_tokens = 512;    // rows of one step over all requests
  int64_t max_step_requests = 256;
  size_t kv_bytes = 0;              // per model; 0: a share of free memory (see memory_share), at least one full context
  double memory_share = 0.5;
  uint64_t random_seed = 42;        // of draws whose request gives seed 0
};

// What a context is right now.
struct ContextInfo {
  ModelId model;
  uint32_t committed_pages, working_pages, working_tokens;
  uint64_t tokens;      // committed and working
  bool suspended;       // its pages are out of device memory; the next use brings them back
};

struct EngineStats {    // of one model
  int64_t pages_total, pages_free, pages_cached;  // cached: in the prefix tree, used by no context, reclaimable
  int64_t contexts, requests_waiting, requests_running;
  uint64_t steps, tokens_computed, tokens_from_prefix, pages_evicted, suspends;
};

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();  // cancels what is under way; every callback has run when it returns
  Engine(const Engine&) = delete;

  // Before or between requests. The engine owns the model; its device must outlive the engine.
  Result<ModelId> add_model(std::string name, std::unique_ptr<llm::Model> model, std::shared_ptr<const llm::Tokenizer> tokenizer);
  std::optional<ModelId> find_model(std::string_view name) const;
  std::vector<std::string> models() const;
  const llm::Model& model(ModelId id) const;
  const std::shared_ptr<const llm::Tokenizer>& tokenizer(ModelId id) const;
  EngineStats stats(ModelId id) const;
  const EngineOptions& options() const;

  // ---- contexts (pie:core/context)
  Result<ContextId> create(ModelId model);
  Result<ContextId> fork(ContextId context);                    // shares committed pages; working pages are copied on write
  void destroy(ContextId context);                              // requests under way on it end as Cancelled
  Result<ContextInfo> info(ContextId context) const;
  Result<std::vector<uint32_t>> tokens(ContextId context) const;
  Result<> commit(ContextId context, uint32_t pages);           // the first `pages` working pages, which must be full
  Result<> reserve(ContextId context, uint32_t pages);          // more working pages, empty for now; Limit when there are none
  Result<> release(ContextId context, uint32_t pages);          // of the empty ones at the end
  Result<> truncate(ContextId context, uint32_t token_count);   // removes the last token_count working tokens
  Result<> suspend(ContextId context);                          // frees its device pages; nothing is lost
  // Snapshots belong to (user, name); they hold pages until deleted or taken.
  Result<> save(ContextId context, std::string_view user, std::string_view name);  // an existing name is an error
  Result<ContextId> open(ModelId model, std::string_view user, std::string_view name);
  Result<ContextId> take(ModelId model, std::string_view user, std::string_view name);
  Result<> remove(ModelId model, std::string_view user, std::string_view name);
  void bid(ContextId context, double value);                    // who keeps pages longer when they run short; default 0

  // ---- passes
  // Working pages that the tokens need and the context has not reserved are taken. Passes of one context run in order.
  // Leading tokens with default masks whose full page is in the prefix tree are not computed again, unless a slot wants them.
  RequestId submit(ForwardRequest request, ForwardDone done);
  void cancel(RequestId request);  // idempotent; `done` gets Cancelled unless it already ran
};

}  // namespace hearth::engine
