// The reference kernels against answers worked out by hand or in closed form.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ops/device.h"
#include "tensor/float16.h"

namespace hearth::ops {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class T>
constexpr DType dtype_for = std::is_same_v<T, float>     ? DType::F32
                            : std::is_same_v<T, int32_t> ? DType::I32
                            : std::is_same_v<T, uint8_t> ? DType::U8
                                                         : DType::U32;
template <class T>
TensorView of(std::vector<T>& values, std::initializer_list<int64_t> dims) {
  return view(values.data(), dtype_for<T>, dims);
}

// ops of ref over plain vectors
struct Call {
  HearthOpCall call{};
  int inputs = 0, outputs = 0;
  Call& in(const TensorView& t) {
    call.inputs[inputs++] = t;
    return *this;
  }
  Call& out(const TensorView& t) {
    call.outputs[outputs++] = t;
    return *this;
  }
  Result<> run(Op op, const void* attributes = nullptr) {
    call.attributes = attributes;
    auto device = open_device("ref");
    return (*device)->run(op, call);
  }
};

TEST(Ref, RmsNormOfThreeAndFour) {
  std::vector<float> x = {3, 4}, w = {1, 2}, y(2);
  const RmsNormAttributes a{.eps = 0, .weight_offset = 1};
  ASSERT_TRUE(Call().in(of(x, {1, 2})).in(of(w, {2})).out(of(y, {1, 2})).run(Op::RmsNorm, &a));
  EXPECT_FLOAT_EQ(y[0], 3 / std::sqrt(12.5f) * 2);
  EXPECT_FLOAT_EQ(y[1], 4 / std::sqrt(12.5f) * 3);
}

TEST(Ref, MatmulWithBiasAndResidual) {
  std::vector<float> x = {1, 2, 3, 4}, w = {1, 0, 0, 1, 1, 1}, bias = {10, 20, 30}, rest = {1, 1, 1, 2, 2, 2}, y(6);
  ASSERT_TRUE(Call()
                  .in(of(x, {2, 2}))
                  .in(of(w, {3, 2}))
                  .in(of(bias, {3}))
                  .in(of(rest, {2, 3}))
                  .out(of(y, {2, 3}))
                  .run(Op::Matmul));
  EXPECT_EQ(y, (std::vector<float>{12, 23, 34, 15, 26, 39}));
}

TEST(Ref, RopeTurnsByTheAngle) {
  // Position 1 with frequency pi/2: (1, 0) becomes (0, 1). The tail of the head is copied.
  std::vector<float> x = {1, 5, 0, 7, 9}, freq = {std::acos(-1.0f) / 2, 0}, y(5);
  std::vector<int32_t> positions = {1};
  const auto call = [&](const RopeAttributes& a) {
    return Call().in(of(x, {1, 1, 5})).in(of(positions, {1})).in(of(freq, {2})).out(of(y, {1, 1, 5})).run(Op::Rope, &a);
  };
  ASSERT_TRUE(call({}));  // pairs (0, 2) and (1, 3)
  EXPECT_NEAR(y[0], 0, 1e-6);
  EXPECT_NEAR(y[2], 1, 1e-6);
  EXPECT_EQ(y[1], 5);
  EXPECT_EQ(y[3], 7);
  EXPECT_EQ(y[4], 9);
  ASSERT_TRUE(call({.interleaved = 1, .attention_factor = 2}));  // pairs (0, 1) and (2, 3), doubled
  EXPECT_NEAR(y[0], -10, 1e-5);
  EXPECT_NEAR(y[1], 2, 1e-5);
  EXPECT_EQ(y[3], 14);
  EXPECT_EQ(y[4], 9);
}

TEST(Ref, SoftmaxOfLogarithms) {
  std::vector<float> x = {std::log(1.0f), std::log(2.0f), std::log(5.0f), -kInfinity}, y(4);
  ASSERT_TRUE(Call().in(of(x, {1, 4})).out(of(y, {1, 4})).run(Op::Softmax));
  EXPECT_NEAR(y[0], 0.125, 1e-6);
  EXPECT_NEAR(y[1], 0.25, 1e-6);
  EXPECT_NEAR(y[2], 0.625, 1e-6);
  EXPECT_EQ(y[3], 0);
  const SoftmaxAttributes half{.temperature = 0.5f};  // squares the odds
  ASSERT_TRUE(Call().in(of(x, {1, 4})).out(of(y, {1, 4})).run(Op::Softmax, &half));
  EXPECT_NEAR(y[1], 4.0 / 30, 1e-6);
}

TEST(Ref, SoftmaxOfTemperatureNoughtTakesTheFirstLargest) {
  std::vector<float> x = {1, 4, 4, 2}, y(4);
  const SoftmaxAttributes greedy{.temperature = 0};
  ASSERT_TRUE(Call().in(of(x, {1, 4})).out(of(y, {1, 4})).run(Op::Softmax, &greedy));
  EXPECT_EQ(y, (std::vector<float>{0, 1, 0, 0}));
}

TEST(Ref, EntropyAndLogSoftmaxOfUniform) {
  std::vector<float> x(64, 3.0f), h(1), y(64);
  ASSERT_TRUE(Call().in(of(x, {1, 64})).out(of(h, {1})).run(Op::Entropy));
  EXPECT_NEAR(h[0], std::log(64.0), 1e-6);
  ASSERT_TRUE(Call().in(of(x, {1, 64})).out(of(y, {1, 64})).run(Op::LogSoftmax));
  EXPECT_NEAR(y[17], -std::log(64.0), 1e-6);
}

TEST(Ref, GatedActivations) {
  std::vector<float> x = {0, 100, -100, 1, 2, 3, 5, 7}, y(4);
  ASSERT_TRUE(Call().in(of(x, {1, 8})).out(of(y, {1, 4})).run(Op::GatedSilu));
  EXPECT_EQ(y[0], 0);
  EXPECT_FLOAT_EQ(y[1], 300);
  EXPECT_NEAR(y[2], 0, 1e-30);
  EXPECT_NEAR(y[3], 7 / (1 + std::exp(-1.0)), 1e-5);
  ASSERT_TRUE(Call().in(of(x, {1, 8})).out(of(y, {1, 4})).run(Op::GatedGelu));
  EXPECT_FLOAT_EQ(y[1], 300);
  EXPECT_NEAR(y[3], 7 * 0.841192, 1e-5);  // the tanh form at 1
}

TEST(Ref, AttentionOfEqualScoresIsTheMeanOfWhatARowSees) {
  // One head of one element, keys 0: weights are equal. Values 1..5 over pages of 2, out of order.
  std::vector<float> q = {1, 1, 1}, k(6, 0.0f), v = {3, 4, 1, 2, 5, 99}, y(3);
  std::vector<int32_t> rows = {0, 3}, table = {1, 0, 2}, pages = {0, 3}, kv_len = {5};
  PagedAttentionAttributes a;
  const auto call = [&](std::vector<uint8_t>* mask, std::vector<int32_t>* offsets) {
    Call c;
    c.in(of(q, {3, 1, 1})).in(of(k, {3, 1, 2, 1})).in(of(v, {3, 1, 2, 1})).in(of(rows, {2})).in(of(table, {3}));
    c.in(of(pages, {2})).in(of(kv_len, {1})).out(of(y, {3, 1, 1}));
    if (mask != nullptr) c.in(of(*mask, {static_cast<int64_t>(mask->size())})).in(of(*offsets, {3}));
    return c.run(Op::PagedAttention, &a);
  };
  ASSERT_TRUE(call(nullptr, nullptr));
  EXPECT_FLOAT_EQ(y[0], 2);  // sees 1 2 3
  EXPECT_FLOAT_EQ(y[1], 2.5);
  EXPECT_FLOAT_EQ(y[2], 3);
  a.window = 2;
  ASSERT_TRUE(call(nullptr, nullptr));
  EXPECT_FLOAT_EQ(y[0], 2.5);  // 2 3
  EXPECT_FLOAT_EQ(y[2], 4.5);
  a.window = 0;
  std::vector<uint8_t> mask = {0b10001, 0b00000};
  std::vector<int32_t> offsets = {0, 1, -1};
  ASSERT_TRUE(call(&mask, &offsets));
  EXPECT_FLOAT_EQ(y[0], 1);  // bit 4 is behind its causal end
  EXPECT_FLOAT_EQ(y[1], 0);  // sees nothing
  EXPECT_FLOAT_EQ(y[2], 3);  // no mask for that row
  table[1] = 3;              // a page that is not there
  EXPECT_FALSE(call(nullptr, nullptr));
  table[1] = 0;
  offsets[0] = 2;  // ends behind the mask
  EXPECT_FALSE(call(&mask, &offsets));
}

TEST(Ref, KvWriteSkipsNegativeSlotsAndRefusesThoseBehindTheCache) {
  std::vector<float> k = {1, 2}, v = {3, 4}, kc(4, -1.0f), vc(4, -1.0f);
  std::vector<int32_t> slots = {-1, 2};
  const auto call = [&] {
    return Call()
        .in(of(k, {2, 1, 1}))
        .in(of(v, {2, 1, 1}))
        .in(of(slots, {2}))
        .out(of(kc, {2, 1, 2, 1}))
        .out(of(vc, {2, 1, 2, 1}))
        .run(Op::KvWrite);
  };
  ASSERT_TRUE(call());
  EXPECT_EQ(kc, (std::vector<float>{-1, -1, 2, -1}));
  EXPECT_EQ(vc, (std::vector<float>{-1, -1, 4, -1}));
  slots[0] = 4;
  EXPECT_FALSE(call());
}

TEST(Ref, GatherRefusesIdsOutsideTheTable) {
  std::vector<float> table = {1, 2, 3, 4}, y(2);
  std::vector<int32_t> ids = {1};
  const GatherRowsAttributes a{.scale = 10};
  const auto call = [&] {
    return Call().in(of(table, {2, 2})).in(of(ids, {1})).out(of(y, {1, 2})).run(Op::GatherRows, &a);
  };
  ASSERT_TRUE(call());
  EXPECT_EQ(y, (std::vector<float>{30, 40}));
  for (const int32_t id : {-1, 2}) {
    ids[0] = id;
    const auto result = call();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
  }
}

TEST(Ref, TopKBreaksTiesByIndex) {
  std::vector<float> x = {1, 7, 3, 7, 3}, values(4);
  std::vector<int32_t> indices(4);
  ASSERT_TRUE(Call().in(of(x, {1, 5})).out(of(values, {1, 4})).out(of(indices, {1, 4})).run(Op::TopK));
  EXPECT_EQ(values, (std::vector<float>{7, 7, 3, 3}));
  EXPECT_EQ(indices, (std::vector<int32_t>{1, 3, 2, 4}));
}

TEST(Ref, MaskLogitsReadsLowestBitFirst) {
  std::vector<float> x(33, 1.0f), y(33);
  std::vector<uint32_t> mask = {0x80000001u, 1};
  ASSERT_TRUE(Call().in(of(x, {1, 33})).in(of(mask, {1, 2})).out(of(y, {1, 33})).run(Op::MaskLogits));
  for (size_t i = 0; i < 33; ++i) EXPECT_EQ(y[i], i == 0 || i == 31 || i == 32 ? 1.0f : -kInfinity) << i;
}

struct Draw {
  float temperature = 1, top_p = 1, min_p = 0, uniform = 0;
  int32_t top_k = 0;
};
int32_t draw(std::vector<float> x, Draw d) {
  std::vector<float> t = {d.temperature}, p = {d.top_p}, m = {d.min_p}, u = {d.uniform};
  std::vector<int32_t> k = {d.top_k}, token = {-7};
  Call c;
  c.in(of(x, {1, static_cast<int64_t>(x.size())})).in(of(t, {1})).in(of(k, {1})).in(of(p, {1})).in(of(m, {1}));
  EXPECT_TRUE(c.in(of(u, {1})).out(of(token, {1})).run(Op::Sample));
  return token[0];
}

TEST(Ref, SampleWalksTheMassesLargestFirst) {
  const std::vector<float> x = {std::log(1.0f), std::log(5.0f), std::log(2.0f), -kInfinity};  // 1/8, 5/8, 2/8, never
  EXPECT_EQ(draw(x, {.uniform = 0.0f}), 1);
  EXPECT_EQ(draw(x, {.uniform = 0.62f}), 1);
  EXPECT_EQ(draw(x, {.uniform = 0.63f}), 2);
  EXPECT_EQ(draw(x, {.uniform = 0.86f}), 2);
  EXPECT_EQ(draw(x, {.uniform = 0.88f}), 0);
  EXPECT_EQ(draw(x, {.uniform = 0.99999f}), 0);
}

TEST(Ref, SampleRulesCutTheTail) {
  const std::vector<float> x = {std::log(1.0f), std::log(5.0f), std::log(2.0f)};
  EXPECT_EQ(draw(x, {.uniform = 0.99f, .top_k = 2}), 2);
  EXPECT_EQ(draw(x, {.uniform = 0.99f, .top_k = 1}), 1);
  EXPECT_EQ(draw(x, {.top_p = 0.6f, .uniform = 0.99f}), 1);
  EXPECT_EQ(draw(x, {.top_p = 0.7f, .uniform = 0.99f}), 2);
  EXPECT_EQ(draw(x, {.top_p = 0.0f, .uniform = 0.99f}), 1);
  EXPECT_EQ(draw(x, {.min_p = 0.3f, .uniform = 0.99f}), 2);
  EXPECT_EQ(draw(x, {.min_p = 0.5f, .uniform = 0.99f}), 1);
  EXPECT_EQ(draw(x, {.temperature = 0, .uniform = 0.99f}), 1);
}

TEST(Ref, SampleOfRowsWithoutAnAnswer) {
  EXPECT_EQ(draw({-kInfinity, -kInfinity}, {}), -1);
  EXPECT_EQ(draw({1, std::nanf(""), 2}, {}), -1);
  EXPECT_EQ(draw({-kInfinity, 1, 1}, {.temperature = 0}), 1);
}

TEST(Ref, ConvertRoundsToNearestEven) {
  std::vector<float> x = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f};
  uint16_t y[2] = {};
  ASSERT_TRUE(Call().in(of(x, {1, 2})).out(view(y, DType::BF16, {1, 2})).run(Op::Convert));
  EXPECT_EQ(y[0], 0x3f80);
  EXPECT_EQ(y[1], 0x3f82);
}

