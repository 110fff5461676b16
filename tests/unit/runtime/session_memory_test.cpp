#include "runtime/session_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace hearth::runtime {
namespace {

TEST(SessionMemory, ServesTheNextRunFromTheBlocksOfTheLast) {
  SessionMemory memory(0);
  const std::byte* first = nullptr;
  {
    auto block = memory.allocate(1 << 20);
    ASSERT_TRUE(block);
    first = block->get();
  }
  memory.end_run();
  auto again = memory.allocate(1 << 20);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->get(), first);
  EXPECT_EQ(memory.stats().kept, 0u);
}

TEST(SessionMemory, GivesBackWhatARunDidNotNeed) {
  SessionMemory memory(0);
  {
    ASSERT_TRUE(memory.allocate(8 << 20));
  }
  memory.end_run();
  EXPECT_GE(memory.stats().kept, size_t{8} << 20);
  {
    ASSERT_TRUE(memory.allocate(1 << 10));
  }
  memory.end_run();
  EXPECT_LT(memory.stats().kept, size_t{1} << 20);
}

TEST(SessionMemory, RefusesWhatItsLimitDoesNotAllow) {
  SessionMemory memory(1 << 20);
  auto held = memory.allocate(600 << 10);
  ASSERT_TRUE(held);
  const auto refused = memory.allocate(600 << 10);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit);
  EXPECT_NE(refused.error().message.find("memory_limit_mb"), std::string::npos);
  held->reset();
  EXPECT_TRUE(memory.allocate(600 << 10));
}

TEST(SessionMemory, KeptBlocksMakeRoomUnderTheLimit) {
  SessionMemory memory(1 << 20);
  {
    ASSERT_TRUE(memory.allocate(900 << 10));
  }
  EXPECT_TRUE(memory.allocate(400 << 10));  // another size: the kept block must go
}

TEST(SessionMemory, FreeBlocksOfOtherSizesDoNotPileUp) {
  SessionMemory memory(0);
  std::shared_ptr<std::byte> last;
  size_t most = 0;
  for (size_t bytes = size_t{32} << 20; bytes > size_t{4} << 20; bytes -= bytes / 4) {  // each of another class
    auto next = memory.allocate(bytes);
    ASSERT_TRUE(next);
    most = std::max(most, memory.stats().in_use);
    last = std::move(*next);
  }
  EXPECT_LE(memory.stats().peak, 2 * most);
  EXPECT_GT(memory.stats().kept, 0u);  // what there is room for stays for the next run
}

TEST(SessionMemory, BlocksOutliveIt) {
  std::shared_ptr<std::byte> block;
  {
    SessionMemory memory(0);
    auto made = memory.allocate(64);
    ASSERT_TRUE(made);
    block = std::move(*made);
  }
  block.get()[63] = std::byte{1};
}

TEST(SessionMemory, AbsurdSizesAreErrors) {
  SessionMemory memory(0);
  EXPECT_FALSE(memory.allocate(size_t{1} << 63));
  EXPECT_FALSE(memory.allocate(size_t{1} << 61));
}

TEST(SessionMemory, SeveralThreads) {
  SessionMemory memory(0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) ASSERT_TRUE(memory.allocate(static_cast<size_t>(i % 7 + 1) << 12));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(memory.stats().in_use, 0u);
}

}  // namespace
}  // namespace hearth::runtime
