#include "../../../sdk/cpp/src/draw.hpp"

#include <gtest/gtest.h>

#include <map>

namespace hearth {
namespace {

const std::vector<uint32_t> kTokens = {7, 3, 9, 1};
const std::vector<float> kProbabilities = {0.5f, 0.25f, 0.125f, 0.0625f};  // the rest of the vocabulary has 0.0625

// How often each token is drawn over many positions.
std::map<uint32_t, int> count(const Sampling& sampling) {
  std::map<uint32_t, int> out;
  for (uint64_t position = 0; position < 20000; ++position) ++out[draw(kTokens, kProbabilities, sampling, position)];
  return out;
}

TEST(Draw, SameSeedAndPositionSameToken) {
  const Sampling sampling{.top_p = 0.99f, .seed = 5};
  for (uint64_t position = 0; position < 100; ++position)
    EXPECT_EQ(draw(kTokens, kProbabilities, sampling, position), draw(kTokens, kProbabilities, sampling, position));
  EXPECT_NE(count(sampling), count({.top_p = 0.99f, .seed = 6}));
}

TEST(Draw, FollowsTheProbabilities) {
  const auto counts = count({.top_k = 4, .seed = 1});
  EXPECT_NEAR(counts.at(7) / 20000.0, 0.5 / 0.9375, 0.015);
  EXPECT_NEAR(counts.at(1) / 20000.0, 0.0625 / 0.9375, 0.01);
}

TEST(Draw, TopPKeepsTheSmallestSetThatReachesIt) {
  EXPECT_EQ(count({.top_p = 0.5f, .seed = 1}).size(), 1u);
  EXPECT_EQ(count({.top_p = 0.51f, .seed = 1}).size(), 2u);
  EXPECT_EQ(count({.top_p = 0.0f, .seed = 1}).size(), 1u);               // never none
  EXPECT_EQ(count({.top_k = 2, .top_p = 0.66f, .seed = 1}).size(), 1u);  // of what top_k left, the first has two thirds
}

TEST(Draw, MinPIsRelativeToTheFirst) {
  EXPECT_EQ(count({.min_p = 0.25f, .seed = 1}).size(), 3u);
  EXPECT_EQ(count({.min_p = 0.26f, .seed = 1}).size(), 2u);
  EXPECT_EQ(count({.min_p = 2.0f, .seed = 1}).size(), 1u);
}

}  // namespace
}  // namespace hearth
