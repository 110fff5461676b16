#include <gtest/gtest.h>

#include <hearth/chat.hpp>

#include "fake_host.h"

namespace hearth {
namespace {

using fake_host::state;

class ContextTest : public testing::Test {
 protected:
  void SetUp() override { fake_host::reset(); }
  void TearDown() override { EXPECT_EQ(state().handles, model_ ? 2 : 0) << "handles that were never dropped"; }

  const Model& model() {
    if (!model_) model_.emplace(*Model::load());
    return *model_;
  }
  std::optional<Model> model_;
};

TEST_F(ContextTest, AModelThatIsNotThereIsAnError) {
  EXPECT_EQ(Model::load("other").error(), "[model] no such model");
}

TEST_F(ContextTest, GenerateGoesOnUntilAStopToken) {
  state().script = "hello";
  auto context = *Context::create(model());
  context.append("say: ");
  std::vector<std::string> pieces;
  const auto text = context.generate({}, {.stop_tokens = {fake_host::kStop}},
                                     [&](std::string_view piece) { pieces.emplace_back(piece); });
  ASSERT_TRUE(text) << text.error();
  EXPECT_EQ(text->text, "hello");
  EXPECT_EQ(text->tokens.size(), 5u);
  EXPECT_TRUE(text->stopped);
  EXPECT_EQ(pieces, (std::vector<std::string>{"h", "e", "l", "l", "o"}));
  EXPECT_EQ(state().contexts.begin()->second, "say: hello");  // the last pass had the o to draw the stop token after it
  EXPECT_EQ(context.size(), 10u);
}

TEST_F(ContextTest, GenerateStopsAtTheLimitAndCanGoOn) {
  state().script = "hello";
  auto context = *Context::create(model());
  context.append("x");
  const auto first = context.generate({}, {.max_tokens = 2});
  EXPECT_EQ(first->text, "he");
  EXPECT_FALSE(first->stopped);
  EXPECT_EQ(context.generate({}, {.max_tokens = 2})->text, "ll");
  EXPECT_EQ(context.generate({}, {.max_tokens = 0})->text, "");
}

TEST_F(ContextTest, PositionsCountOnOverPasses) {
  state().script = "abc";
  auto context = *Context::create(model());
  context.append("xy");
  ASSERT_TRUE(context.generate({}, {.max_tokens = 3}));
  EXPECT_EQ(state().positions, (std::vector<std::vector<uint32_t>>{{0, 1}, {2}, {3}}));
}

TEST_F(ContextTest, ATokenCostsEightHostCallsBesideItsText) {
  state().script = std::string(100, 'a');
  auto context = *Context::create(model());
  context.append("x");
  ASSERT_TRUE(context.generate_tokens({}, {.max_tokens = 10}, [](uint32_t) -> Result<bool> { return true; }));
  state().calls = 0;
  ASSERT_TRUE(context.generate_tokens({}, {.max_tokens = 50}, [](uint32_t) -> Result<bool> { return true; }));
  EXPECT_EQ(state().calls, 50u * 8);
}

TEST_F(ContextTest, TextNeverCutsACharacter) {
  state().script = "aé😀\xf0\x9f";
  auto context = *Context::create(model());
  context.append("x");
  std::vector<std::string> pieces;
  const auto text = context.generate({}, {.stop_tokens = {fake_host::kStop}},
                                     [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_EQ(pieces,
            (std::vector<std::string>{"a", "é", "😀", "\xEF\xBF\xBD"}));  // what never became one comes at the end
  EXPECT_EQ(text->text, "aé😀\xEF\xBF\xBD");
}

TEST_F(ContextTest, ThePromptIsCommittedAndTheReplyStaysOpen) {
  state().script = "abcdefgh";
  auto context = *Context::create(model());
  context.append("0123456789");  // two full pages of four
  ASSERT_TRUE(context.generate({}, {.max_tokens = 8}));
  EXPECT_EQ(state().committed, (std::vector<uint32_t>{2}));
  EXPECT_TRUE(context.truncate(8));
  EXPECT_EQ(state().contexts.begin()->second, "0123456789");
  EXPECT_EQ(context.truncate(3).error(),
            "[context] truncate; got 3 tokens, need at most 2: the others are in committed pages");
}

TEST_F(ContextTest, FlushKeepsTheLastTokenForTheNextPass) {
  state().script = "z";
  auto context = *Context::create(model());
  context.append("abcde");
  ASSERT_TRUE(context.flush());
  EXPECT_EQ(state().contexts.begin()->second, "abcd");
  EXPECT_EQ(state().committed, (std::vector<uint32_t>{1}));
  EXPECT_EQ(context.generate({}, {.max_tokens = 1})->text, "z");
}

TEST_F(ContextTest, ForksGoTheirOwnWays) {
  auto root = *Context::create(model());
  root.append("abcdefg");
  auto left = *root.fork(), right = *root.fork();
  state().scripts[left.raw().__handle] = "L";
  state().scripts[right.raw().__handle] = "R";
  auto left_pass = *left.next({}), right_pass = *right.next({});
  EXPECT_EQ(*right_pass.wait(), uint32_t{'R'});
  EXPECT_EQ(*left_pass.wait(), uint32_t{'L'});
  EXPECT_EQ(state().positions,
            (std::vector<std::vector<uint32_t>>{{0, 1, 2, 3, 4, 5}, {6}, {6}}));  // one prefill for both
}

TEST_F(ContextTest, ASnapshotHoldsEverything) {
  {
    auto context = *Context::create(model());
    context.append("abcdef");
    ASSERT_TRUE(context.save("kept"));
  }
  auto context = *Context::open(model(), "kept");
  EXPECT_EQ(context.size(), 6u);
  EXPECT_EQ(context.next({}).error(), "[context] next; nothing to start from, append a token or a text first");
  state().script = "g";
  context.append("x");
  EXPECT_EQ(context.generate({}, {.max_tokens = 1})->text, "g");
  EXPECT_EQ(state().positions.back(), (std::vector<uint32_t>{6}));
  EXPECT_TRUE(Context::take(model(), "kept"));
  EXPECT_EQ(Context::open(model(), "kept").error(), "[context] no snapshot");
  EXPECT_EQ(Context::remove(model(), "kept").error(), "[context] no snapshot");
}

TEST_F(ContextTest, APassThatDoesNotStartLeavesTheContextAsItWas) {
  state().script = "ok";
  state().execute_error = "[engine] out of pages";
  auto context = *Context::create(model());
  context.append("ab");
  EXPECT_EQ(context.generate({}).error(), "[engine] out of pages");
  EXPECT_EQ(context.size(), 2u);
  EXPECT_EQ(context.generate({}, {.max_tokens = 2})->text, "ok");
}

TEST_F(ContextTest, APassWithoutOutputIsAnError) {
  state().empty_output = true;
  auto context = *Context::create(model());
  context.append("ab");
  EXPECT_EQ(context.generate({}).error(), "[next token] the pass gave no token: it failed or was cancelled");
}

TEST_F(ContextTest, AMatcherMasksEveryPassAndEndsTheText) {
  state().script = "abcabc";
  auto context = *Context::create(model());
  context.append("x");
  const auto grammar = *Grammar::from_regex("[abc]{3}");
  Matcher matcher(grammar, model().tokenizer());
  const auto text = context.generate({}, {}, {}, &matcher);
  ASSERT_TRUE(text) << text.error();
  EXPECT_EQ(text->text, "abc");
  EXPECT_TRUE(text->stopped);
  EXPECT_EQ(state().masks, (std::vector<std::vector<uint32_t>>(3, {'a', 3})));
  EXPECT_EQ(Grammar::from_json_schema("{").error(), "[grammar] not JSON");
}

TEST_F(ContextTest, ChatPutsTheTurnsTogether) {
  state().script = "fine";
  auto context = *Context::create(model());
  Chat chat(context);
  chat.system("be kind");
  chat.user("how are you");
  std::string streamed;
  const auto reply = chat.reply({}, {}, [&](std::string_view piece) { streamed += piece; });
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_EQ(reply->text, "fine");
  EXPECT_EQ(streamed, "fine");
  chat.user("good");
  state().script = "fineyes!more";
  const auto second = chat.reply({});
  EXPECT_EQ(second->text, "yes!");  // the decoder knew the end before a stop token
  EXPECT_EQ(state().contexts.begin()->second, "<s>be kind<u>how are you<r>fine</r><u>good<r>yes");
}

TEST_F(ContextTest, EveryRuleAndTheSeedReachTheEngine) {
  state().script = "ab";
  auto context = *Context::create(model());
  context.append("x");
  const Sampling sampling{.temperature = 0.5f, .top_k = 5, .top_p = 0.25f, .min_p = 0.125f, .seed = uint64_t{1} << 40};
  ASSERT_TRUE(context.generate(sampling, {.max_tokens = 2}));
  const fake_host::Draw draw{0.5f, 5, 0.25f, 0.125f, uint64_t{1} << 40};
  EXPECT_EQ(state().draws, (std::vector<fake_host::Draw>{draw, draw}));
}

}  // namespace
}  // namespace hearth
