// Contexts, paging and batching: every result is compared with the fake model's definition, to the bit.
#include "engine_fixture.h"
#include "trace/trace.h"

namespace hearth::engine {
namespace {

TEST(Engine, OnePassOverATemporaryContext) {
  Fixture f;
  const auto tokens = some_tokens(1, 10);
  const auto output = f.run(f.append(std::nullopt, tokens, {9, 0, 4}));
  ASSERT_TRUE(output) << output.error().message;
  const auto want = fake_logits(tokens, count_from(0, 10));
  ASSERT_EQ(output->slots.size(), 3u);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[0]).logits, want[9]);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[1]).logits, want[0]);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[2]).logits, want[4]);
  const EngineStats stats = f.stats();
  EXPECT_EQ(stats.contexts, 0);
  EXPECT_EQ(stats.pages_free + stats.pages_cached, stats.pages_total);
}

TEST(Engine, TokenByTokenIsTheSameAsAtOnce) {
  Fixture f;
  const ContextId context = f.engine->create(f.id).value();
  const auto tokens = some_tokens(2, 23);
  for (size_t i = 0; i < tokens.size(); ++i)
    EXPECT_EQ(f.next(context, {tokens[i]}), alone({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(i) + 1}));
  EXPECT_EQ(f.engine->tokens(context).value(), tokens);
  EXPECT_EQ(f.engine->info(context).value().working_pages, 6u);
}

TEST(Engine, PositionsAreTheCallers) {
  Fixture f;
  ForwardRequest request;
  request.tokens = {5, 6, 7};
  request.positions = {100, 3, 3};
  request.slots = {{2, RawLogits{}}};
  const auto output = f.run(request);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[0]).logits, fake_logits({5, 6, 7}, {100, 3, 3})[2]);
}

TEST(Engine, ChunkedIsTheSameAsWhole) {
  EngineOptions options;
  options.max_step_tokens = 7;
  Fixture f(256, options);
  const auto tokens = some_tokens(3, 100);
  const auto output = f.run(f.append(std::nullopt, tokens, {0, 50, 99}));
  ASSERT_TRUE(output);
  const auto want = fake_logits(tokens, count_from(0, 100));
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[0]).logits, want[0]);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[1]).logits, want[50]);
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[2]).logits, want[99]);
  EXPECT_GE(f.control.steps, 15);
  EXPECT_LE(f.control.largest_batch, 7);
}

TEST(Engine, PassesOfOneContextRunInOrder) {
  Fixture f;
  const ContextId context = f.engine->create(f.id).value();
  std::vector<std::future<Result<ForwardOutput>>> futures;
  const auto tokens = some_tokens(4, 20);
  for (uint32_t i = 0; i < 20; ++i) {
    ForwardRequest request;
    request.context = context;
    request.tokens = {tokens[i]};
    request.positions = {i};
    request.slots = {{0, RawLogits{}}};
    futures.push_back(f.start(request));
  }
  const auto want = fake_logits(tokens, count_from(0, 20));
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(std::get<LogitsOutput>(futures[i].get()->slots[0]).logits, want[i]) << i;
}

TEST(Engine, StrangersInTheBatchChangeNothing) {
  Fixture f;
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  f.control.before_forward = [gate] { gate.wait(); };
  std::vector<std::future<Result<ForwardOutput>>> futures;
  for (uint32_t i = 0; i < 30; ++i)
    futures.push_back(f.start(f.append(std::nullopt, some_tokens(i, 3 + i % 11), {2 + i % 11})));
  open.set_value();
  for (uint32_t i = 0; i < 30; ++i)
    EXPECT_EQ(std::get<LogitsOutput>(futures[i].get()->slots[0]).logits, alone(some_tokens(i, 3 + i % 11))) << i;
  EXPECT_GE(f.control.most_sequences, 20);
}

