// The serving engine: contexts over paged keys and values, a prefix tree over full pages, continuous batching.
//
// Threads: every method of Engine may be called from any thread. Bookkeeping (contexts, pages, queues) is behind one
// lock that the engine thread holds only while it plans a step and while it takes a step's results in, never while it
// computes. Keys and values are touched by the engine thread alone: page copies are part of a step's plan. Callbacks
// run on the engine thread, without the lock; they must neither block nor call back into the Engine.
//
// A context is a row of tokens: first `committed` full pages, which are immutable, then working pages, which may be
// truncated. Full pages are shared, content-addressed by the chain of their tokens and positions, from the step on that
// filled them; who writes into a shared one gets a copy. Passes that begin alike and arrive together compute their
// common pages once: the younger ones wait a step for each part. Pages computed under an attention mask of their own,
// and all pages after them, are never shared by content.
//
// While passes of a context are under way, its tokens are those of the passes that succeeded so far: fork, save,
// commit, info and tokens see these. truncate and suspend are refused (Invalid) until the passes are done.
//
// Memory. A page stays on the device while a context that has it is in use or was used lately. When pages run short,
// the engine drops pages that only the prefix tree has, then suspends contexts: those that rest between passes first
// (lowest bid, then least recently used), then those of the youngest passes, which wait until there is room again. The
// content of suspended contexts and of snapshots is moved to host memory when the room is needed and comes back bit by
// bit the same. Outcomes that are nobody's fault (out of pages, cancelled) arrive as errors of kind Limit and Cancelled
// with a text for people.
//
// What holds to the bit. For a model whose device forms every row's sums in an order that does not depend on the batch,
// the logits of a token are a function of the tokens, positions and masks before it: not of chunks, forks, prefix hits,
// suspension or the company in a step. A Draw with a seed is a function of these logits, its parameters, the seed and
// the token's index in its context: its uniform number is Philox4x32-10 with the seed as key and the index as counter.
// With seed 0 it also depends on EngineOptions::random_seed and on how many passes were submitted before.
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

namespace hearth::trace {
class Trace;
}

namespace hearth::engine {

using ModelId = uint32_t;
using ContextId = uint64_t;  // never reused
using RequestId = uint64_t;

// ---- samplers (pie:core/inference). Each attached row gives one SlotOutput.
struct Draw {                // multinomial, top-k, top-p, min-p, top-k-top-p: one description
  float temperature = 1.0f;  // <= 0: greedy
  uint32_t top_k = 0;        // 0: all
  float top_p = 1.0f;
  float min_p = 0.0f;
  // The uniform number of the row is a pure function of (seed, index of the row's token in its context): the same seed
  // gives the same draw whatever else is in the batch. 0: a fresh seed per slot.
  uint64_t seed = 0;
};
// `dist`: the top_n most probable of softmax(logits / temperature), largest first, ties by lower id; 0 = the whole
// vocabulary. Tokens that the logit mask excludes have probability 0.
struct Distribution {
  float temperature = 1.0f;
  uint32_t top_n = 0;
};
struct RawLogits {};
struct LogProbs {  // natural log, no temperature
  std::vector<uint32_t> tokens;
};
struct Entropy {};
struct Embedding {};  // the final-norm hidden state
using Sampler = std::variant<Draw, Distribution, RawLogits, LogProbs, Entropy, Embedding>;

struct SamplerSlot {
  uint32_t index;  // into ForwardRequest::tokens
  Sampler sampler;
};

struct TokenOutput {
  uint32_t token;
};
struct DistributionOutput {
  std::vector<uint32_t> tokens;
  std::vector<float> probabilities;
};
struct LogitsOutput {
  std::vector<float> logits;
};
struct LogProbsOutput {
  std::vector<float> values;
};
struct EntropyOutput {
  float value;
};
struct EmbeddingOutput {
  std::vector<float> values;
};
using SlotOutput =
    std::variant<TokenOutput, DistributionOutput, LogitsOutput, LogProbsOutput, EntropyOutput, EmbeddingOutput>;

struct ForwardRequest {
  ModelId model = 0;
  std::optional<ContextId> context;  // none: a context of its own for this pass only
  // Same length, at least one; appended to the context when the pass succeeds. A token id below the vocabulary, a
  // position below the model's context length (Limit).
  std::vector<uint32_t> tokens, positions;
  std::vector<Brle>
      attention_mask;  // empty: causal; else one per token over the keys 0 .. its own (bits past the end count as 0)
  std::optional<Brle> logit_mask;  // applied to every Draw and Distribution of the pass; bits past the end count as 0
  std::vector<SamplerSlot> slots;
};
struct ForwardOutput {
  std::vector<SlotOutput> slots;  // one per ForwardRequest::slots, in order
};
using ForwardDone = std::function<void(Result<ForwardOutput>)>;

struct EngineOptions {
  int64_t page_size = 16;         // tokens; the models' must be the same
  int64_t max_step_tokens = 512;  // rows of one step over all requests; a model that takes fewer gets fewer
  int64_t max_step_requests = 256;
  // Outputs (raw logits, distributions, …) of one step and of one pass, in bytes of host memory. A step takes fewer
  // rows then, but at least one of each of its passes; a pass that asks for more is refused (Limit).
  size_t max_step_output_bytes = size_t{64} << 20;
  size_t max_pass_output_bytes = size_t{1} << 30;
  // Device memory for keys and values, per model. 0: memory_share of what is free, but not more than 64 full contexts
  // need nor, unless one full context needs it, more than 4 GiB. Touched only as it is used.
  size_t kv_bytes = 0;
  double memory_share = 0.5;
  size_t host_bytes = 0;      // host memory for pages moved out, per model; 0: as much as kv_bytes
  uint64_t random_seed = 42;  // of draws whose request gives seed 0
  // check_integrity() after every step, as debug builds always do; a broken count ends the process.
  bool check_each_step = false;
  trace::Trace* trace = nullptr;  // spans and counters of every step go there; must outlive the engine
};

// What a context is right now.
struct ContextInfo {
  ModelId model;
  uint32_t committed_pages, working_pages, working_tokens;
  uint64_t tokens;  // committed and working
  bool suspended;   // its pages may leave device memory; the next pass brings them back
};

struct EngineStats {  // of one model
  // cached: on the device and reclaimable at once (prefix tree, suspended contexts, snapshots); the rest is in use
  int64_t pages_total, pages_free, pages_cached, pages_in_host;
  int64_t contexts, snapshots, requests_waiting, requests_running;  // running: have been part of a step and go on
  // tokens_from_prefix: not computed because the tree had their pages. pages_evicted: dropped from the tree.
  uint64_t steps, tokens_computed, tokens_from_prefix, pages_evicted, pages_moved_out, suspends;
};

class Engine {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();  // cancels what is under way; every callback has run when it returns
  Engine(const Engine&) = delete;

