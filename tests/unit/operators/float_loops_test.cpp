#include "operators/elementwise/float_loops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "ops/cpu/isa.h"

namespace hearth::operators {
namespace {

std::vector<const FloatLoops*> sets() {
  std::vector<const FloatLoops*> usable = {&kFloatLoopsPortable};
  if (ops::cpu::missing_flags(ops::cpu::Isa::Avx2).empty()) usable.push_back(&kFloatLoopsAvx2);
  if (ops::cpu::missing_flags(ops::cpu::Isa::Avx512).empty()) usable.push_back(&kFloatLoopsAvx512);
  return usable;
}

std::vector<float> numbers(float low, float high, int count) {
  std::vector<float> made = {0.0f, -0.0f, 1e-40f, -1e-30f, INFINITY, -INFINITY, NAN};
  for (int i = 0; i < count; ++i)
    made.push_back(low + (high - low) * static_cast<float>(i) / static_cast<float>(count));
  return made;
}

// In units of the last place of the wanted value; NaN only equals NaN, infinity itself.
double error_in_ulp(float got, double wanted) {
  if (std::isnan(wanted) || std::isnan(got)) return std::isnan(wanted) && std::isnan(got) ? 0 : INFINITY;
  const auto rounded = static_cast<float>(wanted);
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : INFINITY;
  const float magnitude = std::abs(rounded);
  return std::abs(static_cast<double>(got) - wanted) /
         static_cast<double>(std::nextafter(magnitude, INFINITY) - magnitude);
}

TEST(FloatLoops, CloseToTheRealFunctions) {
  struct Row {
    const char* name;
    FloatLoops::Unary FloatLoops::* loop;
    double (*real)(double);
    float low, high;
    double ulp;
  };
  const Row rows[] = {
      {"exp", &FloatLoops::exp, [](double x) { return std::exp(x); }, -110, 95, 1.5},
      {"log", &FloatLoops::log, [](double x) { return std::log(x); }, -1, 1000, 1.5},
      {"log near 1", &FloatLoops::log, [](double x) { return std::log(x); }, 0.5f, 2, 1.5},
      {"tanh", &FloatLoops::tanh, [](double x) { return std::tanh(x); }, -10, 10, 2},
      {"erf", &FloatLoops::erf, [](double x) { return std::erf(x); }, -5, 5, 2},
      {"sigmoid", &FloatLoops::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 40, 3},
      {"softplus", &FloatLoops::softplus,
       [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }, -80, 40, 3},
      {"mish", &FloatLoops::mish,
       [](double x) { return x * std::tanh(std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)))); }, -30, 40, 5},
      {"elu", &FloatLoops::elu, [](double x) { return x < 0 ? std::expm1(x) : x; }, -30, 3, 3},
  };
  const float parameters[2] = {1, 1};
  for (const Row& row : rows) {
    std::vector<float> x = numbers(row.low, row.high, 20000), y(x.size());
    (kFloatLoopsPortable.*row.loop)(parameters, x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isinf(x[i]) && std::string_view(row.name) == "mish") continue;  // -inf * 0
      EXPECT_LE(error_in_ulp(y[i], row.real(static_cast<double>(x[i]))), row.ulp)
          << row.name << "(" << x[i] << ") = " << y[i];
    }
  }
}

// Whatever the set and the length of a loop, the same bits: a model's answer does not depend on the machine here.
TEST(FloatLoops, EverySetGivesTheSameBits) {
  const std::vector<float> x = numbers(-20, 20, 1013);
  std::vector<float> b(x.rbegin(), x.rend());
  const float parameters[2] = {0.75f, 1.25f};
  const auto count = static_cast<int64_t>(x.size());
  const auto same = [&](auto&& run) {
    std::vector<float> first(x.size()), other(x.size());
    run(kFloatLoopsPortable, first.data());
    for (const FloatLoops* loops : sets()) {
      run(*loops, other.data());
      for (size_t i = 0; i < x.size(); ++i)
        if (!(std::isnan(first[i]) && std::isnan(other[i]))) {
          EXPECT_EQ(std::bit_cast<uint32_t>(first[i]), std::bit_cast<uint32_t>(other[i])) << x[i];
        }
    }
  };
#define HEARTH_SAME(name) same([&](const FloatLoops& loops, float* y) { loops.name(parameters, x.data(), y, count); });
  HEARTH_FLOAT_UNARY(HEARTH_SAME)
#undef HEARTH_SAME
#define HEARTH_SAME(name)                                                                                      \
  same([&](const FloatLoops& loops, float* y) { loops.name(x.data(), b.data(), y, count, true, true); });      \
  same([&](const FloatLoops& loops, float* y) { loops.name(x.data(), b.data() + 9, y, count, true, false); }); \
  same([&](const FloatLoops& loops, float* y) { loops.name(x.data() + 9, b.data(), y, count, false, true); });
  HEARTH_FLOAT_BINARY(HEARTH_SAME)
#undef HEARTH_SAME
  for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{15}, int64_t{33}, count - 7})
    for (const FloatLoops* loops : sets())
      EXPECT_EQ(loops->sum(x.data() + 7, n), kFloatLoopsPortable.sum(x.data() + 7, n));
}

}  // namespace
}  // namespace hearth::operators