TEST(Engine, ForksShareAndThenGoTheirOwnWays) {
  Fixture f;
  const ContextId parent = f.engine->create(f.id).value();
  const auto prompt = some_tokens(5, 10);  // 2 full pages and a half
  f.next(parent, prompt);
  ASSERT_TRUE(f.engine->commit(parent, 2));
  const int64_t used = f.stats().pages_total - f.stats().pages_free;
  std::vector<ContextId> forks;
  for (int i = 0; i < 8; ++i) forks.push_back(f.engine->fork(parent).value());
  EXPECT_EQ(f.stats().pages_total - f.stats().pages_free, used);  // nothing is copied yet
  for (uint32_t i = 0; i < 8; ++i) EXPECT_EQ(f.next(forks[i], {i}), alone(prompt + std::vector{i})) << i;
  EXPECT_EQ(f.next(parent, {9}), alone(prompt + std::vector{9u}));
  EXPECT_EQ(f.stats().pages_total - f.stats().pages_free, used + 8);  // a half page each
  for (const ContextId fork : forks) f.engine->destroy(fork);
  EXPECT_EQ(f.next(parent, {1}), alone(prompt + std::vector{9u, 1u}));
  EXPECT_FALSE(f.engine->info(forks[0]));
}

TEST(Engine, ForkWhileAPassIsUnderWaySeesWhatIsDone) {
  EngineOptions options;
  options.max_step_tokens = 3;
  Fixture f(256, options);
  const ContextId parent = f.engine->create(f.id).value();
  const auto prompt = some_tokens(6, 6);
  f.next(parent, prompt);
  const auto more = some_tokens(7, 12);
  auto future = f.start(f.append(parent, more, {11}));
  const ContextId fork = f.engine->fork(parent).value();
  const uint64_t known = f.engine->info(fork).value().tokens;
  if (known == 6) {
    EXPECT_EQ(f.next(fork, {3}), alone(prompt + std::vector{3u}));
  }
  EXPECT_EQ(std::get<LogitsOutput>(future.get()->slots[0]).logits, alone(prompt + more));
  EXPECT_EQ(f.next(parent, {8}), alone(prompt + more + std::vector{8u}));
}

TEST(Engine, CommitSharesEqualPages) {
  Fixture f;
  const auto prompt = some_tokens(8, 12);
  const ContextId a = f.engine->create(f.id).value(), b = f.engine->create(f.id).value();
  // Logits of the first token are wanted, so b computes its own pages.
  ASSERT_TRUE(f.run(f.append(a, prompt, {0})));
  ASSERT_TRUE(f.run(f.append(b, prompt, {0})));
  const int64_t before = f.stats().pages_free;
  ASSERT_TRUE(f.engine->commit(a, 3));
  EXPECT_EQ(f.stats().pages_free, before);
  ASSERT_TRUE(f.engine->commit(b, 3));
  EXPECT_EQ(f.stats().pages_free, before + 3);
  EXPECT_EQ(f.next(b, {1}), alone(prompt + std::vector{1u}));
  EXPECT_EQ(f.next(a, {2}), alone(prompt + std::vector{2u}));
  const auto info = f.engine->info(a).value();
  EXPECT_EQ(info.committed_pages, 3u);
  EXPECT_EQ(info.working_pages, 1u);
  EXPECT_EQ(info.working_tokens, 1u);
  EXPECT_EQ(info.tokens, 13u);
  const auto refused = f.engine->commit(a, 1);
  EXPECT_EQ(refused.error().kind, ErrorKind::Invalid);
}

