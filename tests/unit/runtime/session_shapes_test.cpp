// Sessions over many runs: plans by input shapes, memory that follows them, runs that end early.
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>
#include <regex>
#include <thread>

#include "graph/text.h"
#include "runtime/session.h"

namespace hearth::runtime {
namespace {

std::unique_ptr<Session> open(std::string_view text, SessionOptions options = {}) {
  auto parsed = graph::parse_text(text);
  EXPECT_TRUE(parsed) << parsed.error().message;
  if (!parsed) return nullptr;
  options.level = OptLevel::None;
  auto session = Session::open(std::move(*parsed), std::move(options));
  EXPECT_TRUE(session) << session.error().message;
  return session ? std::move(*session) : nullptr;
}

Tensor floats(const Dims& dims, std::vector<float> values) {
  return Tensor::of<float>(DType::F32, dims, values);
}
Tensor ramp(int64_t rows) {
  std::vector<float> values(static_cast<size_t>(2 * rows));
  std::iota(values.begin(), values.end(), 1.0f);
  return floats({rows, 2}, std::move(values));
}
Tensor number(int64_t value) {
  return Tensor::of<int64_t>(DType::I64, {}, std::span(&value, 1));
}
std::vector<float> values_of(const Value& value) {
  return {value.tensor()->data<float>(), value.tensor()->data<float>() + value.tensor()->size()};
}
Result<std::vector<Value>> run(Session& session, std::vector<Feed> feeds, const RunOptions& options = {}) {
  return session.run(feeds, {}, options);
}

// Counts what a session asks the caller's allocator for, and what is out.
struct Counter {
  int asked = 0, out = 0;
  CallerMemory::Allocator allocator() {
    return [this](size_t bytes) -> Result<std::shared_ptr<std::byte>> {
      ++asked;
      ++out;
      return std::shared_ptr<std::byte>(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)),
                                        [this](std::byte* p) {
                                          --out;
                                          std::free(p);
                                        });
    };
  }
  int since() { return std::exchange(asked, 0); }
};

// Views (Reshape, Identity) that are read late, and products that cannot take the place of their input.
constexpr std::string_view kProducts = R"(<ir_version: 8, opset_import: ["": 17]>
products (float[n, 2] x) => (float[m] y) <float[2, 2] w = {1.0, 2.0, 3.0, 4.0}, int64[1] flat = {-1}> {
  a = MatMul (x, w)
  v = Reshape (a, flat)
  same = Identity (v)
  b = MatMul (a, w)
  c = MatMul (b, w)
  d = Reshape (c, flat)
  e = Neg (d)
  y = Add (e, same)
})";

std::vector<float> products(const Tensor& x) {
  const auto times = [](float p, float q) { return std::pair(p * 1 + q * 3, p * 2 + q * 4); };
  std::vector<float> y;
  for (int64_t i = 0; i < x.dim(0); ++i) {
    const auto a = times(x.data<float>()[2 * i], x.data<float>()[2 * i + 1]);
    const auto b = times(a.first, a.second);
    const auto c = times(b.first, b.second);
    y.push_back(a.first - c.first);
    y.push_back(a.second - c.second);
  }
  return y;
}

