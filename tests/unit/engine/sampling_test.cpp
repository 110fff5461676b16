// Every sampler through a pass, against its definition on the fake model's logits.
#include <algorithm>
#include <cmath>
#include <set>

#include "engine/random.h"
#include "engine_fixture.h"

namespace hearth::engine {
namespace {

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const float x : logits) sum += p.emplace_back(std::exp(x / temperature));
  for (double& x : p) x /= sum;
  return p;
}
uint32_t largest(const std::vector<float>& x) {
  return static_cast<uint32_t>(std::max_element(x.begin(), x.end()) - x.begin());
}

uint32_t drawn(Fixture& f, const std::vector<uint32_t>& tokens, Draw draw, std::optional<Brle> mask = {}) {
  ForwardRequest request = f.append(std::nullopt, tokens, {});
  request.slots = {{static_cast<uint32_t>(tokens.size() - 1), draw}};
  request.logit_mask = mask;
  const auto output = f.run(request);
  EXPECT_TRUE(output) << output.error().message;
  return output ? std::get<TokenOutput>(output->slots[0]).token : UINT32_MAX;
}

TEST(Sampling, AllKindsOnOneRow) {
  Fixture f;
  const auto tokens = some_tokens(1, 6);
  const auto logits = alone(tokens);
  ForwardRequest request = f.append(std::nullopt, tokens, {});
  request.slots = {{5, RawLogits{}},   {5, Draw{.temperature = 0}},  {5, Distribution{.temperature = 0.7f, .top_n = 5}},
                   {5, Entropy{}},     {5, LogProbs{{0, 63, 7, 7}}}, {5, Embedding{}},
                   {5, Distribution{}}};
  const auto output = f.run(request);
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[0]).logits, logits);
  EXPECT_EQ(std::get<TokenOutput>(output->slots[1]).token, largest(logits));
  const auto& five = std::get<DistributionOutput>(output->slots[2]);
  ASSERT_EQ(five.tokens.size(), 5u);
  EXPECT_EQ(five.tokens[0], largest(logits));
  const auto p = softmax(logits, 0.7);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(five.probabilities[i], p[five.tokens[i]], 1e-5);
    if (i > 0) {
      EXPECT_GE(five.probabilities[i - 1], five.probabilities[i]);
    }
  }
  const auto p1 = softmax(logits, 1);
  double entropy = 0;
  for (const double x : p1) entropy -= x * std::log(x);
  EXPECT_NEAR(std::get<EntropyOutput>(output->slots[3]).value, entropy, 1e-4);
  const auto& log_probs = std::get<LogProbsOutput>(output->slots[4]).values;
  ASSERT_EQ(log_probs.size(), 4u);
  EXPECT_NEAR(log_probs[0], std::log(p1[0]), 1e-4);
  EXPECT_NEAR(log_probs[1], std::log(p1[63]), 1e-4);
  EXPECT_EQ(log_probs[2], log_probs[3]);
  EXPECT_EQ(std::get<EmbeddingOutput>(output->slots[5]).values,
            (std::vector<float>{logits[0], static_cast<float>(tokens[5])}));
  const auto& all = std::get<DistributionOutput>(output->slots[6]);
  EXPECT_EQ(all.tokens.size(), 64u);
  EXPECT_EQ(std::set(all.tokens.begin(), all.tokens.end()).size(), 64u);
  EXPECT_NEAR(std::accumulate(all.probabilities.begin(), all.probabilities.end(), 0.0), 1.0, 1e-5);
}

TEST(Sampling, DrawsFollowTheDistribution) {
  Fixture f;
  const auto tokens = some_tokens(2, 4);
  const auto p = softmax(alone(tokens), 1.5);
  ForwardRequest request = f.append(std::nullopt, tokens, {});
  for (uint64_t seed = 1; seed <= 4000; ++seed) request.slots.push_back({3, Draw{.temperature = 1.5f, .seed = seed}});
  const auto output = f.run(request);
  ASSERT_TRUE(output);
  std::vector<int> seen(64);
  for (const auto& slot : output->slots) ++seen[std::get<TokenOutput>(slot).token];
  double chi = 0;
  for (size_t v = 0; v < 64; ++v) chi += (seen[v] - 4000 * p[v]) * (seen[v] - 4000 * p[v]) / (4000 * p[v]);
  EXPECT_LT(chi, 120);  // 63 degrees of freedom: 1e-5
}

