#include "pie/health.h"

#include <gtest/gtest.h>

namespace hearth::pie {
namespace {

TEST(CpuFeatures, BestLevelIsTheLastWithEveryFlag) {
  const auto cpu = cpu_features("model name\t: Thing 9\nflags\t\t: fpu avx2 fma f16c avx512f\n", 4);
  EXPECT_EQ(cpu.name, "Thing 9");
  EXPECT_EQ(cpu.best, "avx2");
  EXPECT_EQ(cpu.next, "avx512");
  EXPECT_EQ(cpu.missing, (std::vector<std::string>{"avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16"}));
}

TEST(CpuFeatures, NothingKnownIsPortable) {
  const auto cpu = cpu_features("", 1);
  EXPECT_EQ(cpu.best, "portable");
  EXPECT_EQ(cpu.next, "avx2");
}

TEST(CpuFeatures, APrefixOfAFlagIsNotTheFlag) {
  EXPECT_EQ(cpu_features("flags : avx2x fma f16c\n", 1).best, "portable");
}

}  // namespace
}  // namespace hearth::pie
