#include "engine/engine.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "engine/engine_state.h"
#include "engine/kv_memory.h"
#include "engine/random.h"

namespace hearth::engine {

Served::Served(ModelId number, std::string model_name, std::unique_ptr<llm::Model> loaded,
               std::shared_ptr<const llm::Tokenizer> words, llm::KvCache cache, int64_t host_pages)
    : id(number),
      name(std::move(model_name)),
      model(std::move(loaded)),
      tokenizer(std::move(words)),
      kv(std::move(cache)),
      sampling(model->device()),
      pool(kv.page_count, host_pages, [&] {
        size_t page_bytes = 0;
        for (const TensorView& layer : kv.keys) {
          layer_page_bytes.push_back(
              static_cast<size_t>(bytes_of(dtype_of(layer), element_count(layer) / layer.dims[0])));
          page_bytes += 2 * layer_page_bytes.back();
        }
        return page_bytes;
      }()) {}

Engine::Engine(EngineOptions options) : state_(std::make_unique<State>(std::move(options))) {
  state_->thread = std::thread([state = state_.get()] { state->loop(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->notify();
  }
  state_->thread.join();
}

Result<ModelId> Engine::add_model(std::string name, std::unique_ptr<llm::Model> model,
                                  std::shared_ptr<const llm::Tokenizer> tokenizer) {
  const EngineOptions& options = state_->options;
  if (options.page_size < 1 || options.max_step_tokens < 1 || options.max_step_requests < 1)
    return fail(ErrorKind::Usage, "[engine] page_size {}, max_step_tokens {}, max_step_requests {}; need at least 1",
                options.page_size, options.max_step_tokens, options.max_step_requests);
  if (model->page_size() != options.page_size)
    return fail(ErrorKind::Usage, "[engine] page size; got a model with {}, the engine has {}", model->page_size(),
                options.page_size);
  if (find_model(name)) return fail(ErrorKind::Usage, "[engine] a model named {} is served already", name);
  size_t available = 0;
  if (options.kv_bytes == 0) {
    ASSIGN_OR_RETURN(available, available_memory());
  }
  const size_t page_bytes = model->kv_bytes_per_page();
  ASSIGN_OR_RETURN(const int64_t pages, kv_page_count(options, model->config().context_length, page_bytes, available));
  ASSIGN_OR_RETURN(llm::KvCache kv, model->allocate_kv(pages));
  CHECK(kv.page_size == options.page_size && kv.page_count == pages && kv.keys.size() == kv.values.size());
  const int64_t host_pages = options.host_bytes == 0 ? pages : static_cast<int64_t>(options.host_bytes / page_bytes);

  const std::lock_guard lock(state_->mutex);
  const ModelId id = static_cast<ModelId>(state_->models.size());
  state_->models.push_back(
      std::make_unique<Served>(id, std::move(name), std::move(model), std::move(tokenizer), std::move(kv), host_pages));
  return id;
}

std::optional<ModelId> Engine::find_model(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& served : state_->models)
    if (served->name == name) return served->id;
  return std::nullopt;
}

std::vector<std::string> Engine::models() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& served : state_->models) names.push_back(served->name);
  return names;
}

const llm::Model& Engine::model(ModelId id) const {
  const std::lock_guard lock(state_->mutex);
  return *state_->models.at(id)->model;
}

const std::shared_ptr<const llm::Tokenizer>& Engine::tokenizer(ModelId id) const {
  const std::lock_guard lock(state_->mutex);
  return state_->models.at(id)->tokenizer;
}

const EngineOptions& Engine::options() const {
  return state_->options;
}

