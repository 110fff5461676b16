#include "runtime/session.h"

#include <gtest/gtest.h>

#include <thread>

#include "graph/text.h"

namespace hearth::runtime {
namespace {

graph::Model model(std::string_view text) {
  auto parsed = graph::parse_text(text);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? std::move(*parsed) : graph::Model{};
}

std::unique_ptr<Session> open(std::string_view text, SessionOptions options = {}) {
  auto session = Session::open(model(text), std::move(options));
  EXPECT_TRUE(session) << session.error().message;
  return session ? std::move(*session) : nullptr;
}

Tensor floats(const Dims& dims, std::vector<float> values) {
  return Tensor::of<float>(DType::F32, dims, values);
}
std::vector<float> values_of(const Value& value) {
  return {value.tensor()->data<float>(), value.tensor()->data<float>() + value.tensor()->size()};
}

constexpr std::string_view kAffine = R"(<ir_version: 8, opset_import: ["": 17]>
affine (float[n, 2] x) => (float[n, 2] y) <float[2] w = {2.0, 3.0}, float[2] b = {1.0, 1.0}> {
  h = Mul (x, w)
  y = Add (h, b)
})";

constexpr std::string_view kEndless = R"(<ir_version: 8, opset_import: ["": 17]>
endless (float[n] x) => (float[n] y) <bool yes = {1}> {
  y = Loop (, yes, x) <body = body (int64 i, bool go, float[n] v) => (bool go_on, float[n] next) {
    go_on = Identity (go)
    next = Add (v, v)
  }>
})";

TEST(Session, Runs) {
  const auto session = open(kAffine);
  ASSERT_NE(session, nullptr);
  const Feed feed{"x", floats({2, 2}, {1, 2, 3, 4})};
  const auto made = session->run(std::span(&feed, 1));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(values_of((*made)[0]), (std::vector<float>{3, 7, 7, 13}));
}

TEST(Session, WrongFeedsAreErrorsThatNameThem) {
  const auto session = open(kAffine);
  ASSERT_NE(session, nullptr);
  const auto error = [&](std::vector<Feed> feeds) {
    const auto made = session->run(feeds);
    return made ? std::string("no error") : made.error().message;
  };
  EXPECT_EQ(error({{"z", floats({1, 2}, {1, 2})}}), "[feeds] no input is called 'z'; the inputs are: x");
  EXPECT_EQ(error({}), "[feeds] input 'x' float[n,2] is missing");
  EXPECT_EQ(error({{"x", floats({2}, {1, 2})}}), "[input 'x'] rank; got 1 [2], need 2 float[n,2]");
  EXPECT_EQ(error({{"x", floats({1, 3}, {1, 2, 3})}}), "[input 'x'] dimension 1; got 3, need 2 (float[n,2])");
  const std::vector<int32_t> numbers{1, 2};
  EXPECT_EQ(error({{"x", Tensor::of<int32_t>(DType::I32, {1, 2}, numbers)}}),
            "[input 'x'] type; got int32[1, 2], need float[n,2]");
  EXPECT_EQ(error({{"x", floats({1, 2}, {1, 2})}, {"x", floats({1, 2}, {1, 2})}}), "[feeds] input 'x' is given twice");
}

TEST(Session, ASymbolHasOneSize) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
two (float[n] a, float[n] b) => (float[n] y) { y = Add (a, b) })");
  ASSERT_NE(session, nullptr);
  const std::vector<Feed> feeds{{"a", floats({2}, {1, 2})}, {"b", floats({1}, {1})}};
  const auto made = session->run(feeds);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "[input 'b'] dimension 0 ('n'); got 1, need 2 as in the inputs before it");
}

TEST(Session, AKernelsErrorNamesNodeAndValues) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[a] x, float[b] z) => (float[c] y) { [sum] y = Add (x, z) })");
  ASSERT_NE(session, nullptr);
  const std::vector<Feed> feeds{{"x", floats({2}, {1, 2})}, {"z", floats({3}, {1, 2, 3})}};
  const auto made = session->run(feeds);
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().message.starts_with("[Add 'sum'] ")) << made.error().message;
  EXPECT_TRUE(made.error().message.ends_with("(inputs: x f32[2], z f32[3])")) << made.error().message;
}

TEST(Session, EndsWhenItIsCancelled) {
  const auto session = open(kEndless);
  ASSERT_NE(session, nullptr);
  std::atomic<bool> cancelled{false};
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancelled = true;
  });
  const Feed feed{"x", floats({1}, {1})};
  const auto made = session->run(std::span(&feed, 1), {}, {.cancelled = &cancelled});
  other.join();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::Cancelled);
}

TEST(Session, EndsAtItsDeadline) {
  const auto session = open(kEndless);
  ASSERT_NE(session, nullptr);
  const Feed feed{"x", floats({1}, {1})};
  const auto made = session->run(std::span(&feed, 1), {},
                                 {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20)});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::Limit);
}

TEST(Session, NothingIsHeldAfterARun) {
  const auto session = open(kAffine);
  ASSERT_NE(session, nullptr);
  const size_t before = session->memory().in_use;
  const Feed feed{"x", floats({2, 2}, {1, 2, 3, 4})};
  {
    ASSERT_TRUE(session->run(std::span(&feed, 1)));
  }
  EXPECT_EQ(session->memory().in_use, before);
}

