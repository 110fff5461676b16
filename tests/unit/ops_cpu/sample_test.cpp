#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/backend.h"
#include "weights.h"

namespace hearth::ops::cpu {
namespace {

struct Draws {
  std::vector<float> temperature, top_p, min_p, uniform;
  std::vector<int32_t> top_k;
};

std::vector<int32_t> sample(Device& device, const std::vector<float>& x, int64_t m, const Draws& d) {
  const int64_t n = static_cast<int64_t>(x.size()) / m;
  std::vector<int32_t> token(static_cast<size_t>(m), -7);
  HearthOpCall call{};
  call.inputs[0] = view(x.data(), DType::F32, {m, n});
  call.inputs[1] = view(d.temperature.data(), DType::F32, {m});
  call.inputs[2] = view(d.top_k.data(), DType::I32, {m});
  call.inputs[3] = view(d.top_p.data(), DType::F32, {m});
  call.inputs[4] = view(d.min_p.data(), DType::F32, {m});
  call.inputs[5] = view(d.uniform.data(), DType::F32, {m});
  call.outputs[0] = view(token.data(), DType::I32, {m});
  run(device, Op::Sample, call);
  return token;
}

Draws same(int64_t m, float temperature, int32_t top_k, float top_p, float min_p, const std::vector<float>& uniform) {
  const size_t n = static_cast<size_t>(m);
  return {std::vector<float>(n, temperature), std::vector<float>(n, top_p), std::vector<float>(n, min_p), uniform,
          std::vector<int32_t>(n, top_k)};
}

// The shortcuts through the front of the order draw what the plain sort of ref draws, over a vocabulary's width.
TEST(CpuSample, DrawsWhatTheSortedOrderDraws) {
  auto ref = open_device("ref").value();
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    for (int64_t n : {5, 100, 20011})
      for (float spread : {0.01f, 3.0f}) {
        constexpr int64_t kRows = 24;
        std::vector<float> x = random_floats(static_cast<size_t>(kRows * n), static_cast<uint32_t>(n), spread);
        for (size_t i = 0; i < x.size(); i += 7) x[i] = -INFINITY;
        for (size_t i = 3; i + 1 < x.size(); i += 11) x[i] = x[i + 1];  // ties
        std::vector<float> uniform(kRows);
        for (size_t i = 0; i < kRows; ++i) uniform[i] = static_cast<float>(i) / kRows;
        uniform.back() = 0.99999994f;
        for (const auto& [temperature, top_k, top_p, min_p] : {std::tuple{0.0f, 0, 1.0f, 0.0f},
                                                               {1.0f, 0, 1.0f, 0.0f},
                                                               {0.7f, 40, 1.0f, 0.0f},
                                                               {0.7f, 0, 0.9f, 0.0f},
                                                               {1.3f, 0, 1.0f, 0.1f},
                                                               {1.0f, 500, 0.8f, 0.01f},
                                                               {1.0f, 1, 1.0f, 0.0f},
                                                               {0.05f, 0, 0.1f, 0.0f}}) {
          const Draws d = same(kRows, temperature, top_k, top_p, min_p, uniform);
          ASSERT_EQ(sample(*device, x, kRows, d), sample(*ref, x, kRows, d))
              << to_string(isa) << " n " << n << " spread " << spread << " temperature " << temperature << " top_k "
              << top_k << " top_p " << top_p << " min_p " << min_p;
          EXPECT_EQ(device->last_kernel(), "cpu.sample");
        }
      }
  }
}

TEST(CpuSample, RowsWithNothingToDrawGiveMinusOne) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    for (int64_t n : {1, 16, 37}) {
      std::vector<float> none(static_cast<size_t>(n), -INFINITY), nan = random_floats(static_cast<size_t>(n), 3);
      nan[static_cast<size_t>(n - 1)] = std::nanf("");
      for (float temperature : {0.0f, 1.0f}) {
        EXPECT_EQ(sample(*device, none, 1, same(1, temperature, 0, 1.0f, 0.0f, {0.5f}))[0], -1);
        EXPECT_EQ(sample(*device, nan, 1, same(1, temperature, 0, 1.0f, 0.0f, {0.5f}))[0], -1);
      }
    }
  }
}

TEST(CpuTopK, IsTheFrontOfTheOrder) {
  for (Isa isa : sets_of_this_machine()) {
    auto device = open(isa);
    for (int64_t n : {1, 63, 64, 65, 5000})
      for (int64_t k : {int64_t{1}, int64_t{5}, int64_t{77}, n}) {
        if (k > n) continue;
        std::vector<float> x = random_floats(static_cast<size_t>(n), 9);
        for (float& v : x) v = std::round(v * 8) / 8;  // many ties
        std::vector<float> values(static_cast<size_t>(k));
        std::vector<int32_t> indices(static_cast<size_t>(k));
        HearthOpCall call{};
        call.inputs[0] = view(x.data(), DType::F32, {1, n});
        call.outputs[0] = view(values.data(), DType::F32, {1, k});
        call.outputs[1] = view(indices.data(), DType::I32, {1, k});
        run(*device, Op::TopK, call);
        std::vector<int32_t> order(static_cast<size_t>(n));
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](int32_t a, int32_t b) { return x[static_cast<size_t>(a)] > x[static_cast<size_t>(b)]; });
        order.resize(static_cast<size_t>(k));
        ASSERT_EQ(indices, order) << "n " << n << " k " << k;
        for (size_t i = 0; i < order.size(); ++i) ASSERT_EQ(values[i], x[static_cast<size_t>(order[i])]);
      }
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
