#include "runtime/arena_layout.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "runtime/session_memory.h"

namespace hearth::runtime {
namespace {

void expect_apart(std::span<const BlockLife> blocks, const ArenaLayout& layout) {
  ASSERT_EQ(layout.offsets.size(), blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(layout.offsets[i] % kArenaAlignment, 0u);
    EXPECT_LE(layout.offsets[i] + blocks[i].bytes, layout.bytes);
    for (size_t j = 0; j < i; ++j) {
      if (blocks[i].begin >= blocks[j].end || blocks[j].begin >= blocks[i].end) continue;
      EXPECT_TRUE(layout.offsets[i] >= layout.offsets[j] + arena_bytes(blocks[j].bytes) ||
                  layout.offsets[j] >= layout.offsets[i] + arena_bytes(blocks[i].bytes))
          << i << " and " << j << " share bytes";
    }
  }
}

// What a session's own memory takes from the system for the same blocks in the same order.
size_t block_by_block(std::span<const BlockLife> blocks) {
  SessionMemory memory(0);
  std::multimap<uint32_t, std::shared_ptr<std::byte>> alive;  // by end
  for (const BlockLife& block : blocks) {
    alive.erase(alive.begin(), alive.upper_bound(block.begin));
    auto made = memory.allocate(block.bytes);
    EXPECT_TRUE(made);
    alive.emplace(block.end, std::move(*made));
  }
  return memory.stats().peak;
}

TEST(ArenaLayout, BlocksThatNeverMeetShareBytes) {
  const BlockLife chain[] = {{1000, 0, 2}, {2000, 1, 3}, {1000, 2, 4}, {2000, 3, 5}};
  const ArenaLayout layout = lay_out(chain);
  expect_apart(chain, layout);
  EXPECT_EQ(layout.bytes, 1024u + 2048);
  EXPECT_EQ(layout.offsets[1], layout.offsets[3]);
}

TEST(ArenaLayout, TakesTheTightestGap) {
  // While the last one lives, holes of 512 and 128 bytes are open below the blocks that live throughout.
  const BlockLife blocks[] = {{512, 0, 1}, {256, 0, 9}, {128, 0, 1}, {192, 0, 9}, {100, 1, 2}};
  const ArenaLayout layout = lay_out(blocks);
  expect_apart(blocks, layout);
  EXPECT_EQ(layout.bytes, 512u + 256 + 128 + 192);
}

TEST(ArenaLayout, NothingAndEmptyBlocks) {
  EXPECT_EQ(lay_out({}).bytes, 0u);
  const BlockLife empty[] = {{0, 0, 2}, {0, 1, 2}};
  const ArenaLayout layout = lay_out(empty);
  expect_apart(empty, layout);
  EXPECT_NE(layout.offsets[0], layout.offsets[1]);
}

TEST(ArenaLayout, NeverMoreThanBlockByBlock) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<BlockLife> blocks(1 + random() % 200);
    for (uint32_t i = 0; i < blocks.size(); ++i) {
      const uint32_t length = random() % 8 == 0 ? random() % 60 : random() % 4;
      blocks[i] = {size_t{1} << (random() % 20), i, i + 1 + length};
      blocks[i].bytes += random() % blocks[i].bytes;
    }
    const ArenaLayout layout = lay_out(blocks);
    expect_apart(blocks, layout);
    EXPECT_LE(layout.bytes, block_by_block(blocks)) << "round " << round;
  }
}

}  // namespace
}  // namespace hearth::runtime
