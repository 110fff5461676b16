// From the passes that wait to a step: candidates for the scheduler, its answer carried out on pages, rows of the
// batch.
#include <algorithm>

#include "engine/engine_state.h"

namespace hearth::engine {
namespace {

constexpr size_t kMaxVictims = 16;  // offered at a time; the scheduler asks again when these were not enough

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t pages_only_it_needs(const Context& context) {
  int64_t count = 0;
  for (size_t i = 0; i < context.active_pages; ++i) count += context.pages[i]->active == 1 ? 1 : 0;
  return count;
}

// The full page that a pass works on next: the page before it and its content.
struct NextPage {
  const Page* parent;
  std::span<const uint32_t> tokens, positions;

  bool operator==(const NextPage& other) const {
    return parent == other.parent && std::ranges::equal(tokens, other.tokens) &&
           std::ranges::equal(positions, other.positions);
  }
};

// None when the pass will not fill one that others can find. `page_size` divides what the context had before the pass.
std::optional<NextPage> next_page(const Pass& pass, size_t page_size) {
  const Context& context = *pass.context;
  const size_t base = context.tokens.size(), first = pass.computed / page_size * page_size;
  if (base % page_size != 0 || first + page_size > pass.token_count() || base + first + page_size > pass.masked_from)
    return std::nullopt;
  const size_t index = (base + first) / page_size;
  const Page* parent = index > 0 ? context.pages[index - 1] : nullptr;
  if (parent != nullptr && !parent->in_tree) return std::nullopt;
  return NextPage{parent, std::span(pass.request.tokens).subspan(first, page_size),
                  std::span(pass.request.positions).subspan(first, page_size)};
}

// Whether the tree may still serve the next page of the pass.
bool takes_pages(const Pass& pass, size_t page_size) {
  return pass.computed == pass.matched && pass.computed + page_size <= pass.skippable;
}

}  // namespace

// Moves the pass forward over full pages that the tree has, as long as it has computed nothing itself.
void Engine::State::take_prefix(Served& served, Pass& pass) {
  Context& context = *pass.context;
  const size_t base = context.tokens.size(), page_size = static_cast<size_t>(options.page_size);
  if (pass.computed != pass.matched || base % page_size != 0 || context.masked_from != UINT64_MAX) return;
  Page* parent = context.pages.empty() ? nullptr : context.pages.back();
  if (parent != nullptr && !parent->in_tree) return;
  while (pass.computed + page_size <= pass.skippable) {
    Page* page = served.pool.find(parent, std::span(pass.request.tokens).subspan(pass.computed, page_size),
                                  std::span(pass.request.positions).subspan(pass.computed, page_size));
    if (page == nullptr) break;
    served.pool.hold(page);
    context.pages.push_back(page);
    pass.computed += static_cast<uint32_t>(page_size);
    served.stats.tokens_from_prefix += page_size;
    parent = page;
  }
  pass.matched = pass.computed;
}

// The pass computed its last `tokens` tokens in a step: pages that became full are for everybody.
void Engine::State::share_pages(Served& served, Pass& pass, uint32_t tokens) {
  const Context& context = *pass.context;
  const size_t base = context.tokens.size(), page_size = static_cast<size_t>(options.page_size),
               end = base + pass.computed;
  std::vector<uint32_t> row(page_size), positions(page_size);
  for (size_t i = (end - tokens) / page_size; (i + 1) * page_size <= std::min(end, pass.masked_from); ++i) {
    Page* parent = i > 0 ? context.pages[i - 1] : nullptr;
    if (parent != nullptr && !parent->in_tree) return;
    for (size_t k = 0; k < page_size; ++k) {
      const size_t at = i * page_size + k;
      row[k] = at < base ? context.tokens[at] : pass.request.tokens[at - base];
      positions[k] = at < base ? context.positions[at] : pass.request.positions[at - base];
    }
    if (served.pool.find(parent, row, positions) != nullptr) return;  // somebody else's: commit() joins the two
    served.pool.share(context.pages[i], parent, row, positions);
  }
}

PassView Engine::State::view_of(const Pass& pass) const {
  const Context& context = *pass.context;
  const int64_t at = static_cast<int64_t>(context.tokens.size()) + pass.computed;
  PassView view{.pass = pass.id,
                .remaining = pass.remaining(),
                .room = static_cast<int64_t>(context.pages.size()) * options.page_size - at,
                .pages_first = 0,
                .held_change = 0,
                .host_change = 0,
                .pages_at_end = ceil_div(at + pass.remaining(), options.page_size),
                .under_way = context.active_pages > 0,
                .waiting_since_ms = pass.waiting_since_ms};
  for (size_t i = context.active_pages; i < context.pages.size(); ++i) {
    if (context.pages[i]->slot < 0) {
      ++view.pages_first;
      ++view.host_change;
    } else if (context.pages[i]->active == 0) {
      --view.held_change;
    }
  }
  if (at % options.page_size != 0) {
    const size_t last = static_cast<size_t>(at / options.page_size);
    const Page* page = context.pages[last];
    if (!PagePool::writable(page)) {
      // The copy takes a slot. The original gives one back at once when only the tree knows it, or may go to host
      // memory when those who hold it do not need it now.
      const uint32_t others_active = page->active - (last < context.active_pages ? 1 : 0);
      if (others_active > 0 || page->holders > 1) ++view.pages_first;
      if (others_active == 0 && page->holders > 1) ++view.held_change;
    }
  }
  return view;
}

std::vector<PassView> Engine::State::candidates(Served& served) {
  std::vector<Pass*> first, ready;
  for (auto* queue : {&served.ready_short, &served.ready_long}) {
    int64_t places = options.max_step_requests;
    for (auto it = queue->begin(); it != queue->end() && places > 0; ++it, --places) first.push_back(it->second);
  }
  for (Pass* pass : first) {
    const bool was_long = pass->remaining() > options.page_size;
    take_prefix(served, *pass);
    if (pass->remaining() == 0) {  // everything was there and nobody wants an output
      finish(*pass, ForwardOutput{});
      continue;
    }
    if (was_long && pass->remaining() <= options.page_size) {
      served.ready_long.erase(pass->id);
      served.ready_short.emplace(pass->id, pass);
    }
    ready.push_back(pass);
  }
  std::ranges::sort(ready, {}, &Pass::id);
  std::vector<PassView> views;
  const size_t page_size = static_cast<size_t>(options.page_size);
  std::unordered_map<uint64_t, const Pass*> makers;  // the oldest pass with each next page, by the page's hash
  for (const Pass* pass : ready) {
    PassView& view = views.emplace_back(view_of(*pass));
    const auto next = next_page(*pass, page_size);
    if (!next) continue;
    const auto [maker, added] =
        makers.try_emplace(PrefixTree::hash_of(next->parent, next->tokens, next->positions), pass);
    if (!added && takes_pages(*pass, page_size) && next == next_page(*maker->second, page_size))
      view.after = maker->second->id;
  }
  return views;
}

std::vector<Victim> Engine::State::victims(const Served& served) const {
  std::vector<Victim> result;
  for (auto it = served.resting.begin(); it != served.resting.end() && result.size() < kMaxVictims; ++it) {
    const Context& context = *contexts.at(std::get<2>(*it));
    result.push_back({context.id, 0, pages_only_it_needs(context), context.last_used_ms});
  }
  std::vector<const Pass*> youngest;
  for (const auto* queue : {&served.ready_short, &served.ready_long})
    for (auto it = queue->rbegin(); it != queue->rend(); ++it)
      if (it->second->context->active_pages > 0) youngest.push_back(it->second);
  std::ranges::sort(youngest, std::greater<>{}, &Pass::id);
  for (const Pass* pass : youngest) {
    if (result.size() >= 2 * kMaxVictims) break;
    result.push_back({pass->context->id, pass->id, pages_only_it_needs(*pass->context), 0});
  }
  return result;
}

// How many of `tokens` keep the outputs of the step within their limit. The first row with outputs always goes: so
// every pass moves.
uint32_t Engine::State::within_outputs(const Served& served, const Step& step, const Pass& pass,
                                       uint32_t tokens) const {
  size_t bytes = step.output_bytes;
  std::optional<uint32_t> first;
  for (size_t k = pass.next_slot; k < pass.slot_order.size(); ++k) {
    const SamplerSlot& slot = pass.request.slots[pass.slot_order[k]];
    if (slot.index >= pass.computed + tokens) break;
    if (!first) first = slot.index;
    bytes += output_bytes(slot.sampler, served.model->config());
    if (bytes > options.max_step_output_bytes && slot.index != *first) return slot.index - pass.computed;
  }
  return tokens;
}

bool Engine::State::add_part(Served& served, Step& step, Pass& pass, uint32_t tokens) {
  Context& context = *pass.context;
  tokens = within_outputs(served, step, pass, tokens);
  const int64_t page_size = options.page_size;
  const int64_t base = static_cast<int64_t>(context.tokens.size());
  const int64_t begin = base + pass.computed, end = begin + tokens;
  for (; context.active_pages < context.pages.size(); ++context.active_pages)
    if (!served.pool.activate(context.pages[context.active_pages], step.moves)) return false;
  if (begin % page_size != 0 &&
      !make_writable(served.pool, context, static_cast<size_t>(begin / page_size), step.moves))
    return false;
  for (const int64_t need = ceil_div(end, page_size); static_cast<int64_t>(context.pages.size()) < need;
       ++context.active_pages) {
    Page* page = served.pool.create(step.moves);
    if (page == nullptr) return false;
    context.pages.push_back(page);
  }

  const uint32_t row = static_cast<uint32_t>(step.tokens.size());
  for (uint32_t i = pass.computed; i < pass.computed + tokens; ++i) {
    const int64_t key = base + i;
    step.tokens.push_back(static_cast<int32_t>(pass.request.tokens[i]));
    step.positions.push_back(static_cast<int32_t>(pass.request.positions[i]));
    step.slots.push_back(context.pages[static_cast<size_t>(key / page_size)]->slot * static_cast<int32_t>(page_size) +
                         static_cast<int32_t>(key % page_size));
    if (pass.own_mask.empty() || !pass.own_mask[i]) {
      step.mask_offset.push_back(-1);
    } else {
      step.mask_offset.push_back(static_cast<int32_t>(step.mask.size()));
      const auto words = pass.request.attention_mask[i].decode(static_cast<uint32_t>(end));
      for (int64_t byte = 0; byte < ceil_div(end, 8); ++byte)
        step.mask.push_back(static_cast<uint8_t>(words[static_cast<size_t>(byte / 4)] >> (byte % 4 * 8)));
    }
  }
  for (int64_t i = 0; i < ceil_div(end, page_size); ++i)
    step.page_table.push_back(context.pages[static_cast<size_t>(i)]->slot);
  step.token_indptr.push_back(static_cast<int32_t>(step.tokens.size()));
  step.page_indptr.push_back(static_cast<int32_t>(step.page_table.size()));
  step.kv_len.push_back(static_cast<int32_t>(end));

  for (size_t k = pass.next_slot; k < pass.slot_order.size(); ++k) {
    const uint32_t which = pass.slot_order[k];
    const SamplerSlot& slot = pass.request.slots[which];
    if (slot.index >= pass.computed + tokens) break;
    const int32_t output_row = static_cast<int32_t>(row + slot.index - pass.computed);
    if (step.output_rows.empty() || step.output_rows.back() != output_row) step.output_rows.push_back(output_row);
    SamplingJob job{.sampler = &slot.sampler,
                    .logit_mask = pass.request.logit_mask ? &*pass.request.logit_mask : nullptr,
                    .row = static_cast<uint32_t>(step.output_rows.size() - 1),
                    .seed = 0,
                    .index = static_cast<uint64_t>(base) + slot.index,
                    .output = std::nullopt};
    step.output_bytes += output_bytes(slot.sampler, served.model->config());
    if (const Draw* draw = std::get_if<Draw>(&slot.sampler))
      job.seed = draw->seed != 0 ? draw->seed : pass.seed + which;
    step.jobs.push_back(std::move(job));
  }
  step.job_indptr.push_back(step.jobs.size());
  step.parts.push_back({&pass, tokens, row});
  pass.in_step = pass.running = true;
  return true;
}

Step Engine::State::plan_model(Served& served) {
  Step step;
  step.served = &served;
  bool look_for_victims = false;
  while (!served.ready_short.empty() || !served.ready_long.empty()) {
    const std::vector<PassView> views = candidates(served);
    std::vector<Victim> found;
    if (look_for_victims) found = victims(served);
    const int64_t now = now_ms();
    const StepPlan plan = schedule(views,
                                   {std::min(options.max_step_tokens, served.model->max_step_tokens()),
                                    options.max_step_requests, options.page_size},
                                   {served.pool.total(), served.pool.free() + served.pool.cached(), served.pool.held(),
                                    served.pool.host_room(), look_for_victims, found},
                                   now);
    for (const RequestId id : plan.refuse) {
      Pass& pass = *passes.at(id);
      const int64_t need = view_of(pass).pages_at_end;
      finish(
          pass,
          fail(ErrorKind::Limit,
               "[engine] out of pages: the context needs {} ({} tokens and {} more), the model has {}, {} can be had",
               need, pass.context->tokens.size(), pass.token_count(), served.pool.total(), served.pool.available()));
    }
    for (const ContextId id : plan.suspend) suspend(*contexts.at(id));
    if (!plan.refuse.empty() || !plan.suspend.empty()) continue;
    if (plan.find_victims) {
      look_for_victims = true;
      continue;
    }
    for (const Grant& grant : plan.grants)
      add_part(served, step, *passes.at(grant.pass), static_cast<uint32_t>(grant.tokens));
    // A part that found no page after all (shared pages were counted on twice) tries again in the next step.
    int64_t again = plan.wake_ms;
    if (step.parts.empty() && again < 0) again = now + 1;
    if (again >= 0 && (wake_ms < 0 || again < wake_ms)) wake_ms = again;
    break;
  }
  return step;
}

Step Engine::State::plan() {
  wake_ms = -1;
  for (size_t i = 0; i < models.size(); ++i) {
    Served& model = *models[(turn + i) % models.size()];
    Step step = plan_model(model);
    if (step.parts.empty() && step.moves.empty()) continue;
    turn = (turn + i + 1) % models.size();
    return step;
  }
  return {};
}

}  // namespace hearth::engine
