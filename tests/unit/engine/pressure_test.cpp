// Few pages: eviction, suspension, moving out and back, refusal. And snapshots, cancelling, ending.
#include <thread>

#include "engine_fixture.h"

namespace hearth::engine {
namespace {

TEST(Pressure, SuspendedContextsComeBackToTheBit) {
  Fixture f(12);
  const auto a = some_tokens(1, 18), b = some_tokens(2, 40);  // 5 and 10 pages of 12
  const ContextId first = f.engine->create(f.id).value();
  f.next(first, a);
  ASSERT_TRUE(f.engine->suspend(first));
  EXPECT_TRUE(f.engine->info(first).value().suspended);
  EXPECT_EQ(f.stats().pages_free + f.stats().pages_cached, 12);
  const ContextId second = f.engine->create(f.id).value();
  EXPECT_EQ(f.next(second, b), alone(b));
  EXPECT_GT(f.stats().pages_moved_out, 0u);
  EXPECT_GT(f.stats().pages_in_host, 0);
  EXPECT_EQ(f.next(first, {3}), alone(a + std::vector{3u}));
  EXPECT_FALSE(f.engine->info(first).value().suspended);
  EXPECT_EQ(f.next(second, {4}), alone(b + std::vector{4u}));
  EXPECT_EQ(f.next(first, {5}), alone(a + std::vector{3u, 5u}));
}

TEST(Pressure, CachedPagesGoFirst) {
  Fixture f(12);
  const auto a = some_tokens(3, 16), b = some_tokens(4, 40);
  f.next(std::nullopt, a);
  EXPECT_EQ(f.stats().pages_cached, 4);
  const ContextId context = f.engine->create(f.id).value();
  EXPECT_EQ(f.next(context, b), alone(b));
  EXPECT_EQ(f.stats().pages_evicted, 2u);
  EXPECT_EQ(f.stats().suspends, 0u);
  EXPECT_EQ(f.stats().pages_moved_out, 0u);
  f.next(std::nullopt, {a.begin(), a.begin() + 9});  // the beginning is what stayed
  EXPECT_EQ(f.stats().tokens_from_prefix, 8u);
}

TEST(Pressure, TheLowestBidThenTheLeastRecentlyUsedIsSuspended) {
  Fixture f(12);
  std::vector<ContextId> contexts;
  for (uint32_t i = 0; i < 4; ++i) {
    contexts.push_back(f.engine->create(f.id).value());
    f.next(contexts[i], some_tokens(10 + i, 12));  // 3 pages each
  }
  f.engine->bid(contexts[0], 2);
  f.engine->bid(contexts[2], -1);
  const ContextId more = f.engine->create(f.id).value();
  f.next(more, some_tokens(20, 10));  // needs 3
  const auto suspended = [&](size_t i) { return f.engine->info(contexts[i]).value().suspended; };
  EXPECT_TRUE(suspended(2));
  EXPECT_FALSE(suspended(0) || suspended(1) || suspended(3));
  f.next(more, some_tokens(21, 4));
  EXPECT_TRUE(suspended(1));
  EXPECT_FALSE(suspended(0) || suspended(3));
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(f.next(contexts[i], {i}), alone(some_tokens(10 + i, 12) + std::vector{i}));
}

TEST(Pressure, MoreWorkThanPagesIsDoneInTurns) {
  Fixture f(16);
  std::vector<std::future<Result<ForwardOutput>>> futures;
  for (uint32_t i = 0; i < 12; ++i)
    futures.push_back(f.start(f.append(std::nullopt, some_tokens(30 + i, 30 + i), {0, 29 + i})));
  for (uint32_t i = 0; i < 12; ++i) {
    const auto output = futures[i].get();
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_EQ(std::get<LogitsOutput>(output->slots[1]).logits, alone(some_tokens(30 + i, 30 + i))) << i;
  }
}

TEST(Pressure, AnExactFitWithASharedHalfPage) {
  Fixture f(4);
  const auto tokens = some_tokens(5, 14);
  const ContextId parent = f.engine->create(f.id).value();
  f.next(parent, tokens);  // all 4 pages, the last with two tokens
  const ContextId fork = f.engine->fork(parent).value();
  EXPECT_EQ(f.next(fork, {1}), alone(tokens + std::vector{1u}));
  EXPECT_EQ(f.next(parent, {2}), alone(tokens + std::vector{2u}));
  EXPECT_EQ(f.next(fork, {3}), alone(tokens + std::vector{1u, 3u}));
}

TEST(Pressure, WhatCanNeverFitIsRefusedWithTheNumbers) {
  Fixture f(8);
  const auto refused = f.run(f.append(std::nullopt, some_tokens(6, 33), {32}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit);
  EXPECT_NE(refused.error().message.find("needs 9"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("has 8"), std::string::npos) << refused.error().message;
  EXPECT_EQ(f.next(std::nullopt, some_tokens(6, 32)), alone(some_tokens(6, 32)));
}

TEST(Pressure, FullHostMemoryIsALimitAndNotTheEnd) {
  EngineOptions options;
  options.host_bytes = 1;  // less than a page
  Fixture f(8, options);
  const ContextId keeper = f.engine->create(f.id).value();
  f.next(keeper, some_tokens(7, 24));
  const auto refused = f.run(f.append(std::nullopt, some_tokens(8, 20), {19}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit) << refused.error().message;
  EXPECT_EQ(f.next(keeper, {1}), alone(some_tokens(7, 24) + std::vector{1u}));
  f.engine->destroy(keeper);
  EXPECT_EQ(f.next(std::nullopt, some_tokens(8, 20)), alone(some_tokens(8, 20)));
}

TEST(Pressure, ForksOutOfMemoryShareTheirHostPages) {
  Fixture f(20);
  const auto prompt = some_tokens(9, 40);  // 10 pages
  const ContextId parent = f.engine->create(f.id).value();
  f.next(parent, prompt);
  ASSERT_TRUE(f.engine->commit(parent, 10));
  std::vector<ContextId> forks;
  for (int i = 0; i < 6; ++i) forks.push_back(f.engine->fork(parent).value());
  for (uint32_t i = 0; i < 6; ++i) EXPECT_EQ(f.next(forks[i], {i}), alone(prompt + std::vector{i}));
  for (const ContextId fork : forks) ASSERT_TRUE(f.engine->suspend(fork));
  ASSERT_TRUE(f.engine->suspend(parent));
  const auto other = some_tokens(10, 80);  // everything out
  EXPECT_EQ(f.next(std::nullopt, other), alone(other));
  EXPECT_LE(f.stats().pages_in_host, 16);
  for (uint32_t i = 0; i < 6; ++i) EXPECT_EQ(f.next(forks[i], {7}), alone(prompt + std::vector{i, 7u}));
}

TEST(Snapshots, SaveOpenTakeRemove) {
  Fixture f(64);
  const auto tokens = some_tokens(11, 10);
  const ContextId context = f.engine->create(f.id).value();
  f.next(context, tokens);
  ASSERT_TRUE(f.engine->save(context, "ann", "story"));
  EXPECT_EQ(f.engine->save(context, "ann", "story").error().kind, ErrorKind::Usage);
  EXPECT_EQ(f.next(context, {9}), alone(tokens + std::vector{9u}));
  f.engine->destroy(context);
  EXPECT_EQ(f.engine->open(f.id, "bob", "story").error().kind, ErrorKind::NotFound);
  const ContextId opened = f.engine->open(f.id, "ann", "story").value();
  EXPECT_EQ(f.next(opened, {1}), alone(tokens + std::vector{1u}));
  EXPECT_EQ(f.stats().snapshots, 1);
  const ContextId taken = f.engine->take(f.id, "ann", "story").value();
  EXPECT_EQ(f.stats().snapshots, 0);
  EXPECT_EQ(f.next(taken, {2}), alone(tokens + std::vector{2u}));
  EXPECT_EQ(f.engine->take(f.id, "ann", "story").error().kind, ErrorKind::NotFound);
  ASSERT_TRUE(f.engine->save(opened, "ann", "story"));
  ASSERT_TRUE(f.engine->remove(f.id, "ann", "story"));
  EXPECT_EQ(f.engine->remove(f.id, "ann", "story").error().kind, ErrorKind::NotFound);
  f.engine->destroy(opened);
  f.engine->destroy(taken);
  EXPECT_EQ(f.stats().pages_free + f.stats().pages_cached, 64);
}

TEST(Snapshots, OutliveMemoryPressure) {
  Fixture f(12);
  const auto tokens = some_tokens(12, 30), other = some_tokens(13, 44);
  const ContextId context = f.engine->create(f.id).value();
  f.next(context, tokens);
  ASSERT_TRUE(f.engine->save(context, "ann", "long"));
  f.engine->destroy(context);
  EXPECT_EQ(f.next(std::nullopt, other), alone(other));
  const ContextId again = f.engine->open(f.id, "ann", "long").value();
  const int rows = f.control.rows;
  EXPECT_EQ(f.next(again, {3}), alone(tokens + std::vector{3u}));
  EXPECT_EQ(f.control.rows - rows, 1);
}

// A gate that the engine thread waits at before every step.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  int arrived = 0, allowed = 0;
  void pass() {
    std::unique_lock lock(mutex);
    ++arrived;
    changed.notify_all();
    changed.wait(lock, [&] { return arrived <= allowed; });
  }
  void wait_for_arrival(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return arrived >= count; });
  }
  void allow(int count) {
    const std::lock_guard lock(mutex);
    allowed += count;
    changed.notify_all();
  }
};

struct Gated : Fixture {
  explicit Gated(int64_t pages, EngineOptions options = {}) : Fixture(pages, options) {
    control.before_forward = [this] { gate.pass(); };
  }
  ~Gated() { gate.allow(1 << 20); }
  Gate gate;
};

TEST(Cancel, BeforeDuringAndAfter) {
  EngineOptions options;
  options.max_step_tokens = 8;
  Gated f(64, options);
  const ContextId context = f.engine->create(f.id).value();
  const auto tokens = some_tokens(14, 20);
  RequestId during = 0, queued = 0, last = 0;
  auto computing = f.start(f.append(context, tokens, {19}), &during);
  ForwardRequest second = f.append(context, tokens, {19});
  auto waiting = f.start(second, &queued);
  auto survivor = f.start(second, &last);
  f.gate.wait_for_arrival(1);
  f.engine->cancel(during);
  f.engine->cancel(during);
  f.engine->cancel(queued);
  f.gate.allow(100);
  EXPECT_EQ(computing.get().error().kind, ErrorKind::Cancelled);
  EXPECT_EQ(waiting.get().error().kind, ErrorKind::Cancelled);
  EXPECT_EQ(std::get<LogitsOutput>(survivor.get()->slots[0]).logits, alone(tokens));
  f.engine->cancel(last);
  f.engine->cancel(123456);
  EXPECT_EQ(f.engine->tokens(context).value(), tokens);
}

TEST(Cancel, DestroyingAContextCancelsItsPasses) {
  Gated f(64);
  const ContextId context = f.engine->create(f.id).value();
  auto a = f.start(f.append(context, some_tokens(15, 9), {8}));
  auto b = f.start(f.append(context, some_tokens(16, 9), {8}));
  f.gate.wait_for_arrival(1);
  EXPECT_EQ(f.engine->truncate(context, 0).error().kind, ErrorKind::Invalid);
  EXPECT_EQ(f.engine->suspend(context).error().kind, ErrorKind::Invalid);
  f.engine->destroy(context);
  EXPECT_FALSE(f.engine->info(context));
  f.gate.allow(100);
  EXPECT_EQ(a.get().error().kind, ErrorKind::Cancelled);
  EXPECT_EQ(b.get().error().kind, ErrorKind::Cancelled);
  f.next(std::nullopt, {1});
  EXPECT_EQ(f.stats().contexts, 0);
  EXPECT_EQ(f.stats().pages_free, 64);
}

TEST(Cancel, EndingTheEngineRunsEveryCallback) {
  Gated f(64);
  std::vector<std::future<Result<ForwardOutput>>> futures;
  for (uint32_t i = 0; i < 10; ++i) futures.push_back(f.start(f.append(std::nullopt, some_tokens(i, 30), {29})));
  f.gate.wait_for_arrival(1);
  std::thread ending([&] { f.engine.reset(); });
  f.gate.allow(1000);
  ending.join();
  for (auto& future : futures) {
    ASSERT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    const auto result = future.get();
    EXPECT_TRUE(result || result.error().kind == ErrorKind::Cancelled);
  }
}

TEST(Idle, AnIdleEngineSleeps) {
  Fixture f;
  f.next(std::nullopt, {1, 2, 3});
  timespec before{}, after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  EXPECT_LT((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 20);
}

}  // namespace
}  // namespace hearth::engine