void expect_products(Session& session, int64_t rows) {
  const Tensor x = ramp(rows);
  const auto made = run(session, {{"x", x}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(values_of((*made)[0]), products(x));
}

TEST(SessionShapes, TheSecondRunOfAShapeTakesOneBlockAndItsResult) {
  Counter counter;
  {
    const auto session = open(kProducts, {.allocator = counter.allocator()});
    ASSERT_NE(session, nullptr);
    counter.since();
    expect_products(*session, 5);
    EXPECT_EQ(counter.since(), 3);  // a, b, c; what follows takes the place of c
    for (int i = 0; i < 3; ++i) {
      expect_products(*session, 5);
      EXPECT_EQ(counter.since(), 2);
    }
    EXPECT_EQ(session->memory().in_use, 0u);
  }
  EXPECT_EQ(counter.out, 0);
}

TEST(SessionShapes, ThePlanThatLayIdleTheLongestGoes) {
  Counter counter;
  const auto session = open(kProducts, {.allocator = counter.allocator()});
  ASSERT_NE(session, nullptr);
  for (int64_t rows = 1; rows <= static_cast<int64_t>(kMostPlans); ++rows) expect_products(*session, rows);
  EXPECT_EQ(session->shape_plans(), kMostPlans);
  expect_products(*session, 1);
  expect_products(*session, 100);  // pushes out 2
  EXPECT_EQ(session->shape_plans(), kMostPlans);
  counter.since();
  expect_products(*session, 1);
  EXPECT_EQ(counter.since(), 2);
  expect_products(*session, 2);
  EXPECT_EQ(counter.since(), 3);
}

TEST(SessionShapes, AThousandLengthsDoNotGrowMemory) {
  const auto session = open(kProducts);
  ASSERT_NE(session, nullptr);
  constexpr int64_t kMost = 1000;
  size_t most = 0;
  for (int64_t rows = kMost; rows > kMost - 20; --rows) expect_products(*session, rows);
  const size_t of_twenty = session->memory().peak;
  for (int64_t i = 0; i < kMost; ++i) {
    const int64_t rows = 1 + i * 389 % kMost;  // every length once, in no order
    expect_products(*session, rows);
    if (i % 3 == 0) expect_products(*session, rows);
    const MemoryStats stats = session->memory();
    EXPECT_EQ(stats.in_use, 0u);
    most = std::max(most, stats.kept);
  }
  EXPECT_LE(session->shape_plans(), kMostPlans);
  EXPECT_LE(session->memory().peak, 3 * of_twenty);
  for (int i = 0; i < 3; ++i) expect_products(*session, 1);
  EXPECT_LT(session->memory().kept, most / 50);
}

TEST(SessionShapes, AnArenaTakesNoMoreThanTheFirstRunNeeded) {
  const auto session = open(kProducts);
  ASSERT_NE(session, nullptr);
  expect_products(*session, 50000);
  const size_t first = session->memory().peak;
  for (int i = 0; i < 4; ++i) expect_products(*session, 50000);
  EXPECT_LE(session->memory().peak, first);
}

TEST(SessionShapes, SizesThatFollowData) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
counted (int64 n) => (int64[k] y, int64 sum) <int64 zero = {0}, int64 one = {1}> {
  a = Range (zero, n, one)
  b = Mul (a, a)
  y = Add (b, a)
  sum = ReduceSum <keepdims = 0> (b)
})");
  ASSERT_NE(session, nullptr);
  for (const int64_t n : {1000, 10, 1000, 3, 200000, 7, 0, 12, 5, 5, 5}) {
    const auto made = run(*session, {{"n", number(n)}});
    ASSERT_TRUE(made) << made.error().message;
    ASSERT_EQ((*made)[0].tensor()->size(), n);
    int64_t sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_EQ((*made)[0].tensor()->data<int64_t>()[i], i * i + i);
      sum += i * i;
    }
    EXPECT_EQ((*made)[1].tensor()->data<int64_t>()[0], sum);
  }
  EXPECT_EQ(session->shape_plans(), 1u);
  EXPECT_LT(session->memory().kept, size_t{64} << 10);  // nothing of the large one stays
}

