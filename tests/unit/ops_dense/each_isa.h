// Running a test with the entries of every instruction set that this machine has, and judging floats.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ops/cpu/isa.h"
#include "ops/cpu/kernels/dense_entries.h"

namespace hearth::ops::cpu {

template <class Function>
struct IsaEntry {
  Isa isa;
  Function* entry;
};

// The three entries of one name: IsaEntry<Type> list[] = HEARTH_EACH_ISA(dense_softmax).
#define HEARTH_EACH_ISA(name)                                                           \
  {                                                                                     \
    {Isa::Portable, hearth_cpu_portable_##name}, {Isa::Avx2, hearth_cpu_avx2_##name}, { \
      Isa::Avx512, hearth_cpu_avx512_##name                                             \
    }                                                                                   \
  }

template <class Function, class Test>
void on_each_isa(const IsaEntry<Function> (&entries)[3], const Test& test) {
  for (const auto& e : entries) {
    if (!missing_flags(e.isa).empty()) continue;
    SCOPED_TRACE(std::string(to_string(e.isa)));
    test(e.entry);
  }
}

inline std::vector<float> random_numbers(int64_t n, uint32_t seed, float spread = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = normal(random);
  return v;
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// NaN and infinities agree, other numbers to `absolute + relative * |want|`.
inline testing::AssertionResult near(float got, double want, double absolute, double relative) {
  const float rounded = static_cast<float>(want);
  if (std::isnan(want)      ? std::isnan(got)
      : std::isinf(rounded) ? got == rounded
                            : std::fabs(got - want) <= absolute + relative * std::fabs(want))
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "got " << got << ", want " << want;
}

}  // namespace hearth::ops::cpu