TEST(Session, AnOutputIsTheCallersOwn) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
g (float[n] x) => (float[n] y, float[n] same) { y = Identity (x)  same = Identity (x) })");
  ASSERT_NE(session, nullptr);
  const Tensor x = floats({2}, {1, 2});
  const Feed feed{"x", x};
  auto made = session->run(std::span(&feed, 1));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE((*made)[0].tensor()->writable());
  EXPECT_NE((*made)[0].tensor()->raw(), x.raw());
  EXPECT_NE((*made)[0].tensor()->raw(), (*made)[1].tensor()->raw());
}

TEST(Session, ACustomOperatorServesItsNodes) {
  SessionOptions options;
  options.custom.by_name[{"mine", "Double"}] = [](operators::Call& call) -> Result<> {
    ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
    ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, x->dims()));
    for (int64_t i = 0; i < x->size(); ++i) y->mutable_data<float>()[i] = 2 * x->data<float>()[i];
    return {};
  };
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17, "mine": 1]>
g (float[n] x) => (float[n] y) { y = mine.Double (x) })",
                            std::move(options));
  ASSERT_NE(session, nullptr);
  const Feed feed{"x", floats({2}, {1, 2})};
  const auto made = session->run(std::span(&feed, 1));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(values_of((*made)[0]), (std::vector<float>{2, 4}));
}

TEST(Session, ModelsMayNotHoldTheOperatorsOfPasses) {
  const auto refused = Session::open(model(R"(<ir_version: 8, opset_import: ["": 17, "hearth": 1]>
g (float[n] x) => (float[n] y) { y = hearth.Pointwise <steps = ["relu"]> (x) })"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Unsupported);
  EXPECT_NE(refused.error().message.find("operator of an unknown domain 'hearth'"), std::string::npos)
      << refused.error().message;
}

TEST(Session, NobodyBringsOperatorsOfTheInternalDomain) {
  SessionOptions options;
  options.custom.by_name[{"hearth", "Conv"}] = [](operators::Call&) -> Result<> { return {}; };
  const auto refused = Session::open(model(kAffine), std::move(options));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "[custom operators] domain of 'Conv'; got 'hearth', which is the runtime's own");
}

constexpr std::string_view kProduct = R"(<ir_version: 8, opset_import: ["": 17]>
product (float[n, 2] x) => (float[n, 2] y, float[2, 2] also) <float[2, 2] w = {1.0, 2.0, 3.0, 4.0}, float[2, 2] v = {1.0, 0.0, 0.0, 1.0}> {
  h = MatMul (x, w)
  y = MatMul (h, v)
  also = Identity (v)
})";

TEST(Session, WeightsThatKernelsHoldAreNotKeptTwice) {
  const auto weight_of = [](const Session& session, std::string_view name) {
    const auto& graph = session.model().graph;
    return static_cast<bool>(graph.value(graph.find_value(name)).constant);
  };
  const auto session = open(kProduct, {.level = OptLevel::None});
  ASSERT_NE(session, nullptr);
  EXPECT_FALSE(weight_of(*session, "w"));
  EXPECT_TRUE(weight_of(*session, "v"));  // somebody else reads it
  const auto kept = open(kProduct, {.level = OptLevel::None, .keep_weights = true});
  ASSERT_NE(kept, nullptr);
  EXPECT_TRUE(weight_of(*kept, "w"));
  const Feed feed{"x", floats({1, 2}, {1, 2})};
  for (const auto& each : {session.get(), kept.get()}) {
    const auto made = each->run(std::span(&feed, 1));
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(values_of((*made)[0]), (std::vector<float>{7, 10}));
    EXPECT_EQ(values_of((*made)[1]), (std::vector<float>{1, 0, 0, 1}));
  }
}

TEST(Session, ResultsTakeThePlaceOfWhatDies) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
chain (float[n] x) => (float[n] y) { a = Add (x, x) b = Mul (a, x) c = Neg (b) d = Relu (c) y = Add (d, x) })",
                            {.level = OptLevel::None});
  ASSERT_NE(session, nullptr);
  const Tensor x = floats({1 << 16}, std::vector<float>(1 << 16, -2));
  const Feed feed{"x", x};
  const auto made = session->run(std::span(&feed, 1));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(values_of((*made)[0])[0], -2);
  EXPECT_EQ(x.data<float>()[0], -2);  // what the caller holds is never written
  EXPECT_EQ(session->memory().peak, size_t{4} << 16);
}

TEST(Session, WhatIsStillReadKeepsItsMemory) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
shared (float[n] x) => (float[n] y, float[n] z) <int64[1] sizes = {-1}> {
  a = Add (x, x)
  same = Reshape (a, sizes)
  b = Neg (a)
  y = Add (b, same)
  z = Mul (same, same)
})",
                            {.level = OptLevel::None});
  ASSERT_NE(session, nullptr);
  const Feed feed{"x", floats({2}, {1, 3})};
  const auto made = session->run(std::span(&feed, 1));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(values_of((*made)[0]), (std::vector<float>{0, 0}));
  EXPECT_EQ(values_of((*made)[1]), (std::vector<float>{4, 36}));
}

}  // namespace
}  // namespace hearth::runtime
