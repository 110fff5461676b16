#include "runtime/caller_memory.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace hearth::runtime {
namespace {

std::shared_ptr<std::byte> aligned(size_t bytes, int* out) {
  ++*out;
  return {static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), [out](std::byte* p) {
            --*out;
            std::free(p);
          }};
}

TEST(CallerMemory, CountsWhatIsOutAndGivesItBack) {
  int out = 0;
  std::shared_ptr<std::byte> longest;
  {
    CallerMemory memory([&](size_t bytes) { return aligned(bytes, &out); }, 0);
    auto first = memory.allocate(1000), second = memory.allocate(24);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(out, 2);
    EXPECT_EQ(memory.stats().in_use, 1064u);
    first->reset();
    EXPECT_EQ(out, 1);
    EXPECT_EQ(memory.stats().in_use, 64u);
    EXPECT_EQ(memory.stats().peak, 1064u);
    longest = std::move(*second);
  }
  EXPECT_EQ(out, 1);  // outlives the memory it came from
  longest.reset();
  EXPECT_EQ(out, 0);
}

TEST(CallerMemory, KeepsItsLimit) {
  int out = 0;
  CallerMemory memory([&](size_t bytes) { return aligned(bytes, &out); }, 1024);
  auto first = memory.allocate(1000);
  ASSERT_TRUE(first);
  const auto second = memory.allocate(100);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Limit);
  EXPECT_FALSE(memory.allocate(~size_t{0}));
  first->reset();
  EXPECT_TRUE(memory.allocate(1024));
}

TEST(CallerMemory, RefusesWhatTheAllocatorMayNotGive) {
  alignas(64) static std::byte room[128];
  const std::shared_ptr<std::byte> crooked(room + 1, [](std::byte*) {});
  CallerMemory memory([&](size_t) { return crooked; }, 0);
  const auto made = memory.allocate(8);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("need a multiple of 64"), std::string::npos);
  CallerMemory none([](size_t) { return std::shared_ptr<std::byte>(); }, 0);
  const auto nothing = none.allocate(8);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().kind, ErrorKind::Limit);
  EXPECT_EQ(none.stats().in_use, 0u);
  CallerMemory failing([](size_t) -> Result<std::shared_ptr<std::byte>> { return fail(ErrorKind::Io, "[disk] full"); },
                       0);
  EXPECT_EQ(failing.allocate(8).error().message, "[disk] full");
}

}  // namespace
}  // namespace hearth::runtime
