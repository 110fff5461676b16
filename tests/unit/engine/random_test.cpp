#include "engine/random.h"

#include <gtest/gtest.h>

#include <set>

namespace hearth::engine {
namespace {

// The known answers that the Random123 distribution publishes for philox4x32-10.
TEST(Random, PhiloxKnownAnswers) {
  using Four = std::array<uint32_t, 4>;
  EXPECT_EQ(philox(Four{0, 0, 0, 0}, {0, 0}), (Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(Four{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(Four{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, UniformIsInRangeAndEven) {
  double sum = 0;
  for (uint64_t i = 0; i < 10000; ++i) {
    const float u = uniform(7, i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Random, FreshSeedsDiffer) {
  std::set<uint64_t> seeds;
  for (uint64_t pass = 0; pass < 100; ++pass)
    for (uint64_t slot = 0; slot < 10; ++slot) seeds.insert(fresh_seed(42, pass, slot));
  EXPECT_EQ(seeds.size(), 1000u);
}

}  // namespace
}  // namespace hearth::engine
