#include "engine/kv_memory.h"

#include <gtest/gtest.h>

namespace hearth::engine {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

int64_t pages(EngineOptions options, int64_t context, size_t page_bytes, size_t available) {
  return kv_page_count(options, context, page_bytes, available).value();
}

TEST(KvMemory, GivenBytesAreTaken) {
  EngineOptions options;
  options.kv_bytes = 10 * kMiB;
  EXPECT_EQ(pages(options, 2048, kMiB, 0), 10);
  options.kv_bytes = kMiB - 1;
  const auto refused = kv_page_count(options, 2048, kMiB, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit);
}

TEST(KvMemory, ByDefaultAShareWithinTheCaps) {
  EngineOptions options;                                            // half of what is free
  EXPECT_EQ(pages(options, 16 * 1000, kMiB, 3000 * kMiB), 1500);    // the share
  EXPECT_EQ(pages(options, 16 * 1000, kMiB, 100000 * kMiB), 4096);  // 4 GiB
  EXPECT_EQ(pages(options, 16 * 9000, kMiB, 100000 * kMiB), 9000);  // one full context
  EXPECT_EQ(pages(options, 16 * 9000, kMiB, 10000 * kMiB), 5000);   // but not more than the share
  EXPECT_EQ(pages(options, 16 * 2, kMiB, 100000 * kMiB), 128);      // 64 full contexts
  EXPECT_EQ(pages(options, 5, kMiB, 100000 * kMiB), 64);            // a context smaller than a page
}

TEST(KvMemory, SlotsStayWithin32Bits) {
  EngineOptions options;
  options.kv_bytes = size_t{1} << 40;
  EXPECT_LE(pages(options, 2048, 1, 0) * options.page_size, int64_t{INT32_MAX});
}

TEST(KvMemory, TheSystemTellsWhatIsFree) {
  EXPECT_GT(available_memory().value(), kMiB);
}

}  // namespace
}  // namespace hearth::engine
