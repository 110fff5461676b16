#include "ops/cpu/isa.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "ops/cpu/cpu_device.h"

namespace hearth::ops::cpu {
namespace {

class ForcedIsa : public testing::Test {
 protected:
  void SetUp() override { unsetenv("HEARTH_ISA"); }
  void TearDown() override { unsetenv("HEARTH_ISA"); }
};

TEST_F(ForcedIsa, PortableRunsEverywhereAndTheBestHasNoMissingFlags) {
  EXPECT_TRUE(missing_flags(Isa::Portable).empty());
  EXPECT_TRUE(missing_flags(best_isa()).empty());
}

TEST_F(ForcedIsa, TheOptionWinsOverTheEnvironment) {
  setenv("HEARTH_ISA", "no-such-set", 1);
  EXPECT_EQ(choose_isa("portable").value(), Isa::Portable);
  const auto wrong = choose_isa("");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().kind, ErrorKind::Usage);
  EXPECT_NE(wrong.error().message.find("HEARTH_ISA; got \"no-such-set\", need portable, avx2 or avx512"),
            std::string::npos)
      << wrong.error().message;
}

TEST_F(ForcedIsa, TheEnvironmentChoosesTheDevice) {
  setenv("HEARTH_ISA", "portable", 1);
  auto device = open_cpu_device({});
  ASSERT_TRUE(device.has_value());
  EXPECT_EQ((*device)->isa(), "portable");
  EXPECT_EQ((*device)->kv_dtype(), DType::F32);
}

TEST_F(ForcedIsa, ASetTheMachineLacksIsAnErrorThatNamesTheFlags) {
  for (Isa isa : {Isa::Avx2, Isa::Avx512}) {
    const auto missing = missing_flags(isa);
    const auto got = choose_isa(to_string(isa));
    ASSERT_EQ(got.has_value(), missing.empty());
    for (const std::string& flag : missing) EXPECT_NE(got.error().message.find(flag), std::string::npos);
  }
}

// A template or inline function that an instruction set's object shares with the rest of the program could be the copy
// that the linker keeps, and then crash a smaller machine: such objects may define their entry points only.
TEST_F(ForcedIsa, ObjectsOfAnInstructionSetShareNoFunctions) {
  int objects = 0;
  for (const char* isa : {"portable", "avx2", "avx512"}) {
    const std::filesystem::path folder =
        std::filesystem::path(HEARTH_BINARY_DIR) / "src/CMakeFiles/hearth_ops.dir/ops/cpu" / isa;
    if (!std::filesystem::exists(folder))
      GTEST_SKIP() << "object files are not where this build keeps them: " << folder;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".o") continue;
      ++objects;
      FILE* nm = popen(("nm --defined-only " + entry.path().string()).c_str(), "r");
      ASSERT_NE(nm, nullptr);
      char line[1024];
      while (std::fgets(line, sizeof line, nm) != nullptr) {
        char kind = 0;
        char name[900] = {};
        if (std::sscanf(line, "%*s %c %899s", &kind, name) != 2) continue;
        if (std::string_view(name) == "DW.ref.__gxx_personality_v0") continue;  // data, and the same in every object
        const bool shared = std::string_view("WVuTDBC").find(kind) != std::string_view::npos;
        const bool entry_point = std::string_view(name).starts_with(std::string("hearth_cpu_") + isa + "_");
        EXPECT_TRUE(!shared || entry_point)
            << entry.path().filename() << " of " << isa << " defines " << kind << ' ' << name;
      }
      ASSERT_EQ(pclose(nm), 0);
    }
  }
  EXPECT_GT(objects, 0);
}

}  // namespace
}  // namespace hearth::ops::cpu
