#include "runtime/shape_run.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/session_memory.h"

namespace hearth::runtime {
namespace {

using Block = std::shared_ptr<std::byte>;

// Counts what is asked of the session's memory.
class CountingMemory final : public TensorMemory {
 public:
  explicit CountingMemory(size_t limit = 0) : memory_(limit) {}
  Result<Block> allocate(size_t bytes) override {
    asked.push_back(bytes);
    return memory_.allocate(bytes);
  }
  MemoryStats stats() const { return memory_.stats(); }
  std::vector<size_t> asked;

 private:
  SessionMemory memory_;
};

Block take(ShapeRun& run, size_t bytes) {
  auto made = run.allocate(bytes);
  EXPECT_TRUE(made);
  return made ? std::move(*made) : nullptr;
}

// Two steps: the first asks for 1000 and 300 bytes, of which the 300 die at once; the second for 1000 and 500, and the
// 500 leave.
void steps(ShapeRun& run, size_t second = 1000, Block* left = nullptr, Block* held = nullptr) {
  run.begin_step(0);
  Block a = take(run, 1000);
  std::memset(a.get(), 1, 1000);
  if (held != nullptr) *held = a;
  {
    const Block scratch = take(run, 300);
    std::memset(scratch.get(), 2, 300);
  }
  run.begin_step(1);
  const Block b = take(run, second);
  std::memset(b.get(), 3, second);
  EXPECT_EQ(a.get()[999], std::byte{1});
  Block result = take(run, 500);
  std::memset(result.get(), 4, 500);
  a.reset();
  if (left != nullptr) *left = result;
}

std::shared_ptr<ShapePlan> recorded(TensorMemory& memory) {
  Block left;
  ShapeRun run(memory, 2);
  steps(run, 1000, &left);
  return std::make_shared<ShapePlan>(ShapeKey{}, run.take_record());
}

TEST(ShapeRun, RecordsWhatIsAskedForAndHowLongItLives) {
  CountingMemory memory;
  Block left;
  ShapeRun run(memory, 2);
  steps(run, 1000, &left);
  const RunRecord record = run.take_record();
  EXPECT_EQ(record.first, (std::vector<uint32_t>{0, 2}));
  ASSERT_EQ(record.requests.size(), 4u);
  const auto life = [&](size_t i) { return std::pair(record.requests[i].bytes, record.requests[i].end); };
  EXPECT_EQ(life(0), std::pair(size_t{1000}, 4u));
  EXPECT_EQ(life(1), std::pair(size_t{300}, 2u));
  EXPECT_EQ(life(2), std::pair(size_t{1000}, 4u));
  EXPECT_EQ(life(3), std::pair(size_t{500}, RunRecord::kLeft));
}

TEST(ShapeRun, TheNextRunTakesOneBlockAndWhatLeaves) {
  CountingMemory memory;
  const auto plan = recorded(memory);
  memory.asked.clear();
  {
    ShapeRun run(memory, plan);
    Block left;
    steps(run, 1000, &left);
    EXPECT_FALSE(run.crowded());
  }
  ASSERT_EQ(memory.asked.size(), 2u);
  EXPECT_GE(memory.asked[0], plan->arena()->bytes);
  EXPECT_EQ(plan->arena()->bytes, 2048u);  // the 300 bytes lie where the second 1000 will
  EXPECT_EQ(memory.asked[1], 500u);
  EXPECT_EQ(memory.stats().in_use, 0u);
}

TEST(ShapeRun, AnotherSizeComesByItselfFromThenOn) {
  CountingMemory memory;
  const auto plan = recorded(memory);
  for (int i = 0; i < 2; ++i) {
    memory.asked.clear();
    ShapeRun run(memory, plan);
    steps(run, 1200);
    run.correct_plan(true);
    EXPECT_EQ(std::vector<size_t>(memory.asked.begin() + 1, memory.asked.end()), (std::vector<size_t>{1200, 500}));
    EXPECT_EQ(plan->arena()->requests[2].bytes, ArenaPlan::kNoSlice);
    EXPECT_EQ(plan->arena()->slices, 2u);
  }
}

TEST(ShapeRun, WhatSomebodyHoldsIsNotGivenAway) {
  CountingMemory memory;
  const auto plan = recorded(memory);
  memory.asked.clear();
  std::vector<Block> held;
  {
    ShapeRun run(memory, plan);
    run.begin_step(0);
    held.push_back(take(run, 1000));
    held.push_back(take(run, 300));  // the plan lets it die here
    for (const Block& block : held) std::memset(block.get(), 5, 300);
    run.begin_step(1);
    held.push_back(take(run, 1000));
    std::memset(held.back().get(), 6, 1000);
    EXPECT_EQ(memory.asked.size(), 2u);
    run.correct_plan(true);
  }
  EXPECT_EQ(plan->arena()->requests[2].bytes, ArenaPlan::kNoSlice);
  EXPECT_EQ(held[0].get()[299], std::byte{5});
  EXPECT_EQ(held[1].get()[299], std::byte{5});
  EXPECT_GT(memory.stats().in_use, 2048u);  // blocks keep their arena, and outlive the run
  held.clear();
  EXPECT_EQ(memory.stats().in_use, 0u);
}

TEST(ShapeRun, HandlesOutliveRunPlanAndMemory) {
  Block held;
  {
    CountingMemory memory;
    ShapeRun run(memory, recorded(memory));
    steps(run, 1000, nullptr, &held);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(held.get()[999], std::byte{1});
}

TEST(ShapeRun, MoreRequestsThanRecordedAreServed) {
  CountingMemory memory;
  const auto plan = recorded(memory);
  memory.asked.clear();
  ShapeRun run(memory, plan);
  run.begin_step(0);
  const Block a = take(run, 1000), b = take(run, 300), c = take(run, 700), d = take(run, 900);
  EXPECT_EQ(std::vector<size_t>(memory.asked.begin() + 1, memory.asked.end()), (std::vector<size_t>{700, 900}));
  run.begin_step(1);
  EXPECT_EQ(take(run, 500).get() != nullptr, true);
}

TEST(ShapeRun, WhatIsNoLongerAskedForLeavesTheArena) {
  CountingMemory memory;
  const auto plan = recorded(memory);
  {
    ShapeRun run(memory, plan);
    run.begin_step(0);
    take(run, 1000);  // and not the 300
    run.correct_plan(false);
    EXPECT_EQ(plan->arena()->slices, 3u);  // the run ended within the step
  }
  ShapeRun run(memory, plan);
  run.begin_step(0);
  take(run, 1000);
  run.begin_step(1);  // asks for nothing
  run.correct_plan(true);
  EXPECT_EQ(plan->arena()->slices, 1u);
  EXPECT_EQ(plan->arena()->bytes, 1024u);
}

TEST(ShapeRun, OnlySoManyRequestsAreRecorded) {
  CountingMemory memory;
  ShapeRun run(memory, 1);
  run.begin_step(0);
  for (size_t i = 0; i < kMostRequests + 10; ++i) take(run, 64);
  EXPECT_EQ(run.take_record().requests.size(), kMostRequests);
}

TEST(ShapeRun, WithoutRoomForTheArenaBlocksComeOneByOne) {
  CountingMemory memory(2304);
  const auto plan =
      std::make_shared<ShapePlan>(ShapeKey{}, RunRecord{.requests = {{1000, 0, 2}, {1000, 1, 2}}, .first = {0}});
  const Block other = *memory.allocate(256);
  ShapeRun run(memory, plan);  // 2048 bytes and what stands in front of them
  EXPECT_TRUE(run.arena().empty());
  run.begin_step(0);
  EXPECT_NE(take(run, 1000), nullptr);
  EXPECT_FALSE(run.crowded());
}

TEST(ShapeRun, TellsWhenTheArenaStandsInTheWay) {
  CountingMemory memory(4096);
  const auto plan = recorded(memory);
  ShapeRun run(memory, plan);
  EXPECT_FALSE(run.arena().empty());
  run.begin_step(0);
  EXPECT_FALSE(run.allocate(3000));
  EXPECT_TRUE(run.crowded());
}

TEST(ShapePlan, WithoutSlicesThereIsNoArena) {
  ShapePlan plan({}, RunRecord{.requests = {{1000, 0, RunRecord::kLeft}, {64, 1, 2}}, .first = {0}});
  EXPECT_NE(plan.arena(), nullptr);
  const uint32_t wrong[] = {1};
  plan.exclude(wrong);
  EXPECT_EQ(plan.arena(), nullptr);
  ShapePlan dropped({}, RunRecord{.requests = {{64, 0, 1}}, .first = {0}});
  EXPECT_NE(dropped.arena(), nullptr);
  dropped.drop_arena();
  dropped.exclude(std::vector<uint32_t>{0});
  EXPECT_EQ(dropped.arena(), nullptr);
}

TEST(ShapeKey, TellsShapesTypesAndThreadsApart) {
  const auto tensor = [](DType dtype, const Dims& dims) { return Value(*Tensor::allocate(dtype, dims)); };
  std::vector<ShapeKey> keys;
  const auto add = [&](std::vector<Value> inputs, bool threads = false) { keys.push_back(shape_key(inputs, threads)); };
  add({tensor(DType::F32, {2, 3})});
  add({tensor(DType::F32, {3, 2})});
  add({tensor(DType::I32, {2, 3})});
  add({tensor(DType::F32, {6})});
  add({tensor(DType::F32, {2, 3})}, true);
  add({tensor(DType::F32, {2, 3}), Value()});
  add({Value(), tensor(DType::F32, {2, 3})});
  add({tensor(DType::F32, {2}), tensor(DType::F32, {3})});
  for (size_t i = 0; i < keys.size(); ++i)
    for (size_t j = 0; j < i; ++j) EXPECT_NE(keys[i], keys[j]) << i << " and " << j;
  EXPECT_EQ(shape_key(std::vector{tensor(DType::F32, {2, 3})}, false), keys[0]);
}

TEST(ShapePlans, TheOneUnusedTheLongestGoes) {
  ShapePlans plans;
  const auto keep = [&](int64_t key) { plans.keep(std::make_shared<ShapePlan>(ShapeKey{key}, RunRecord{})); };
  for (int64_t i = 0; i < static_cast<int64_t>(kMostPlans); ++i) keep(i);
  EXPECT_NE(plans.find({0}), nullptr);
  keep(100);
  EXPECT_EQ(plans.count(), kMostPlans);
  EXPECT_NE(plans.find({0}), nullptr);
  EXPECT_EQ(plans.find({1}), nullptr);
  const auto held = plans.find({100});
  keep(100);  // a second thread that recorded the same
  EXPECT_EQ(plans.find({100}), held);
  EXPECT_EQ(plans.count(), kMostPlans);
}

}  // namespace
}  // namespace hearth::runtime