  // At any time. The engine owns the model; its device must outlive the engine and is used by the engine thread alone.
  Result<ModelId> add_model(std::string name, std::unique_ptr<llm::Model> model,
                            std::shared_ptr<const llm::Tokenizer> tokenizer);
  std::optional<ModelId> find_model(std::string_view name) const;
  std::vector<std::string> models() const;
  const llm::Model& model(ModelId id) const;
  const std::shared_ptr<const llm::Tokenizer>& tokenizer(ModelId id) const;
  EngineStats stats(ModelId id) const;
  const EngineOptions& options() const;

  // ---- contexts (pie:core/context)
  Result<ContextId> create(ModelId model);
  Result<ContextId> fork(ContextId context);  // shares committed pages; working pages are copied on write
  void destroy(ContextId context);            // requests under way on it end as Cancelled
  Result<ContextInfo> info(ContextId context) const;
  Result<std::vector<uint32_t>> tokens(ContextId context) const;
  Result<> commit(ContextId context, uint32_t pages);  // the first `pages` working pages, which must be full
  // More working pages, empty for now. A claim within the context (Limit when it could never have that many); memory is
  // found when a pass writes.
  Result<> reserve(ContextId context, uint32_t pages);
  Result<> release(ContextId context, uint32_t pages);  // of the empty ones at the end
  Result<> truncate(ContextId context,
                    uint32_t token_count);  // removes the last token_count working tokens; pages stay reserved
  Result<> suspend(ContextId context);      // others may have its device pages; nothing is lost
  // Snapshots belong to (user, name); they hold pages until removed or taken. At most 1024 per user and model.
  Result<> save(ContextId context, std::string_view user, std::string_view name);  // an existing name is an error
  Result<ContextId> open(ModelId model, std::string_view user, std::string_view name);
  Result<ContextId> take(ModelId model, std::string_view user, std::string_view name);
  Result<> remove(ModelId model, std::string_view user, std::string_view name);
  void bid(ContextId context, double value);  // who keeps pages longer when they run short; default 0

  // ---- passes
  // Working pages that the tokens need and the context has not reserved are taken. Passes of one context run in order.
  // Leading tokens with default masks whose full page is in the prefix tree are not computed again, unless a slot wants
  // them.
  RequestId submit(ForwardRequest request, ForwardDone done);
  void cancel(RequestId request);  // idempotent; `done` gets Cancelled unless it already ran

  // Counts every page's users anew and compares: free + cached + used = total. Internal error when something is off.
  Result<> check_integrity() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::engine