TEST(SessionShapes, ABranchThatIsNotTakenAnyMoreCostsNothing) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
branch (float[n, 2] x, bool large) => (float y) <float[2, 2] w = {1.0, 1.0, 0.0, 1.0}> {
  y = If (large) <
    then_branch = then () => (float p) { p1 = MatMul (x, w)  p2 = MatMul (p1, w)  p = ReduceMax <keepdims = 0> (p2) },
    else_branch = other () => (float q) { q = ReduceMin <keepdims = 0> (x) }
  >
})");
  ASSERT_NE(session, nullptr);
  const Tensor x = ramp(100000);
  for (const bool large : {true, true, false, false, false}) {
    const auto made = run(*session, {{"x", x}, {"large", Tensor::of<bool>(DType::Bool, {}, std::span(&large, 1))}});
    ASSERT_TRUE(made) << made.error().message;
    const float most = 2 * x.data<float>()[199998] + x.data<float>()[199999];
    EXPECT_EQ(values_of((*made)[0])[0], large ? most : 1);
  }
  EXPECT_LT(session->memory().kept, size_t{64} << 10);
}

TEST(SessionShapes, BranchesLoopsAndSequences) {
  const auto session = open(R"(<ir_version: 8, opset_import: ["": 17]>
control (float[n, 2] x, bool which, int64 times) => (float[n, 2] y, float[k, 2] all)
<float[2, 2] w = {1.0, 1.0, 0.0, 1.0}, bool yes = {1}> {
  a = MatMul (x, w)
  b = If (which) <
    then_branch = then () => (float[n, 2] p) { p1 = MatMul (a, w)  p = MatMul (p1, w) },
    else_branch = other () => (float[n, 2] q) { q = Identity (a) }
  >
  empty = SequenceEmpty ()
  c, list = Loop (times, yes, b, empty) <body = body (int64 i, bool go, float[n, 2] v, seq(float[n, 2]) s)
      => (bool go_on, float[n, 2] next, seq(float[n, 2]) longer) {
    go_on = Identity (go)
    next = MatMul (v, w)
    longer = SequenceInsert (s, next)
  }>
  first = SequenceInsert (list, a)
  all = ConcatFromSequence <axis = 0> (first)
  y = Add (c, b)
})");
  ASSERT_NE(session, nullptr);
  // Each product adds the first column to the second.
  const auto shifted = [](const Tensor& x, int64_t times) {
    std::vector<float> values(x.data<float>(), x.data<float>() + x.size());
    for (size_t i = 0; i + 1 < values.size(); i += 2) values[i + 1] += static_cast<float>(times) * values[i];
    return values;
  };
  const bool flags[] = {true, false};
  for (int round = 0; round < 12; ++round) {
    const bool which = (round / 2) % 2 == 0;
    const int64_t times = 1 + round % 5;
    const Tensor x = ramp(round < 8 ? 3 : 300);
    const auto made =
        run(*session, {{"x", x},
                       {"which", Tensor::of<bool>(DType::Bool, {}, std::span(flags + (which ? 0 : 1), 1))},
                       {"times", number(times)}});
    ASSERT_TRUE(made) << made.error().message;
    const int64_t before = which ? 3 : 1;
    std::vector<float> want = shifted(x, before), all;
    const std::vector<float> last = shifted(x, before + times);
    for (size_t i = 0; i < want.size(); ++i) want[i] += last[i];
    EXPECT_EQ(values_of((*made)[0]), want) << "round " << round;
    for (int64_t i = 1; i <= times; ++i) {
      const auto part = shifted(x, before + i);
      all.insert(all.end(), part.begin(), part.end());
    }
    const auto a = shifted(x, 1);
    all.insert(all.end(), a.begin(), a.end());
    EXPECT_EQ(values_of((*made)[1]), all) << "round " << round;
  }
  EXPECT_EQ(session->memory().in_use, 0u);
}

TEST(SessionShapes, ResultsStayValidOverTheNextRuns) {
  const auto session = open(kProducts);
  ASSERT_NE(session, nullptr);
  std::vector<std::pair<Tensor, Value>> held;
  for (const int64_t rows : {4, 4, 7, 4, 7, 7, 4}) {
    std::vector<float> values(static_cast<size_t>(2 * rows), static_cast<float>(held.size()));
    const Tensor x = floats({rows, 2}, std::move(values));
    auto made = run(*session, {{"x", x}});
    ASSERT_TRUE(made) << made.error().message;
    held.emplace_back(x, (*made)[0]);
  }
  for (const auto& [x, y] : held) EXPECT_EQ(values_of(y), products(x));
}