EngineStats Engine::stats(ModelId id) const {
  const std::lock_guard lock(state_->mutex);
  const Served& served = *state_->models.at(id);
  EngineStats stats = served.stats;
  stats.pages_total = served.pool.total();
  stats.pages_free = served.pool.free();
  stats.pages_cached = served.pool.idle();
  stats.pages_in_host = served.pool.host_pages();
  stats.pages_evicted = served.pool.evicted();
  stats.pages_moved_out = served.pool.moved_out();
  for (const auto& [user, named] : served.snapshots) stats.snapshots += static_cast<int64_t>(named.size());
  for (const auto& [number, context] : state_->contexts)
    if (context->model == id && !context->hidden) ++stats.contexts;
  for (const auto& [number, pass] : state_->passes)
    if (pass->request.model == id) ++(pass->running || pass->in_step ? stats.requests_running : stats.requests_waiting);
  return stats;
}

// ---- passes in

RequestId Engine::submit(ForwardRequest request, ForwardDone done) {
  const std::lock_guard lock(state_->mutex);
  State& state = *state_;
  const RequestId id = state.next_id++;
  if (auto fits = state.check_request(request); !fits) {
    state.deliveries.emplace_back(std::move(done), std::unexpected(std::move(fits).error()));
    state.notify();
    return id;
  }
  auto owned = std::make_unique<Pass>();
  Pass& pass = *owned;
  pass.id = id;
  pass.request = std::move(request);
  pass.done = std::move(done);
  pass.seed = fresh_seed(state.options.random_seed, id, 0);
  pass.waiting_since_ms = state.now_ms();
  if (pass.request.context) {
    pass.context = state.find(*pass.request.context).value();
  } else {
    pass.context = &state.new_context(pass.request.model);
    pass.context->hidden = true;
  }
  pass.outputs.resize(pass.request.slots.size());
  pass.slot_order.resize(pass.request.slots.size());
  std::iota(pass.slot_order.begin(), pass.slot_order.end(), 0u);
  std::ranges::stable_sort(pass.slot_order, {}, [&](uint32_t i) { return pass.request.slots[i].index; });
  pass.skippable = pass.slot_order.empty() ? pass.token_count() : pass.request.slots[pass.slot_order[0]].index;

  Context& context = *pass.context;
  state.passes.emplace(id, std::move(owned));
  context.passes.push_back(&pass);
  state.update_rest(context);
  if (context.passes.size() == 1) {
    state.enqueue(pass);
    state.notify();
  }
  return id;
}

void Engine::cancel(RequestId request) {
  const std::lock_guard lock(state_->mutex);
  const auto it = state_->passes.find(request);
  if (it == state_->passes.end() || it->second->cancelled) return;
  it->second->cancelled = true;
  state_->cancelled.push_back(request);
  state_->notify();
}

Result<> Engine::check_integrity() const {
  const std::lock_guard lock(state_->mutex);
  return state_->check();
}

// ---- bookkeeping

void Engine::State::notify() {
  wake = true;
  work.notify_one();
}

int64_t Engine::State::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The pass is now the first of its context: the scheduler may see it.
void Engine::State::enqueue(Pass& pass) {
  Context& context = *pass.context;
  // What depends on the tokens before it is known only now.
  const uint64_t base = context.tokens.size();
  if (!pass.request.attention_mask.empty() && pass.own_mask.empty()) {
    pass.own_mask.resize(pass.token_count());
    for (uint32_t i = 0; i < pass.token_count(); ++i)
      pass.own_mask[i] = !pass.request.attention_mask[i].starts_with_ones(base + i + 1);
  }
  pass.masked_from = context.masked_from;
  if (const auto own = std::ranges::find(pass.own_mask, true); own != pass.own_mask.end()) {
    const auto first = static_cast<uint32_t>(own - pass.own_mask.begin());
    pass.skippable = std::min(pass.skippable, first);
    pass.masked_from = std::min(pass.masked_from, base + first);
  }
  Served& model = served(context);
  (pass.remaining() <= options.page_size ? model.ready_short : model.ready_long).emplace(pass.id, &pass);
}

void Engine::State::dequeue(Pass& pass) {
  Served& model = served(*pass.context);
  model.ready_short.erase(pass.id);
  model.ready_long.erase(pass.id);
}

