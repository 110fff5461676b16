#include "base/process.h"

#include <gtest/gtest.h>

namespace hearth {
namespace {

TEST(RunCommand, KeepsBothOutputsAndTheCode) {
  const auto exit =
      run_command({.argv = {"sh", "-c", "echo out; echo $WORD >&2; exit 3"}, .environment = {{"WORD", "err"}}}).value();
  EXPECT_EQ(exit.code, 3);
  EXPECT_EQ(exit.output, "out\n");
  EXPECT_EQ(exit.errors, "err\n");
}

TEST(RunCommand, ArgumentsAreNotReadByAShell) {
  const auto exit = run_command({.argv = {"printf", "%s", "$HOME; rm *"}}).value();
  EXPECT_EQ(exit.output, "$HOME; rm *");
}

TEST(RunCommand, MissingProgramIsNotFound) {
  const auto exit = run_command({.argv = {"no-such-program-here"}});
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().kind, ErrorKind::NotFound);
}

TEST(RunCommand, LateProgramIsKilledWithItsChildren) {
  const auto begin = std::chrono::steady_clock::now();
  const auto exit = run_command({.argv = {"sh", "-c", "sleep 30 & wait"}, .timeout = std::chrono::milliseconds(100)});
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().kind, ErrorKind::Limit);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(RunCommand, StopEndsTheWait) {
  std::stop_source source;
  source.request_stop();
  const auto exit = run_command({.argv = {"sleep", "30"}}, source.get_token());
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().kind, ErrorKind::Cancelled);
}

TEST(RunCommand, OutputBeyondTheLimitIsDropped) {
  const auto exit = run_command({.argv = {"sh", "-c", "head -c 100000 /dev/zero"}, .output_limit = 1000}).value();
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.output.size(), 1000u);
}

TEST(FindProgram, FindsShAndNotNonsense) {
  EXPECT_FALSE(find_program("sh").empty());
  EXPECT_TRUE(find_program("no-such-program-here").empty());
}

}  // namespace
}  // namespace hearth
