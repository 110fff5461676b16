// The Engine's calls on contexts and snapshots: bookkeeping under the lock, no page is touched here.
#include "engine/engine_state.h"

namespace hearth::engine {
namespace {

constexpr size_t kMaxSnapshotsPerUser = 1024;

Result<> idle(const Context& context, std::string_view what) {
  if (context.passes.empty()) return {};
  return fail(ErrorKind::Invalid,
              "[engine] {} while {} passes of the context are under way; wait for them or cancel them", what,
              context.passes.size());
}

std::unexpected<Error> no_model(ModelId model, size_t count) {
  return fail(ErrorKind::NotFound, "[engine] model number; got {}, there are {}", model, count);
}

}  // namespace

Result<ContextId> Engine::create(ModelId model) {
  const std::lock_guard lock(state_->mutex);
  if (model >= state_->models.size()) return no_model(model, state_->models.size());
  return state_->new_context(model).id;
}

Result<ContextId> Engine::fork(ContextId id) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(const Context* from, state_->find(id));
  Context& to = state_->new_context(from->model);
  fork_into(state_->served(to).pool, state_->options.page_size, *from, to);
  state_->update_rest(to);
  return to.id;
}

void Engine::destroy(ContextId id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->find(id);
  if (!found) return;
  Context& context = **found;
  context.hidden = true;
  if (context.passes.empty()) {
    state_->erase(context);
  } else {
    for (Pass* pass : context.passes) {
      pass->cancelled = true;
      state_->cancelled.push_back(pass->id);
    }
  }
  state_->notify();
}

Result<ContextInfo> Engine::info(ContextId id) const {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(const Context* context, state_->find(id));
  const uint64_t page_size = static_cast<uint64_t>(state_->options.page_size);
  return ContextInfo{.model = context->model,
                     .committed_pages = context->committed,
                     .working_pages = context->capacity - context->committed,
                     .working_tokens = static_cast<uint32_t>(context->tokens.size() - context->committed * page_size),
                     .tokens = context->tokens.size(),
                     .suspended = context->suspended(state_->options.page_size)};
}

Result<std::vector<uint32_t>> Engine::tokens(ContextId id) const {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(const Context* context, state_->find(id));
  return context->tokens;
}

Result<> Engine::commit(ContextId id, uint32_t pages) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(Context * context, state_->find(id));
  TRY(commit_pages(state_->served(*context).pool, state_->options.page_size, *context, pages));
  state_->notify();  // pages may have become free
  return {};
}

Result<> Engine::reserve(ContextId id, uint32_t pages) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(Context * context, state_->find(id));
  const int64_t total = state_->served(*context).pool.total();
  if (int64_t{context->capacity} + pages > total)
    return fail(ErrorKind::Limit, "[engine] pages of a context; got {} and {} more, the model has {}",
                context->capacity, pages, total);
  context->capacity += pages;
  return {};
}

Result<> Engine::release(ContextId id, uint32_t pages) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(Context * context, state_->find(id));
  const uint32_t empty = context->capacity - context->filled_pages(state_->options.page_size);
  if (pages > empty)
    return fail(ErrorKind::Invalid, "[engine] empty working pages to release; got {}, there are {}", pages, empty);
  context->capacity -= pages;
  return {};
}

Result<> Engine::truncate(ContextId id, uint32_t token_count) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(Context * context, state_->find(id));
  TRY(idle(*context, "truncate"));
  TRY(truncate_tokens(state_->served(*context).pool, state_->options.page_size, *context, token_count));
  state_->update_rest(*context);
  state_->notify();
  return {};
}

Result<> Engine::suspend(ContextId id) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(Context * context, state_->find(id));
  TRY(idle(*context, "suspend"));
  state_->suspend(*context);
  state_->notify();
  return {};
}

void Engine::bid(ContextId id, double value) {
  const std::lock_guard lock(state_->mutex);
  const auto context = state_->find(id);
  if (!context || value != value) return;  // a NaN has no place in an order
  (*context)->bid = value;
  state_->update_rest(**context);
}

// ---- snapshots: contexts under a name, never active

Result<> Engine::save(ContextId id, std::string_view user, std::string_view name) {
  const std::lock_guard lock(state_->mutex);
  ASSIGN_OR_RETURN(const Context* from, state_->find(id));
  Served& served = state_->served(*from);
  auto& named = served.snapshots[std::string(user)];
  if (named.contains(name)) return fail(ErrorKind::Usage, "[engine] a snapshot named {} exists; delete it first", name);
  if (named.size() >= kMaxSnapshotsPerUser)
    return fail(ErrorKind::Limit, "[engine] snapshots of {}; got one more than {}", user, kMaxSnapshotsPerUser);
  auto snapshot = std::make_unique<Context>();
  fork_into(served.pool, state_->options.page_size, *from, *snapshot);
  deactivate_all(served.pool, *snapshot);
  named.emplace(std::string(name), std::move(snapshot));
  return {};
}

namespace {

// Where the snapshot is, or nullptr.
std::unique_ptr<Context>* find_snapshot(Served& served, std::string_view user, std::string_view name) {
  const auto named = served.snapshots.find(user);
  if (named == served.snapshots.end()) return nullptr;
  const auto snapshot = named->second.find(name);
  return snapshot == named->second.end() ? nullptr : &snapshot->second;
}

void forget_snapshot(Served& served, std::string_view user, std::string_view name) {
  const auto named = served.snapshots.find(user);
  named->second.erase(named->second.find(name));
  if (named->second.empty()) served.snapshots.erase(named);
}

std::unexpected<Error> no_snapshot(std::string_view name) {
  return fail(ErrorKind::NotFound, "[engine] no snapshot named {}", name);
}

}  // namespace

Result<ContextId> Engine::open(ModelId model, std::string_view user, std::string_view name) {
  const std::lock_guard lock(state_->mutex);
  if (model >= state_->models.size()) return no_model(model, state_->models.size());
  Served& served = *state_->models[model];
  const auto* snapshot = find_snapshot(served, user, name);
  if (snapshot == nullptr) return no_snapshot(name);
  Context& context = state_->new_context(model);
  fork_into(served.pool, state_->options.page_size, **snapshot, context);
  return context.id;
}

Result<ContextId> Engine::take(ModelId model, std::string_view user, std::string_view name) {
  const std::lock_guard lock(state_->mutex);
  if (model >= state_->models.size()) return no_model(model, state_->models.size());
  Served& served = *state_->models[model];
  auto* snapshot = find_snapshot(served, user, name);
  if (snapshot == nullptr) return no_snapshot(name);
  std::unique_ptr<Context> context = std::move(*snapshot);
  forget_snapshot(served, user, name);
  context->id = state_->next_id++;
  context->last_used = ++state_->uses;
  context->last_used_ms = state_->now_ms();
  const ContextId id = context->id;
  state_->contexts.emplace(id, std::move(context));
  return id;
}

Result<> Engine::remove(ModelId model, std::string_view user, std::string_view name) {
  const std::lock_guard lock(state_->mutex);
  if (model >= state_->models.size()) return no_model(model, state_->models.size());
  Served& served = *state_->models[model];
  const auto* snapshot = find_snapshot(served, user, name);
  if (snapshot == nullptr) return no_snapshot(name);
  engine::release(served.pool, state_->options.page_size, **snapshot);
  forget_snapshot(served, user, name);
  state_->notify();
  return {};
}

}  // namespace hearth::engine