void Engine::State::finish(Pass& pass, Result<ForwardOutput> result) {
  Context& context = *pass.context;
  Served& model = served(context);
  deliveries.emplace_back(std::move(pass.done), std::move(result));
  const bool first = context.passes.front() == &pass;
  if (first) {
    dequeue(pass);
    if (deliveries.back().second) {
      context.masked_from = pass.masked_from;
      context.tokens.insert(context.tokens.end(), pass.request.tokens.begin(), pass.request.tokens.end());
      context.positions.insert(context.positions.end(), pass.request.positions.begin(), pass.request.positions.end());
      context.capacity = std::max(context.capacity, static_cast<uint32_t>(context.pages.size()));
    } else {
      drop_uncommitted_work(model.pool, options.page_size, context);
    }
  }
  context.passes.erase(std::ranges::find(context.passes, &pass));
  context.last_used = ++uses;
  context.last_used_ms = now_ms();
  passes.erase(pass.id);
  if (context.passes.empty() && context.hidden) return erase(context);
  update_rest(context);
  if (first && !context.passes.empty()) enqueue(*context.passes.front());
}

Result<Context*> Engine::State::find(ContextId id) const {
  const auto it = contexts.find(id);
  if (it == contexts.end() || it->second->hidden) return fail(ErrorKind::NotFound, "[engine] no context {}", id);
  return it->second.get();
}

Context& Engine::State::new_context(ModelId model) {
  auto context = std::make_unique<Context>();
  context->id = next_id++;
  context->model = model;
  context->last_used = ++uses;
  context->last_used_ms = now_ms();
  Context& result = *context;
  contexts.emplace(result.id, std::move(context));
  return result;
}

void Engine::State::update_rest(Context& context) {
  Served& model = served(context);
  if (context.rest) model.resting.erase(*context.rest);
  context.rest.reset();
  if (context.active_pages == 0 || !context.passes.empty()) return;
  context.rest = RestKey{context.bid, context.last_used, context.id};
  model.resting.insert(*context.rest);
}

void Engine::State::suspend(Context& context) {
  Served& model = served(context);
  if (context.active_pages == 0) return;
  deactivate_all(model.pool, context);
  ++model.stats.suspends;
  if (!context.passes.empty()) {
    context.passes.front()->running = false;
    context.passes.front()->waiting_since_ms = now_ms();
  }
  update_rest(context);
}

void Engine::State::erase(Context& context) {
  Served& model = served(context);
  if (context.rest) model.resting.erase(*context.rest);
  engine::release(model.pool, options.page_size, context);
  contexts.erase(context.id);
}

Result<> Engine::State::check() const {
  for (const auto& model : models) {
    std::unordered_map<const Page*, std::pair<uint32_t, uint32_t>> counts;  // holders, active
    const auto count = [&](const Context& context) {
      for (size_t i = 0; i < context.pages.size(); ++i) {
        auto& [holders, active] = counts[context.pages[i]];
        ++holders;
        if (i < context.active_pages) ++active;
      }
    };
    for (const auto& [id, context] : contexts) {
      if (context->model != model->id) continue;
      count(*context);
      const bool rests = context->active_pages > 0 && context->passes.empty();
      if (rests != context->rest.has_value() || (rests && !model->resting.contains(*context->rest)))
        return fail(ErrorKind::Internal, "[engine] context {} is listed wrongly as resting", id);
      if (context->pages.size() < context->filled_pages(options.page_size))
        return fail(ErrorKind::Internal, "[engine] context {} has {} tokens on {} pages", id, context->tokens.size(),
                    context->pages.size());
    }
    for (const auto& [user, named] : model->snapshots)
      for (const auto& [name, context] : named) count(*context);
    for (const Page& page : model->pool.pages()) {
      const auto it = counts.find(&page);
      const auto [holders, active] = it == counts.end() ? std::pair(0u, 0u) : it->second;
      if (holders != page.holders || active != page.active)
        return fail(ErrorKind::Internal, "[engine] a page of {} has {} holders, {} active; counted {} and {}",
                    model->name, page.holders, page.active, holders, active);
    }
    TRY(model->pool.check());
  }
  return {};
}

}  // namespace hearth::engine
