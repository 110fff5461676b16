// Every case of the suite is one test; each runs at every level and must give the suite's answers at all of them.
#include "suite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

namespace hearth::onnx_suite {

static void PrintTo(const Case& test, std::ostream* out) {  // found by the test framework through its argument
  *out << test.kind << '/' << test.name;
}

namespace {

std::vector<Case> cases() {
  auto found = find_cases(HEARTH_ONNX_DATA);
  if (!found) return {};
  return *found;
}

class OnnxSuite : public testing::TestWithParam<Case> {};

TEST_P(OnnxSuite, GivesTheSuitesAnswersAtEveryLevel) {
  for (const auto level :
       {runtime::OptLevel::None, runtime::OptLevel::Basic, runtime::OptLevel::Extended, runtime::OptLevel::All}) {
    const Outcome outcome = run_case(GetParam(), level);
    if (outcome.verdict == Verdict::Skip) GTEST_SKIP() << outcome.reason;
    ASSERT_EQ(outcome.verdict, Verdict::Pass) << "at level " << static_cast<int>(level) << ": " << outcome.reason;
  }
}

INSTANTIATE_TEST_SUITE_P(All, OnnxSuite, testing::ValuesIn(cases()), [](const auto& chosen) {
  std::string name = chosen.param.kind + "_" + chosen.param.name;
  std::ranges::replace_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

TEST(OnnxSuiteData, IsComplete) {
  const auto found = find_cases(HEARTH_ONNX_DATA);
  ASSERT_TRUE(found) << found.error().message;
  const auto nodes = std::ranges::count(*found, "node", &Case::kind);
  EXPECT_GE(nodes, 1765);
}

}  // namespace
}  // namespace hearth::onnx_suite
