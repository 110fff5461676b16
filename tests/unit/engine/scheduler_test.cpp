// The text cases of tests/cases/scheduler, and properties over random situations.
#include "engine/scheduler.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

namespace hearth::engine {
namespace {

std::string text_of(const StepPlan& plan) {
  std::string grants = "-> grants";
  for (const Grant& grant : plan.grants) grants += fmt::format(" {}:{}", grant.pass, grant.tokens);
  std::vector<std::string> lines;
  if (!plan.suspend.empty()) lines.push_back(fmt::format("-> suspend {}", fmt::join(plan.suspend, " ")));
  if (!plan.refuse.empty()) lines.push_back(fmt::format("-> refuse {}", fmt::join(plan.refuse, " ")));
  if (plan.find_victims) lines.push_back("-> find_victims");
  if (!plan.grants.empty() || lines.empty()) lines.push_back(grants);
  if (plan.wake_ms >= 0) lines.push_back(fmt::format("-> wake {}", plan.wake_ms));
  return fmt::format("{}", fmt::join(lines, "\n"));
}

struct Case {
  std::string name, want;
  StepBudget budget{};
  PageSupply supply{1000, 1000};
  int64_t now = 1000;
  std::vector<PassView> passes;
  std::vector<Victim> victims;
};

std::vector<Case> read_cases(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::vector<Case> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word == "#") continue;
    if (word == "case") {
      cases.emplace_back().name = line.substr(5);
      continue;
    }
    Case& now = cases.back();
    if (word == "->") {
      now.want += (now.want.empty() ? "" : "\n") + line;
    } else if (word == "budget") {
      words >> now.budget.tokens >> now.budget.passes >> now.budget.page_size;
    } else if (word == "pages") {
      words >> now.supply.total >> now.supply.ready >> now.supply.held >> now.supply.host_room;
    } else if (word == "now") {
      words >> now.now;
    } else if (word == "victims") {
      now.supply.victims_known = true;
    } else if (word == "pass") {
      PassView pass{.under_way = true};
      words >> pass.pass;
      while (words >> word) {
        if (word == "remaining")
          words >> pass.remaining;
        else if (word == "room")
          words >> pass.room;
        else if (word == "first")
          words >> pass.pages_first;
        else if (word == "held")
          words >> pass.held_change;
        else if (word == "host")
          words >> pass.host_change;
        else if (word == "end")
          words >> pass.pages_at_end;
        else if (word == "since")
          words >> pass.waiting_since_ms;
        else if (word == "out")
          pass.under_way = false;
        else if (word == "after")
          words >> pass.after;
        else
          ADD_FAILURE() << line;
      }
      now.passes.push_back(pass);
    } else if (word == "victim") {
      now.supply.victims_known = true;
      Victim victim{};
      words >> victim.context;
      while (words >> word) {
        if (word == "pass")
          words >> victim.pass;
        else if (word == "pages")
          words >> victim.pages;
        else if (word == "quiet_since")
          words >> victim.quiet_since_ms;
        else
          ADD_FAILURE() << line;
      }
      now.victims.push_back(victim);
    } else {
      ADD_FAILURE() << path << ": " << line;
    }
  }
  return cases;
}

TEST(Scheduler, TextCases) {
  size_t count = 0;
  for (const char* name : {"tokens.txt", "pages.txt", "shared.txt"}) {
    for (const Case& each : read_cases(std::string(HEARTH_SOURCE_DIR) + "/tests/cases/scheduler/" + name)) {
      ++count;
      PageSupply supply = each.supply;
      supply.victims = each.victims;
      const StepPlan plan = schedule(each.passes, each.budget, supply, each.now);
      EXPECT_EQ(text_of(plan), each.want) << name << ": " << each.name;
    }
  }
  EXPECT_GT(count, 20u);
}

// Budgets hold, nobody gets more than he wants, and work is never left undone while there is room for it.
TEST(Scheduler, RandomSituationsKeepTheLimits) {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    const StepBudget budget{1 + static_cast<int64_t>(random() % 200), 1 + static_cast<int64_t>(random() % 20),
                            1 + static_cast<int64_t>(random() % 16)};
    std::vector<PassView> passes;
    int64_t wanted = 0;
    for (uint64_t n = 1, count = random() % 30; n <= count; ++n) {
      passes.push_back({.pass = n,
                        .remaining = 1 + static_cast<int64_t>(random() % (random() % 3 == 0 ? 500 : 5)),
                        .room = static_cast<int64_t>(random() % static_cast<unsigned>(budget.page_size)),
                        .pages_first = static_cast<int64_t>(random() % 3),
                        .held_change = 0,
                        .host_change = 0,
                        .pages_at_end = static_cast<int64_t>(random() % 40),
                        .under_way = random() % 2 == 0,
                        .waiting_since_ms = static_cast<int64_t>(random() % 1000)});
      wanted += passes.back().remaining;
    }
    const bool plenty = random() % 2 == 0;
    const int64_t available = plenty ? 100000 : static_cast<int64_t>(random() % 20);
    const StepPlan plan = schedule(passes, budget, {100000, available, 0, 0, true, {}}, 1000);
    int64_t tokens = 0, pages = 0;
    for (const Grant& grant : plan.grants) {
      const PassView& pass = passes[grant.pass - 1];
      ASSERT_GT(grant.tokens, 0);
      ASSERT_LE(grant.tokens, pass.remaining);
      tokens += grant.tokens;
      pages +=
          pass.pages_first + (std::max<int64_t>(0, grant.tokens - pass.room) + budget.page_size - 1) / budget.page_size;
    }
    ASSERT_TRUE(std::ranges::is_sorted(plan.grants, {}, &Grant::pass));
    ASSERT_LE(tokens, budget.tokens);
    ASSERT_LE(static_cast<int64_t>(plan.grants.size()), budget.passes);
    ASSERT_LE(pages, available);
    if (plenty && !passes.empty()) {
      ASSERT_FALSE(plan.grants.empty());
      // Full, unless the number of passes is the limit or everybody is served.
      const bool all_places = static_cast<int64_t>(plan.grants.size()) == budget.passes;
      ASSERT_TRUE(tokens == std::min(budget.tokens, wanted) || all_places) << round;
    }
  }
}

// Step after step with newcomers all the time: everybody is done some day.
TEST(Scheduler, NobodyStarves) {
  const StepBudget budget{32, 8, 4};
  std::map<uint64_t, int64_t> remaining, born;
  uint64_t next = 1;
  int64_t longest = 0;
  for (int64_t step = 0; step < 2000; ++step) {
    for (int i = 0; i < 6; ++i) remaining[next] = 1, born[next++] = step;
    if (step % 8 == 0) remaining[next] = 60, born[next++] = step;
    std::vector<PassView> passes;
    for (const auto& [pass, tokens] : remaining)
      passes.push_back({.pass = pass,
                        .remaining = tokens,
                        .room = 0,
                        .pages_first = 0,
                        .held_change = 0,
                        .host_change = 0,
                        .pages_at_end = 1,
                        .under_way = true,
                        .waiting_since_ms = 0});
    for (const Grant& grant : schedule(passes, budget, {1000, 1000}, step).grants) {
      if ((remaining[grant.pass] -= grant.tokens) > 0) continue;
      longest = std::max(longest, step - born[grant.pass]);
      remaining.erase(grant.pass);
    }
  }
  EXPECT_LT(longest, 40);
  EXPECT_LT(remaining.size(), 50u);
}

}  // namespace
}  // namespace hearth::engine