TEST(Engine, PrefixHitsSkipComputing) {
  Fixture f;
  const auto prompt = some_tokens(9, 21);
  EXPECT_EQ(f.next(std::nullopt, prompt), alone(prompt));
  const int rows = f.control.rows;
  EXPECT_EQ(f.next(std::nullopt, prompt), alone(prompt));
  EXPECT_EQ(f.control.rows - rows, 1);  // 5 pages of 4 from the tree
  EXPECT_EQ(f.stats().tokens_from_prefix, 20u);
  // Another ending, another page 3.
  auto other = prompt;
  other[9] ^= 1;
  EXPECT_EQ(f.next(std::nullopt, other), alone(other));
  EXPECT_EQ(f.stats().tokens_from_prefix, 28u);
  // Other positions are other pages.
  ForwardRequest shifted = f.append(std::nullopt, prompt, {20});
  for (uint32_t& position : shifted.positions) position += 7;
  EXPECT_EQ(std::get<LogitsOutput>(f.run(shifted)->slots[0]).logits, fake_logits(prompt, shifted.positions).back());
  EXPECT_EQ(f.stats().tokens_from_prefix, 28u);
  // Rows that somebody wants are computed.
  EXPECT_EQ(std::get<LogitsOutput>(f.run(f.append(std::nullopt, prompt, {20, 6}))->slots[1]).logits,
            fake_logits(prompt, count_from(0, 21))[6]);
  EXPECT_EQ(f.stats().tokens_from_prefix, 32u);
}

// Starts all requests while the engine is in a step of its own, of one row, so that they come into the same step.
std::vector<Result<ForwardOutput>> at_once(Fixture& f, const std::vector<ForwardRequest>& requests) {
  std::promise<void> open;
  std::shared_future<void> gate = open.get_future().share();
  const auto entered = std::make_shared<std::atomic<int>>(0);  // shared: later steps enter, too
  f.control.before_forward = [entered, gate] {
    ++*entered;
    entered->notify_one();
    gate.wait();
  };
  auto busy = f.start(f.append(std::nullopt, {63}, {}));
  entered->wait(0);
  std::vector<std::future<Result<ForwardOutput>>> futures;
  for (const ForwardRequest& request : requests) futures.push_back(f.start(request));
  open.set_value();
  std::vector<Result<ForwardOutput>> results;
  for (auto& future : futures) results.push_back(future.get());
  busy.wait();
  return results;
}

const std::vector<float>& logits(const Result<ForwardOutput>& output) {
  return std::get<LogitsOutput>(output.value().slots.at(0)).logits;
}

TEST(Engine, EqualPromptsAtOnceAreComputedOnce) {
  Fixture f;
  const auto prompt = some_tokens(16, 21);
  const auto results = at_once(f, std::vector(8, f.append(std::nullopt, prompt, {20})));
  for (const auto& result : results) EXPECT_EQ(logits(result), alone(prompt));
  EXPECT_EQ(f.control.rows, 1 + 21 + 7);  // and the last token of each
  EXPECT_EQ(f.stats().tokens_from_prefix, 7 * 20u);
}

TEST(Engine, EqualBeginningsAtOnceAreComputedOnceOverManySteps) {
  EngineOptions options;
  options.max_step_tokens = 10;
  Fixture f(256, options);
  const auto beginning = some_tokens(17, 40);
  std::vector<ForwardRequest> requests;
  for (uint32_t i = 0; i < 4; ++i) requests.push_back(f.append(std::nullopt, beginning + some_tokens(i, 6), {45}));
  const auto results = at_once(f, requests);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(logits(results[i]), alone(beginning + some_tokens(i, 6))) << i;
  EXPECT_EQ(f.control.rows, 1 + 46 + 3 * 6);
}

TEST(Engine, RowsThatSomebodyWantsAreComputedByHimself) {
  Fixture f;
  const auto prompt = some_tokens(18, 12);
  const auto results = at_once(f, {f.append(std::nullopt, prompt, {2}), f.append(std::nullopt, prompt, {6}),
                                   f.append(std::nullopt, prompt, {11})});
  const auto want = fake_logits(prompt, count_from(0, 12));
  EXPECT_EQ(logits(results[0]), want[2]);
  EXPECT_EQ(logits(results[1]), want[6]);
  EXPECT_EQ(logits(results[2]), want[11]);
  EXPECT_EQ(f.control.rows, 1 + 12 + 8 + 4);
}

