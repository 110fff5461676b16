// The op_protocol_tests program as a person runs it, and the documentation that it prints.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/process.h"
#include "ops/conformance/markdown.h"
#include "ops/op.h"
#include "support/temporary_folder.h"

namespace hearth {
namespace {

namespace fs = std::filesystem;

CommandExit program(std::vector<std::string> words, const std::string& isa = "") {
  words.insert(words.begin(), HEARTH_BINARY_DIR "/bin/op_protocol_tests");
  Command command{.argv = std::move(words)};
  if (!isa.empty()) command.environment.emplace_back("HEARTH_ISA", isa);
  auto result = run_command(command);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : CommandExit{.code = -1};
}

class Protocol : public testing::Test {
 protected:
  std::string at() const { return folder_.string(); }
  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "artifact";
};

TEST_F(Protocol, SoftmaxAtThirtyTwoThousand) {
  auto run = program({"--op", "softmax", "--case", "production", "--batch_size", "2", "--vocab_size", "32000"});
  EXPECT_EQ(run.code, 0) << run.output << run.errors;
  EXPECT_NE(run.output.find("tolerance 0.0001, against ref"), std::string::npos) << run.output;
}

TEST_F(Protocol, WriteOnRefCompareOnCpu) {
  for (const char* type : {"f32", "bf16"}) {
    auto run = program({"--op", "rms_norm", "--case", "odd", "--dtype", type, "--backend", "ref", "--write", at()});
    ASSERT_EQ(run.code, 0) << run.output << run.errors;
    run = program({"--backend", "cpu", "--compare", at(), "--json"});
    EXPECT_EQ(run.code, 0) << run.output << run.errors;
    EXPECT_NE(run.output.find(fmt::format("\"dtype\": \"{}\"", type)), std::string::npos) << run.output;
    EXPECT_NE(run.output.find("\"result\": \"ok\""), std::string::npos) << run.output;
  }
}

TEST_F(Protocol, ForcedInstructionSetIsTheOneThatRan) {
  const auto by_option = program({"--op", "rms_norm", "--isa", "portable", "--json"});
  EXPECT_EQ(by_option.code, 0) << by_option.errors;
  EXPECT_NE(by_option.output.find("\"kernel\": \"portable."), std::string::npos) << by_option.output;
  const auto by_environment = program({"--op", "rms_norm", "--json"}, "portable");
  EXPECT_EQ(by_environment.code, 0) << by_environment.errors;
  EXPECT_NE(by_environment.output.find("\"kernel\": \"portable."), std::string::npos) << by_environment.output;
}

TEST_F(Protocol, WrongAnswersFail) {
  ASSERT_EQ(program({"--op", "add", "--case", "odd", "--backend", "ref", "--write", at()}).code, 0);
  std::string bytes = *read_file(folder_ / "output_y.bin");
  bytes[3] ^= 0x40;
  ASSERT_TRUE(write_file(folder_ / "output_y.bin", bytes));
  const auto run = program({"--compare", at()});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.output.find("FAILED"), std::string::npos) << run.output;
  EXPECT_NE(run.output.find("worst y[0]"), std::string::npos) << run.output;
}

TEST_F(Protocol, HostileFolderIsOneErrorAndCodeOne) {
  ASSERT_EQ(program({"--op", "add", "--case", "odd", "--backend", "ref", "--write", at()}).code, 0);
  fs::resize_file(folder_ / "input_z.bin", 3);
  auto run = program({"--compare", at()});
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.errors.find("size; got 3 bytes"), std::string::npos) << run.errors;
  run = program({"--compare", at() + "/nowhere"});
  EXPECT_EQ(run.code, 1);
  EXPECT_FALSE(run.errors.empty());
}

TEST_F(Protocol, UsageErrorsAreCodeTwo) {
  const auto errors = [](std::vector<std::string> words) {
    const auto run = program(std::move(words));
    EXPECT_EQ(run.code, 2) << run.output;
    return run.errors;
  };
  EXPECT_NE(errors({"--op", "softmx"}).find("did you mean \"softmax\""), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--case", "none"}).find("need one of single"), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--vocab_sizes", "3"}).find("did you mean \"vocab_size\""), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--vocab_size", "x"}).find("need a number"), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--vocab_size", "-4"}).find("need a whole number"), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--vocab_size", "1e7", "--batch_size", "1e7"}).find("more elements"),
            std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--dtype", "f33"}).find("need one of"), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--dtype", "q8_0"}).find("need a float type"), std::string::npos);
  EXPECT_NE(errors({"--op", "softmax", "--backend", "tpu"}).find("need ref or cpu"), std::string::npos);
  EXPECT_NE(errors({"--backend", "ref"}).find("--list shows"), std::string::npos);
  errors({"--write", "a", "--compare", "b"});
}

TEST_F(Protocol, ListNamesEveryOp) {
  const auto run = program({"--list"});
  ASSERT_EQ(run.code, 0);
  EXPECT_NE(run.output.find("softmax production dtype batch_size=2 "), std::string::npos);
  for (const ops::OpInfo& op : ops::inventory())
    EXPECT_NE(run.output.find(fmt::format("{} production", op.name)), std::string::npos) << op.name;
}

TEST(OpsPage, IsWhatTheInventorySays) {
  const auto page = read_file(HEARTH_SOURCE_DIR "/docs/ops.md");
  ASSERT_TRUE(page);
  EXPECT_TRUE(*page == ops::conformance::inventory_markdown())
      << "docs/ops.md is old; run: op_protocol_tests --markdown > docs/ops.md";
}

}  // namespace
}  // namespace hearth