TEST(Ref, CopyPagesInOrder) {
  std::vector<float> cache = {1, 2, 3};
  std::vector<int32_t> from = {0, 1}, to = {1, 2};
  ASSERT_TRUE(Call().in(of(from, {2})).in(of(to, {2})).out(of(cache, {3, 1, 1, 1})).run(Op::CopyPages));
  EXPECT_EQ(cache, (std::vector<float>{1, 1, 1}));
  to[0] = 3;
  EXPECT_FALSE(Call().in(of(from, {2})).in(of(to, {2})).out(of(cache, {3, 1, 1, 1})).run(Op::CopyPages));
}

TEST(Ref, AddAndSoftcapInPlace) {
  std::vector<float> x = {1, 30}, z = {2, 3};
  ASSERT_TRUE(Call().in(of(x, {1, 2})).in(of(z, {1, 2})).out(of(x, {1, 2})).run(Op::Add));
  EXPECT_EQ(x, (std::vector<float>{3, 33}));
  const SoftcapAttributes a{.cap = 3};
  ASSERT_TRUE(Call().in(of(x, {1, 2})).out(of(x, {1, 2})).run(Op::Softcap, &a));
  EXPECT_NEAR(x[0], 3 * std::tanh(1.0), 1e-6);
  EXPECT_NEAR(x[1], 3, 1e-6);
}

}  // namespace
}  // namespace hearth::ops