TEST(Engine, WhoWaitedForAPassThatFailsGoesOnAlone) {
  Fixture f;
  const auto prompt = some_tokens(19, 21);
  f.control.fail_next = 2;  // at_once's own step, then the first of the two
  const auto results = at_once(f, std::vector(2, f.append(std::nullopt, prompt, {20})));
  EXPECT_FALSE(results[0]);
  EXPECT_EQ(logits(results[1]), alone(prompt));
}

TEST(Engine, WorkingPagesAreFoundAndStayTheirOwners) {
  Fixture f;
  const auto prompt = some_tokens(20, 14);
  const ContextId owner = f.engine->create(f.id).value();
  f.next(owner, prompt);
  const int rows = f.control.rows;
  EXPECT_EQ(f.next(std::nullopt, prompt + std::vector{5u}), alone(prompt + std::vector{5u}));
  EXPECT_EQ(f.control.rows - rows, 3);        // three full pages were there
  ASSERT_TRUE(f.engine->truncate(owner, 5));  // into the second of them
  const std::vector<uint32_t> rest(prompt.begin(), prompt.begin() + 9);
  EXPECT_EQ(f.next(owner, {7, 8}), alone(rest + std::vector{7u, 8u}));
  EXPECT_EQ(f.next(std::nullopt, prompt + std::vector{6u}), alone(prompt + std::vector{6u}));
  EXPECT_EQ(f.control.rows - rows, 3 + 2 + 3);
}

TEST(Engine, LargeOutputsAreSpreadOverSteps) {
  EngineOptions options;
  options.max_step_output_bytes = 1000;  // three times the logits of 64 tokens
  Fixture f(256, options);
  const auto tokens = some_tokens(21, 12), other = some_tokens(22, 5);
  const auto all = count_from(0, 12);
  const auto results = at_once(f, {f.append(std::nullopt, tokens, all), f.append(std::nullopt, other, {1, 4})});
  const auto want = fake_logits(tokens, all);
  ASSERT_TRUE(results[0]);
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(std::get<LogitsOutput>(results[0]->slots[i]).logits, want[i]) << i;
  EXPECT_EQ(std::get<LogitsOutput>(results[1]->slots[1]).logits, alone(other));
  EXPECT_EQ(f.control.steps, 1 + 4);
}

TEST(Engine, OneRowGoesHoweverLargeItsOutputs) {
  EngineOptions options;
  options.max_step_output_bytes = 1;
  Fixture f(256, options);
  const auto tokens = some_tokens(23, 3);
  const auto output = f.run(f.append(std::nullopt, tokens, {0, 0, 2}));
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(std::get<LogitsOutput>(output->slots[2]).logits, alone(tokens));
  EXPECT_EQ(f.control.steps, 2);
}

TEST(Engine, APassThatWantsNothingAndFindsAllComputesNothing) {
  Fixture f;
  const auto prompt = some_tokens(10, 8);
  ASSERT_TRUE(f.run(f.append(std::nullopt, prompt, {})));
  const int steps = f.control.steps;
  const ContextId context = f.engine->create(f.id).value();
  ASSERT_TRUE(f.run(f.append(context, prompt, {})));
  EXPECT_EQ(f.control.steps, steps);
  EXPECT_EQ(f.next(context, {3}), alone(prompt + std::vector{3u}));
  // The pages are shared: truncating and going another way must not write into them.
  ASSERT_TRUE(f.engine->truncate(context, 3));
  EXPECT_EQ(f.next(context, {4}), alone(std::vector(prompt.begin(), prompt.begin() + 6) + std::vector{4u}));
  EXPECT_EQ(f.next(std::nullopt, prompt + std::vector{5u}), alone(prompt + std::vector{5u}));
}

