#include "pie/health.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "ops/cpu/isa.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::pie {
namespace {

namespace cpu = ops::cpu;

// What the doctor says of the processor while HEARTH_ISA has this value (nullptr: none).
Finding cpu_with(const char* isa) {
  isa != nullptr ? setenv("HEARTH_ISA", isa, 1) : unsetenv("HEARTH_ISA");
  const auto finding = examine_cpu();
  unsetenv("HEARTH_ISA");
  return finding;
}

bool has(const Finding& finding, std::string_view text) {
  return finding.detail.find(text) != std::string::npos;
}

TEST(Health, TheProcessorIsJudgedByWhatTheKernelsAskFor) {
  const auto finding = cpu_with(nullptr);
  EXPECT_EQ(finding.state, Finding::State::Good);
  EXPECT_TRUE(has(finding, fmt::format("kernels: {}", to_string(cpu::best_isa())))) << finding.detail;
  EXPECT_TRUE(has(finding, fmt::format("{} cores", cpu::usable_cores()))) << finding.detail;
  EXPECT_FALSE(has(finding, "bf16")) << finding.detail;  // no kernel needs it
  EXPECT_EQ(has(finding, "avx512 needs"), cpu::best_isa() == cpu::Isa::Avx2) << finding.detail;
}

TEST(Health, AForcedInstructionSetIsSaid) {
  const auto finding = cpu_with("portable");
  EXPECT_EQ(finding.state, Finding::State::Good);
  EXPECT_TRUE(has(finding, "kernels: portable")) << finding.detail;
  EXPECT_EQ(has(finding, "forced by HEARTH_ISA"), cpu::best_isa() != cpu::Isa::Portable) << finding.detail;
}

TEST(Health, AnInstructionSetThatIsNoneIsBad) {
  const auto finding = cpu_with("sse9");
  EXPECT_EQ(finding.state, Finding::State::Bad);
  EXPECT_TRUE(has(finding, "got \"sse9\", need portable, avx2 or avx512")) << finding.detail;
  EXPECT_FALSE(finding.fix.empty());
}

}  // namespace
}  // namespace hearth::pie