// A custom operator that does what a test tells it.
constexpr std::string_view kWatched = R"(<ir_version: 8, opset_import: ["": 17, "mine": 1]>
watched (float[n, 2] x) => (float[n, 2] y) <float[2, 2] w = {1.0, 0.0, 0.0, 1.0}> {
  a = MatMul (x, w)
  b = MatMul (a, w)
  c = mine.Watch (b)
  d = MatMul (c, w)
  y = MatMul (d, w)
})";
SessionOptions watching(std::function<Result<>(operators::Call&)> watch) {
  SessionOptions options;
  options.custom.by_name[{"mine", "Watch"}] = [watch = std::move(watch)](operators::Call& call) -> Result<> {
    ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
    ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, x->dims()));
    std::copy_n(x->data<float>(), x->size(), y->mutable_data<float>());
    return watch(call);
  };
  return options;
}
void expect_same(Session& session, int64_t rows) {
  const Tensor x = ramp(rows);
  const auto made = run(session, {{"x", x}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(values_of((*made)[0]), values_of(x));
}

TEST(SessionShapes, RunsThatEndEarlyLeaveNothingBehind) {
  std::atomic<bool> cancelled = false;
  enum class End { No, Cancel, Error } end = End::No;
  const auto session = open(kWatched, watching([&](operators::Call& call) -> Result<> {
                              if (end == End::Cancel) cancelled = true;
                              if (end == End::Error) return call.invalid("enough");
                              return {};
                            }));
  ASSERT_NE(session, nullptr);
  const auto ends = [&](End how, ErrorKind kind) {
    end = how;
    cancelled = false;
    const auto made = run(*session, {{"x", ramp(6)}}, {.cancelled = &cancelled});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, kind);
    EXPECT_EQ(session->memory().in_use, 0u);
    end = End::No;
  };
  ends(End::Cancel, ErrorKind::Cancelled);  // while it records
  EXPECT_EQ(session->shape_plans(), 0u);
  expect_same(*session, 6);
  EXPECT_EQ(session->shape_plans(), 1u);
  ends(End::Cancel, ErrorKind::Cancelled);  // in the arena
  expect_same(*session, 6);
  ends(End::Error, ErrorKind::Invalid);
  expect_same(*session, 6);
  const auto late = run(*session, {{"x", ramp(6)}}, {.deadline = std::chrono::steady_clock::now()});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::Limit);
  expect_same(*session, 6);
}

TEST(SessionShapes, WhatAnOperatorKeepsIsNotGivenAway) {
  std::vector<Value> kept;
  bool keep = false;
  const auto session = open(kWatched, watching([&](operators::Call& call) -> Result<> {
                              if (keep) kept.push_back(call.value(0));
                              return {};
                            }));
  ASSERT_NE(session, nullptr);
  expect_same(*session, 6);
  for (int i = 0; i < 3; ++i) {
    keep = i == 1;  // no run before did
    expect_same(*session, 6);
  }
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(values_of(kept[0]), values_of(ramp(6)));
  EXPECT_GT(session->memory().in_use, 0u);
  kept.clear();
  EXPECT_EQ(session->memory().in_use, 0u);
}

TEST(SessionShapes, ThreadsWithShapesOfTheirOwn) {
  const auto session = open(kProducts);
  ASSERT_NE(session, nullptr);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 60; ++i) expect_products(*session, i % 3 == 0 ? 11 : 20 * t + i % 2);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(session->memory().in_use, 0u);
  EXPECT_LE(session->shape_plans(), kMostPlans);
}