TEST(Engine, TruncateReserveRelease) {
  Fixture f(16);
  const ContextId context = f.engine->create(f.id).value();
  ASSERT_TRUE(f.engine->reserve(context, 4));
  EXPECT_EQ(f.engine->info(context).value().working_pages, 4u);
  const auto tokens = some_tokens(11, 10);
  f.next(context, tokens);
  EXPECT_EQ(f.engine->info(context).value().working_pages, 4u);
  EXPECT_EQ(f.engine->release(context, 2).error().kind, ErrorKind::Invalid);
  ASSERT_TRUE(f.engine->release(context, 1));
  EXPECT_EQ(f.engine->info(context).value().working_pages, 3u);
  ASSERT_TRUE(f.engine->commit(context, 1));
  EXPECT_EQ(f.engine->truncate(context, 7).error().kind, ErrorKind::Invalid);
  ASSERT_TRUE(f.engine->truncate(context, 5));
  EXPECT_EQ(f.engine->info(context).value().working_pages, 2u);
  EXPECT_EQ(f.engine->info(context).value().working_tokens, 1u);
  EXPECT_EQ(f.next(context, {7}), alone(std::vector(tokens.begin(), tokens.begin() + 5) + std::vector{7u}));
  EXPECT_EQ(f.engine->reserve(context, 14).error().kind, ErrorKind::Limit);
}

TEST(Engine, AttentionMasks) {
  EngineOptions options;
  options.max_step_tokens = 5;
  Fixture f(256, options);
  const auto tokens = some_tokens(12, 14);
  ForwardRequest request = f.append(std::nullopt, tokens, {13});
  const auto visible = [](size_t row, size_t key) { return (row + key) % 3 != 0 || key == 0; };
  for (size_t row = 0; row < 14; ++row) {
    std::vector<uint32_t> word{0};
    for (size_t key = 0; key <= row; ++key)
      if (key == row || visible(row, key)) word[0] |= 1u << key;
    request.attention_mask.push_back(Brle::encode(word, static_cast<uint32_t>(row) + 1));
  }
  const auto want = fake_logits(tokens, count_from(0, 14), visible);
  for (int round = 0; round < 2; ++round) EXPECT_EQ(std::get<LogitsOutput>(f.run(request)->slots[0]).logits, want[13]);
  // Such pages are never found by content.
  EXPECT_EQ(f.next(std::nullopt, tokens), alone(tokens));
  EXPECT_EQ(f.stats().tokens_from_prefix, 0u);
}

TEST(Engine, ExplicitCausalMasksAreTheDefault) {
  Fixture f;
  const auto tokens = some_tokens(13, 9);
  ForwardRequest request = f.append(std::nullopt, tokens, {8});
  for (uint32_t row = 0; row < 9; ++row) request.attention_mask.push_back(Brle::ones(row + 1));
  for (int round = 0; round < 2; ++round)
    EXPECT_EQ(std::get<LogitsOutput>(f.run(request)->slots[0]).logits, alone(tokens));
  EXPECT_EQ(f.stats().tokens_from_prefix, 8u);
}

TEST(Engine, Refusals) {
  EngineOptions options;
  options.max_pass_output_bytes = 1'000'000;
  Fixture f(256, options);
  const auto refused = [&](ForwardRequest request, ErrorKind kind, std::string_view text) {
    const auto result = f.run(std::move(request));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, kind) << result.error().message;
    EXPECT_NE(result.error().message.find(text), std::string::npos) << result.error().message;
  };
  const ForwardRequest good = f.append(std::nullopt, {1, 2, 3}, {2});
  ForwardRequest bad = good;
  bad.tokens = {};
  bad.positions = {};
  refused(bad, ErrorKind::Invalid, "without tokens");
  bad = good;
  bad.positions.pop_back();
  refused(bad, ErrorKind::Invalid, "got 2, need 3");
  bad = good;
  bad.tokens[1] = 64;
  refused(bad, ErrorKind::Invalid, "token 1 of the pass; got 64, the vocabulary has 64");
  bad = good;
  bad.positions[2] = 4096;
  refused(bad, ErrorKind::Limit, "position of token 2 of the pass; got 4096");
  bad = good;
  bad.attention_mask.resize(2);
  refused(bad, ErrorKind::Invalid, "need none or 3");
  bad = good;
  bad.slots[0].index = 3;
  refused(bad, ErrorKind::Invalid, "got 3, the pass has 3");
  bad = good;
  bad.slots[0].sampler = LogProbs{{64}};
  refused(bad, ErrorKind::Invalid, "got 64");
  bad = good;
  bad.slots[0].sampler = Draw{.temperature = NAN};
  refused(bad, ErrorKind::Invalid, "temperature");
  bad = good;
  bad.slots.assign(size_t{1} << 12, {0, RawLogits{}});
  refused(bad, ErrorKind::Limit, "take more than 1000000 bytes");
  bad = good;
  bad.context = 12345;
  refused(bad, ErrorKind::NotFound, "12345");
  EXPECT_FALSE(f.engine->create(7));
  EXPECT_EQ(f.control.steps, 0);
}

