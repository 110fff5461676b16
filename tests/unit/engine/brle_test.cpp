#include "engine/brle.h"

#include <gtest/gtest.h>

#include <random>

namespace hearth::engine {
namespace {

TEST(Brle, KnownForms) {
  EXPECT_EQ((Brle{{}}.decode(40)), (std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(Brle::ones(33).decode(40), (std::vector<uint32_t>{0xffffffff, 1}));
  EXPECT_EQ((Brle{{2, 3, 1, 1}}.decode(8)), (std::vector<uint32_t>{0b1011100}));
  EXPECT_EQ((Brle{{0, 100}}.decode(5)), (std::vector<uint32_t>{0b11111}));  // cut
  EXPECT_EQ((Brle{{1, 0xffffffff, 0xffffffff, 7}}.decode(3)), (std::vector<uint32_t>{0b110}));
  EXPECT_EQ((Brle{{1, 0xffffffff, 0xffffffff, 7}}.length()), 2 * uint64_t{0xffffffff} + 8);
}

TEST(Brle, EncodeAndDecodeAreInverse) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const uint32_t bits = random() % 300;
    std::vector<uint32_t> words((bits + 31) / 32);
    const int sparse = static_cast<int>(random() % 4);
    for (uint32_t i = 0; i < bits; ++i)
      if (random() % (1 + static_cast<unsigned>(sparse) * 10) == 0) words[i / 32] |= 1u << (i % 32);
    EXPECT_EQ(Brle::encode(words, bits).decode(bits), words);
  }
}

TEST(Brle, StartsWithOnes) {
  EXPECT_TRUE(Brle::ones(5).starts_with_ones(5));
  EXPECT_FALSE(Brle::ones(5).starts_with_ones(6));
  EXPECT_TRUE((Brle{{0, 2, 0, 3}}.starts_with_ones(5)));
  EXPECT_FALSE((Brle{{0, 2, 1, 3}}.starts_with_ones(5)));
  EXPECT_FALSE((Brle{{1, 9}}.starts_with_ones(1)));
  EXPECT_TRUE((Brle{{}}.starts_with_ones(0)));
}

}  // namespace
}  // namespace hearth::engine