// While `big` lives there is nothing else, and the results come when it is dead: an arena that stays throughout does
// not fit where block by block did.
constexpr std::string_view kLate = R"(<ir_version: 8, opset_import: ["": 17]>
late (float[n, 2] x) => (float[n, 2] y) <float[2, 2] w = {1.0, 0.0, 0.0, 1.0}> {
  big = MatMul (x, w)
  least = ReduceMin <keepdims = 0> (big)
  y = Add (x, least)
})";

TEST(SessionShapes, WhatRanUnderTheLimitStillRuns) {
  const Tensor x = ramp(1000);  // 8 kB
  size_t needed = 0;
  {
    const auto free = open(kLate);
    ASSERT_NE(free, nullptr);
    ASSERT_TRUE(run(*free, {{"x", x}}));
    needed = free->memory().peak;
  }
  Counter counter;
  // The arena does not fit; or it does, but the result beside it does not.
  for (const size_t limit : {needed, needed * 3 / 2})
    for (const bool caller : {false, true}) {
      SessionOptions options{.memory_limit = limit};
      if (caller) options.allocator = counter.allocator();
      const auto session = open(kLate, std::move(options));
      ASSERT_NE(session, nullptr);
      int first = 0;
      for (int i = 0; i < 5; ++i) {
        std::vector<OpTiming> timings;
        counter.since();
        const auto made = run(*session, {{"x", x}}, {.timings = &timings});
        ASSERT_TRUE(made) << "limit " << limit << ", run " << i << ": " << made.error().message;
        EXPECT_EQ((*made)[0].tensor()->data<float>()[0], 2);
        EXPECT_EQ(timings.size(), 3u);
        const int asked = counter.since();
        if (i == 0) first = asked;
        // The second run finds out, those after it know.
        if (caller && i == 1 && limit > needed) {
          EXPECT_GT(asked, first);
        } else {
          EXPECT_EQ(asked, first) << "limit " << limit << ", run " << i;
        }
      }
      EXPECT_LE(session->memory().peak, limit);
    }
}

TEST(SessionShapes, PastTheLimitIsAnErrorWithBothNumbers) {
  const auto session = open(kProducts, {.memory_limit = 1 << 20});
  ASSERT_NE(session, nullptr);
  for (int i = 0; i < 2; ++i) {
    const auto made = run(*session, {{"x", ramp(100000)}});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::Limit);
    const std::regex text(
        "\\[MatMul\\] \\[memory\\] memory_limit_mb; got [0-9]+ bytes in use and [0-9]+ more asked for, "
        "need at most 1048576 .*");
    EXPECT_TRUE(std::regex_match(made.error().message, text)) << made.error().message;
    for (int j = 0; j < 3; ++j) expect_products(*session, 100);
  }
}

// Under a limit a run may have to begin again; an operator of the caller's is called once a run all the same.
TEST(SessionShapes, CustomOperatorsRunOnce) {
  int calls = 0;
  SessionOptions options = watching([&](operators::Call&) -> Result<> {
    ++calls;
    return {};
  });
  const Tensor x = ramp(1000);
  options.memory_limit = 3 * x.bytes();
  const auto session = open(kWatched, std::move(options));
  ASSERT_NE(session, nullptr);
  for (int i = 1; i < 5; ++i) {
    ASSERT_TRUE(run(*session, {{"x", x}}));
    EXPECT_EQ(calls, i);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what is freed
size_t resident() {
  std::ifstream file("/proc/self/statm");
  size_t all = 0, pages = 0;
  file >> all >> pages;
  return pages * 4096;
}

TEST(SessionShapes, MemoryGoesBackWhenTheSessionCloses) {
  constexpr size_t kPart = size_t{64} << 20;
  const Tensor x = ramp(static_cast<int64_t>(kPart / 8));
  const size_t before = resident();
  {
    const auto session = open(kLate);
    ASSERT_NE(session, nullptr);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(run(*session, {{"x", x}}));
    EXPECT_GT(resident(), before + kPart);
  }
  EXPECT_LT(resident(), before + kPart / 8);
}
#endif

}  // namespace
}  // namespace hearth::runtime