// The uniform number belongs to seed and index alone, so a draw is repeated in any company, chunk, fork or context.
TEST(Sampling, ASeedGivesTheSameTokenInAnyCompany) {
  Fixture f;
  const auto tokens = some_tokens(3, 9);
  const Draw draw{.temperature = 2.0f, .seed = 1234};
  const uint32_t want = drawn(f, tokens, draw);
  std::vector<std::future<Result<ForwardOutput>>> company;
  for (uint32_t i = 0; i < 40; ++i) {
    ForwardRequest stranger = f.append(std::nullopt, some_tokens(100 + i, 7), {});
    stranger.slots = {{6, Draw{.temperature = 1.0f, .seed = i}}, {2, Draw{}}};
    company.push_back(f.start(stranger));
  }
  EXPECT_EQ(drawn(f, tokens, draw), want);
  for (auto& each : company) each.get();
  const ContextId context = f.engine->create(f.id).value();
  f.next(context, {tokens.begin(), tokens.begin() + 8});
  const ContextId fork = f.engine->fork(context).value();
  for (const ContextId id : {context, fork}) {
    ForwardRequest request = f.append(id, {tokens[8]}, {});
    request.slots = {{0, draw}};
    EXPECT_EQ(std::get<TokenOutput>(f.run(request)->slots[0]).token, want);
  }
  // And it is the one that the definition gives: the first token at which the running mass exceeds the number.
  const auto logits = alone(tokens);
  const auto p = softmax(logits, 2.0);
  std::vector<uint32_t> order = count_from(0, 64);
  std::ranges::stable_sort(order, [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
  double sum = 0;
  size_t k = 0;
  while ((sum += p[order[k]]) <= uniform(1234, 8)) ++k;
  EXPECT_EQ(want, order[k]);
}

TEST(Sampling, SeedZeroIsFreshForEverySlot) {
  Fixture f;
  const auto tokens = some_tokens(4, 4);
  ForwardRequest request = f.append(std::nullopt, tokens, {});
  for (int i = 0; i < 50; ++i) request.slots.push_back({3, Draw{.temperature = 3.0f}});
  std::set<uint32_t> seen;
  const auto output = f.run(request);
  for (const auto& slot : output->slots) seen.insert(std::get<TokenOutput>(slot).token);
  EXPECT_GT(seen.size(), 10u);
  // The same engine seed and the same order of passes: the same draws.
  const auto row = [&] {
    Fixture g;
    std::vector<uint32_t> result;
    for (int i = 0; i < 20; ++i) result.push_back(drawn(g, tokens, Draw{.temperature = 3.0f}));
    return result;
  };
  EXPECT_EQ(row(), row());
}

TEST(Sampling, TopKTopPMinPRestrict) {
  Fixture f;
  const auto tokens = some_tokens(5, 4);
  const auto logits = alone(tokens);
  const auto p = softmax(logits, 1);
  std::vector<uint32_t> order = count_from(0, 64);
  std::ranges::stable_sort(order, [&](uint32_t a, uint32_t b) { return logits[a] > logits[b]; });
  const auto seen = [&](Draw draw) {
    ForwardRequest request = f.append(std::nullopt, tokens, {});
    for (uint64_t seed = 1; seed <= 500; ++seed) {
      draw.seed = seed;
      request.slots.push_back({3, draw});
    }
    std::set<uint32_t> result;
    const auto output = f.run(request);
    for (const auto& slot : output->slots) result.insert(std::get<TokenOutput>(slot).token);
    return result;
  };
  EXPECT_EQ(seen({.top_k = 1}), std::set{order[0]});
  EXPECT_EQ(seen({.top_k = 3}), (std::set{order[0], order[1], order[2]}));
  EXPECT_EQ(seen({.top_p = static_cast<float>(p[order[0]] + p[order[1]] / 2)}), (std::set{order[0], order[1]}));
  EXPECT_EQ(seen({.min_p = static_cast<float>((p[order[1]] + p[order[2]]) / 2 / p[order[0]])}),
            (std::set{order[0], order[1]}));
}

TEST(Sampling, LogitMasks) {
  Fixture f;
  const auto tokens = some_tokens(6, 4);
  const Brle odd_ten{{11, 1, 1, 1, 1, 1}};  // 11, 13, 15
  for (uint64_t seed = 1; seed < 30; ++seed) {
    const uint32_t token = drawn(f, tokens, Draw{.temperature = 5, .seed = seed}, odd_ten);
    EXPECT_TRUE(token == 11 || token == 13 || token == 15) << token;
  }
  EXPECT_EQ(drawn(f, tokens, Draw{.temperature = 0}, Brle{{20, 1}}), 20u);
  ForwardRequest request = f.append(std::nullopt, tokens, {3});  // raw logits are not masked
  request.logit_mask = Brle{{20, 1}};
  request.slots.push_back({3, Distribution{.top_n = 2}});
  const auto output = f.run(request);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[0]).logits, alone(tokens));
  EXPECT_EQ(std::get<DistributionOutput>(output->slots[1]).tokens[0], 20u);
  EXPECT_EQ(std::get<DistributionOutput>(output->slots[1]).probabilities, (std::vector{1.0f, 0.0f}));
}

TEST(Sampling, AMaskThatLeavesNothingFailsThePassAndAppendsNothing) {
  Fixture f;
  const ContextId context = f.engine->create(f.id).value();
  f.next(context, some_tokens(7, 6));
  for (const Sampler& sampler : {Sampler(Draw{}), Sampler(Distribution{})}) {
    ForwardRequest request = f.append(context, {1, 2, 3}, {});
    request.slots = {{2, sampler}};
    request.logit_mask = Brle{};
    const auto failed = f.run(request);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::Invalid);
    EXPECT_NE(failed.error().message.find("mask"), std::string::npos);
  }
  EXPECT_EQ(f.engine->info(context).value().tokens, 6u);
  EXPECT_EQ(f.next(context, {5}), alone(some_tokens(7, 6) + std::vector{5u}));
}

}  // namespace
}  // namespace hearth::engine
