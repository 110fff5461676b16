// What the parts of the engine share: engine.cpp (models, passes in and out), context_calls.cpp, planning.cpp (what a
// step computes), step_loop.cpp (the engine thread).
#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "engine/engine.h"
#include "engine/pass.h"
#include "engine/sampling.h"
#include "engine/scheduler.h"

namespace hearth::engine {

// One model and everything that is per model. The model, kv and sampling belong to the engine thread; the rest to the
// lock.
struct Served {
  Served(ModelId number, std::string model_name, std::unique_ptr<llm::Model> loaded,
         std::shared_ptr<const llm::Tokenizer> words, llm::KvCache cache, int64_t host_pages);

  ModelId id;
  std::string name;
  std::unique_ptr<llm::Model> model;
  std::shared_ptr<const llm::Tokenizer> tokenizer;  // shared with guests, which may outlive the engine's use of it
  llm::KvCache kv;
  std::vector<size_t> layer_page_bytes;  // of one page in kv.keys[i] (and in kv.values[i])
  Sampling sampling;

  PagePool pool;
  std::map<RequestId, Pass*> ready_short, ready_long;  // first passes of their contexts: up to a page left, or more
  std::set<RestKey> resting;                           // contexts with pages on the device and no pass under way
  std::map<std::string, std::map<std::string, std::unique_ptr<Context>, std::less<>>, std::less<>>
      snapshots;                // user, name
  std::optional<Error> broken;  // a page copy failed: what the pages hold is unknown, so the model serves no more
  EngineStats stats{};          // counters; the rest is filled in when asked
};

// One forward step of one model.
struct Step {
  struct Part {
    Pass* pass;
    uint32_t tokens;
    uint32_t row;  // first row of the step
  };
  Served* served = nullptr;
  std::vector<PageMove> moves;
  std::vector<Part> parts;
  std::vector<int32_t> tokens, positions, slots, token_indptr{0}, page_indptr{0}, page_table, kv_len, mask_offset,
      output_rows;
  std::vector<uint8_t> mask;
  std::vector<SamplingJob> jobs;      // in the order of parts and of each pass's slot_order
  std::vector<size_t> job_indptr{0};  // of parts
  size_t output_bytes = 0;            // of jobs
};

struct Engine::State {
  explicit State(EngineOptions given) : options(std::move(given)) {}

  const EngineOptions options;
  mutable std::mutex mutex;
  std::condition_variable work;  // something for the engine thread to look at
  bool stopping = false;
  bool wake = false;  // set with every notification: none is lost

  std::vector<std::unique_ptr<Served>> models;
  std::unordered_map<ContextId, std::unique_ptr<Context>> contexts;
  std::unordered_map<RequestId, std::unique_ptr<Pass>> passes;
  std::vector<RequestId> cancelled;                                       // to be taken out by the engine thread
  std::vector<std::pair<ForwardDone, Result<ForwardOutput>>> deliveries;  // to be called by it, without the lock
  uint64_t next_id = 1;                                                   // of contexts and passes
  uint64_t uses = 0;                                                      // clock of Context::last_used
  std::thread thread;                                                     // last: it uses all of the above

  // All below: with the lock held, unless they say otherwise.
  void notify();
  int64_t now_ms() const;
  Served& served(const Context& context) { return *models[context.model]; }
  Result<Context*> find(ContextId id) const;  // visible ones
  Context& new_context(ModelId model);
  void update_rest(Context& context);  // after anything that RestKey or membership depends on
  void suspend(Context& context);
  void erase(Context& context);  // no passes under way

  Result<> check_request(const ForwardRequest& request) const;  // request_check.cpp

  // engine.cpp
  void enqueue(Pass& pass);
  void dequeue(Pass& pass);
  void finish(Pass& pass, Result<ForwardOutput> result);
  Result<> check() const;

  // planning.cpp
  Step plan();  // of the next model in turn that has something to compute; no parts: nothing
  Step plan_model(Served& served);
  void take_prefix(Served& served, Pass& pass);
  void share_pages(Served& served, Pass& pass, uint32_t tokens);  // full ones among the last so many computed
  PassView view_of(const Pass& pass) const;
  std::vector<PassView> candidates(Served& served);
  std::vector<Victim> victims(const Served& served) const;
  uint32_t within_outputs(const Served& served, const Step& step, const Pass& pass, uint32_t tokens) const;
  bool add_part(Served& served, Step& step, Pass& pass, uint32_t tokens);
  int64_t wake_ms = -1;  // when planning wants to be asked again although nothing happened
  size_t turn = 0;       // the model after the one of the last step

  // step_loop.cpp
  void loop();                      // the engine thread
  Result<> compute(Step& step);     // without the lock
  Result<> move_pages(Step& step);  // without the lock
  void take_in(Step& step, const Result<>& outcome);
  void cancel_all();
};

}  // namespace hearth::engine
