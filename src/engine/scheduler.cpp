#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>

namespace hearth::engine {
namespace {

// Tokens per pass, if pages were no matter.
std::vector<int64_t> share_tokens(std::span<const PassView> passes, const StepBudget& budget) {
  std::vector<int64_t> grant(passes.size(), 0);
  std::vector<size_t> longs;
  for (size_t i = 0; i < passes.size(); ++i)
    if (passes[i].remaining > budget.page_size) longs.push_back(i);
  int64_t tokens = budget.tokens, places = budget.passes;
  const bool keep = !longs.empty() && longs.size() < passes.size();
  const int64_t kept_tokens = keep ? std::min(tokens, std::max(budget.page_size, tokens / 8)) : 0;
  const int64_t kept_places = keep ? std::max<int64_t>(1, places / 8) : 0;

  for (size_t i = 0; i < passes.size() && places > kept_places; ++i) {
    if (passes[i].remaining > budget.page_size) continue;
    if (tokens - passes[i].remaining < kept_tokens) break;  // in order of age: no overtaking by a smaller one
    grant[i] = passes[i].remaining;
    tokens -= grant[i];
    --places;
  }
  // Equal shares in whole pages. Those who want less than a share leave the rest to the others.
  const int64_t sharers = std::min(places, std::max<int64_t>(1, tokens / budget.page_size));
  longs.resize(std::min(longs.size(), static_cast<size_t>(sharers)));
  std::vector<size_t> by_size = longs;
  std::ranges::stable_sort(by_size, {}, [&](size_t i) { return passes[i].remaining; });
  for (size_t k = 0; k < by_size.size(); ++k) {
    const int64_t share = tokens / static_cast<int64_t>(by_size.size() - k);
    const int64_t remaining = passes[by_size[k]].remaining;
    int64_t given = std::min(remaining, share);
    if (given < remaining && given > budget.page_size) given -= given % budget.page_size;
    grant[by_size[k]] = given;
    tokens -= given;
  }
  for (const size_t i : longs) {
    const int64_t more = std::min(tokens, passes[i].remaining - grant[i]);
    grant[i] += more;
    tokens -= more;
  }
  places -= std::ranges::count_if(longs, [&](size_t i) { return grant[i] > 0; });
  for (size_t i = 0; i < passes.size() && places > 0 && tokens > 0; ++i) {  // what was kept and not used
    if (grant[i] > 0) continue;
    grant[i] = std::min(tokens, passes[i].remaining);
    tokens -= grant[i];
    --places;
  }
  return grant;
}

int64_t pages_for(const PassView& pass, int64_t tokens, int64_t page_size) {
  return pass.pages_first + (std::max<int64_t>(0, tokens - pass.room) + page_size - 1) / page_size;
}

// Who gives up pages so that `pass` can compute one token. Empty: nobody may be asked, or not yet.
std::vector<uint64_t> choose_victims(const PassView& pass, int64_t missing, const PageSupply& pages,
                                     const StepBudget& budget, int64_t now_ms) {
  std::vector<uint64_t> chosen;
  const bool impatient = pass.under_way || now_ms - pass.waiting_since_ms >= budget.patience_ms;
  for (const Victim& victim : pages.victims) {
    const bool allowed = victim.pass == 0 ? impatient || now_ms - victim.quiet_since_ms >= budget.quiet_ms
                                          : impatient && victim.pass > pass.pass;
    if (!allowed) continue;
    chosen.push_back(victim.context);
    missing -= victim.pages;
    if (missing <= 0) break;
  }
  return chosen;
}

StepPlan divide(std::span<const PassView> passes, const StepBudget& budget, const PageSupply& pages, int64_t now_ms) {
  StepPlan plan;
  std::vector<PassView> fitting;
  for (const PassView& pass : passes) {
    if (pass.pages_at_end > pages.total) {
      plan.refuse.push_back(pass.pass);
    } else {
      fitting.push_back(pass);
    }
  }
  const std::vector<int64_t> tokens = share_tokens(fitting, budget);
  PageSupply supply = pages;
  const PassView* blocked = nullptr;  // the oldest one that found no page
  for (size_t i = 0; i < fitting.size(); ++i) {
    const PassView& pass = fitting[i];
    if (tokens[i] == 0 || (blocked != nullptr && !pass.under_way)) continue;
    PageSupply own = supply;
    own.held += pass.held_change;
    own.host_room += pass.host_change;
    const int64_t available = own.available();
    // Fewer tokens now are better than somebody else's pages.
    const int64_t fit = std::min(tokens[i], pass.room + (available - pass.pages_first) * budget.page_size);
    if (available >= pass.pages_first && fit > 0) {
      own.take(pages_for(pass, fit, budget.page_size));
      supply = own;
      plan.grants.push_back({pass.pass, fit});
      continue;
    }
    if (!pages.victims_known) return {.refuse = std::move(plan.refuse), .find_victims = true};
    const int64_t missing = pages_for(pass, 1, budget.page_size) - available;
    auto victims = choose_victims(pass, missing, pages, budget, now_ms);
    if (!victims.empty()) return {.suspend = std::move(victims), .refuse = std::move(plan.refuse)};
    if (blocked == nullptr) blocked = &pass;
  }
  if (blocked != nullptr) {
    const bool waits = !blocked->under_way && now_ms - blocked->waiting_since_ms < budget.patience_ms;
    const bool nobody = std::ranges::none_of(
        pages.victims, [&](const Victim& victim) { return victim.pass == 0 || victim.pass > blocked->pass; });
    if (plan.grants.empty() && nobody && !waits) {
      plan.refuse.push_back(blocked->pass);  // nobody has pages to give, and nobody works who might free some
    } else {
      plan.wake_ms = now_ms + budget.quiet_ms;
    }
  }
  return plan;
}

}  // namespace

StepPlan schedule(std::span<const PassView> passes, const StepBudget& budget, const PageSupply& pages, int64_t now_ms) {
  StepPlan plan;
  const auto moves = [&](uint64_t pass) {
    return std::ranges::find(plan.grants, pass, &Grant::pass) != plan.grants.end();
  };
  std::vector<PassView> present;
  std::ranges::copy_if(passes, std::back_inserter(present), [](const PassView& pass) { return pass.after == 0; });
  plan = divide(present, budget, pages, now_ms);
  if (plan.find_victims || !plan.suspend.empty() || !plan.refuse.empty()) return plan;
  // Nobody waits for one that stands still.
  const size_t count = present.size();
  present.clear();
  std::ranges::copy_if(passes, std::back_inserter(present),
                       [&](const PassView& pass) { return pass.after == 0 || !moves(pass.after); });
  return present.size() == count ? plan : divide(present, budget, pages, now_ms);
}

}  // namespace hearth::engine