TEST(Engine, AModelErrorFailsThatStepOnly) {
  Fixture f;
  const ContextId context = f.engine->create(f.id).value();
  const auto tokens = some_tokens(14, 6);
  f.next(context, tokens);
  f.control.fail_next = 1;
  const auto failed = f.run(f.append(context, {1, 2, 3, 4, 5, 6, 7}, {6}));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "[fake] the device stumbled");
  EXPECT_EQ(f.engine->info(context).value().tokens, 6u);
  EXPECT_EQ(f.engine->info(context).value().working_pages, 2u);
  EXPECT_EQ(f.next(context, {9}), alone(tokens + std::vector{9u}));
}

TEST(Engine, StepsLeaveATrace) {
  trace::Trace trace;
  EngineOptions options;
  options.trace = &trace;
  Fixture f(256, options);
  f.next(std::nullopt, some_tokens(15, 5));
  f.engine.reset();
  const std::string json = trace.json();
  for (const char* name : {"plan", "forward", "sample", "deliver", "batch tokens", "pages free", "engine"})
    EXPECT_NE(json.find('"' + std::string(name) + '"'), std::string::npos) << name;
  EXPECT_NE(json.find("\"args\":{\"value\":5}"), std::string::npos) << json;
}

TEST(Engine, TwoModelsSideBySide) {
  Fixture f;
  FakeModelControl other;
  const auto device = fake_device();
  FakeModelOptions shape;
  shape.vocab = 50;
  const ModelId second = f.engine->add_model("second", fake_model(*device, other, shape), nullptr).value();
  EXPECT_EQ(f.engine->models(), (std::vector<std::string>{"fake", "second"}));
  EXPECT_EQ(f.engine->find_model("second"), second);
  EXPECT_EQ(f.engine->find_model("third"), std::nullopt);
  EXPECT_FALSE(f.engine->add_model("second", fake_model(*device, other, shape), nullptr));
  std::vector<std::future<Result<ForwardOutput>>> first, then;
  for (uint32_t i = 0; i < 20; ++i) {
    first.push_back(f.start(f.append(std::nullopt, some_tokens(i, 9), {8})));
    auto promise = std::make_shared<std::promise<Result<ForwardOutput>>>();
    then.push_back(promise->get_future());
    ForwardRequest request = f.append(std::nullopt, some_tokens(i, 9, 50), {8});
    request.model = second;
    f.engine->submit(request, [promise](Result<ForwardOutput> result) { promise->set_value(std::move(result)); });
  }
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(std::get<LogitsOutput>(first[i].get()->slots[0]).logits, alone(some_tokens(i, 9)));
    EXPECT_EQ(std::get<LogitsOutput>(then[i].get()->slots[0]).logits,
              fake_logits(some_tokens(i, 9, 50), count_from(0, 9), {}, 50).back());
  }
  const ContextId context = f.engine->create(second).value();
  EXPECT_FALSE(f.run(f.append(context, {1}, {})));  // belongs to the other model
  f.engine.reset();
}

}  // namespace
}  // namespace hearth::engine
