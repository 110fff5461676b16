#include "pie/build.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/process.h"
#include "support/temporary_folder.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

// Sets or clears an environment variable for one scope.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* old = std::getenv(name);
    if (old) old_ = old, had_ = true;
    value ? setenv(name, value, 1) : unsetenv(name);
  }
  ~Environment() { had_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

class BuildTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto tools = find_guest_toolchain();
    if (!tools) GTEST_SKIP() << tools.error().message;
  }

  fs::path write(const std::string& name, std::string_view text) const {
    EXPECT_TRUE(write_file(folder_ / name, text));
    return folder_ / name;
  }
  Result<BuildReport> build(const fs::path& source) const {
    return build_inferlet({.source = source, .output = folder_ / "out.wasm", .cache = HEARTH_GUEST_CACHE, .sdk = {}});
  }
  std::string error_of(const fs::path& source) const {
    const auto report = build(source);
    EXPECT_FALSE(fs::exists(folder_ / "out.wasm")) << "something was written";
    return report ? "built" : report.error().message;
  }
  std::string component() const { return read_file(folder_ / "out.wasm").value(); }

  const TemporaryFolder temporary_;
  const fs::path& folder_ = temporary_.path();
};

constexpr std::string_view kSmallest =
    "#include <hearth/inferlet.hpp>\n"
    "hearth::Result<std::string> run(std::string_view input) { return std::string(input); }\n"
    "HEARTH_INFERLET(run)\n";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(BuildTest, AFileBecomesAComponentNamedAfterIt) {
  const auto report = build(write("My_small.guest.cpp", kSmallest));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->name, "my-small-guest");
  EXPECT_EQ(report->warnings, "");
  EXPECT_EQ(report->bytes, component().size());
  EXPECT_EQ(component().substr(0, 8), std::string_view("\0asm\x0d\0\1\0", 8));  // a component, not a module
  EXPECT_TRUE(has(component(), "pie:my-small-guest/run"));
  EXPECT_FALSE(has(component(), "wasi:filesystem")) << "the adapter, which it does not need";
  EXPECT_FALSE(has(component(), "pie:core/context")) << "an interface that it does not use";
}

TEST_F(BuildTest, TheExampleOfTheDocsBuilds) {
  const std::string docs = read_file(fs::path(HEARTH_SOURCE_DIR) / "docs/inferlets.md").value();
  const size_t start = docs.find("```cpp\n") + 7;
  const auto report = build(write("haiku.cpp", docs.substr(start, docs.find("```", start) - start)));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->warnings, "");
}

TEST_F(BuildTest, AFolderOfSourcesWithAManifest) {
  write("guest/Pie.toml", "[package]\nname = \"two-files\"\nversion = \"1.2.3\"\ndescription = \"x\"\n");
  write("guest/part/half.cpp", "int half(int x) { return x / 2; }\n");
  write("guest/main.cpp", "#include <string>\n" + std::string(kSmallest) + "int half(int);\nint other = half(4);\n");
  const auto report = build(folder_ / "guest");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->name, "two-files");
  EXPECT_EQ(report->version, "1.2.3");
  EXPECT_TRUE(component().ends_with("version1.2.3"));
  EXPECT_TRUE(has(component(), "pie:two-files/run"));
}

TEST_F(BuildTest, AGuestThatOpensFilesGetsTheAdapter) {
  const auto report = build(write("files.cpp",
                                  "#include <hearth/inferlet.hpp>\n#include <cstdio>\n"
                                  "hearth::Result<std::string> run(std::string_view input) {\n"
                                  "  FILE* file = std::fopen(std::string(input).c_str(), \"r\");\n"
                                  "  return std::string(file ? \"there\" : \"not there\");\n}\n"
                                  "HEARTH_INFERLET(run)\n"));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(has(component(), "wasi:filesystem/preopens@0.2"));
}

TEST_F(BuildTest, ErrorsOfTheCompilerComeAsItWroteThem) {
  const auto source = write("wrong.cpp", "int x = \"text\";\n");
  const std::string error = error_of(source);
  EXPECT_TRUE(has(error, source.string() + ":1:5: error: cannot initialize a variable of type 'int'")) << error;
}

TEST_F(BuildTest, WarningsAreReported) {
  const auto report = build(write("warn.cpp", std::string(kSmallest) + "static int unused;\n"));
  ASSERT_TRUE(report);
  EXPECT_TRUE(has(report->warnings, "unused variable 'unused'")) << report->warnings;
}

TEST_F(BuildTest, WithoutAnEntryTheErrorSaysHowToMakeOne) {
  const std::string error = error_of(write("none.cpp", "int x;\n"));
  EXPECT_TRUE(has(error, "Every guest has one HEARTH_INFERLET(function).")) << error;
}

TEST_F(BuildTest, SourcesThatAreNone) {
  EXPECT_EQ(error_of(folder_ / "absent.cpp"),
            "[build] there is no file or folder " + (folder_ / "absent.cpp").string());
  const auto text = write("readme.txt", "x");
  EXPECT_EQ(error_of(text), "[build] source; got " + text.string() + ", need a .cpp file or a folder");
  EXPECT_EQ(error_of(folder_), "[build] .cpp files in " + folder_.string() + "; got 0, need 1 to 1000");
}

TEST_F(BuildTest, ManifestsThatAreWrong) {
  write("main.cpp", kSmallest);
  const std::string path = write("Pie.toml", "[package\n").string();
  EXPECT_TRUE(error_of(folder_).starts_with("[build] " + path + ":1: ")) << error_of(folder_);
  write("Pie.toml", "name = \"x\"\n");
  EXPECT_EQ(error_of(folder_), "[build] " + path + " has no table [package] with name and version");
  write("Pie.toml", "[package]\nname = 5\n");
  EXPECT_EQ(error_of(folder_), "[build] " + path + ": package.name; need a text in quotes");
  write("Pie.toml", "[package]\nname = \"My Guest\"\n");
  EXPECT_EQ(error_of(folder_), "[build] " + path + ": package.name; got \"My Guest\", need a name like \"my-guest\"");
  write("Pie.toml", "[package]\nversion = \"1\"\n");
  EXPECT_EQ(error_of(folder_), "[build] " + path + ": package.name is missing");
}

TEST_F(BuildTest, WithoutClangTheErrorSaysHowToGetIt) {
  const auto source = write("small.cpp", kSmallest);
  const Environment path("PATH", folder_.c_str());
  const auto report = build(source);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::NotFound);
  EXPECT_TRUE(has(report.error().message, "clang 19 is missing; install it: sudo apt-get install clang-19 lld-19"));
}

TEST_F(BuildTest, TheLibraryIsCompiledOnceAndAgainWhenItChanges) {
  write("sdk/include/hearth/inferlet.hpp", "int text();\n");
  write("sdk/src/text.cpp", "int text() { return 64; }\n");
  write("sdk/src/libc.cpp", "\n");
  write("sdk/generated/realloc.c",
        "static char memory[4096];\n"
        "__attribute__((export_name(\"cabi_realloc\"))) void* cabi_realloc(void* p, int n, int a, int m) {\n"
        "  return memory;\n}\n");
  const auto source =
      write("small.cpp",
            "#include <hearth/inferlet.hpp>\n"
            "extern \"C\" [[gnu::used, clang::export_name(\"pie:\" HEARTH_INFERLET_NAME \"/run#run\")]]\n"
            "int start(int, int) { return text(); }\n");
  const auto compiled = [&] {
    const auto report = build_inferlet(
        {.source = source, .output = folder_ / "out.wasm", .cache = folder_ / "cache", .sdk = folder_ / "sdk"});
    EXPECT_TRUE(report) << report.error().message;
    return report && report->compiled_sdk;
  };
  EXPECT_TRUE(compiled());
  EXPECT_FALSE(compiled());
  write("sdk/src/more.cpp", "int more;\n");
  EXPECT_TRUE(compiled());
  size_t left = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_ / "cache/sdk")) ++left;
  EXPECT_EQ(left, 2u) << "scratch folders were left behind";
}

TEST(Build, TheLibraryOfTheEnvironmentMustBeOne) {
  const Environment sdk("PIE_SDK", "/nowhere");
  EXPECT_EQ(find_sdk().error().message,
            "[build] PIE_SDK; got /nowhere, need a folder with include/hearth/inferlet.hpp");
}

TEST(Build, PackageNames) {
  EXPECT_EQ(*package_name("text_completion"), "text-completion");
  EXPECT_EQ(*package_name("My Guest.v2"), "my-guest-v2");
  EXPECT_EQ(*package_name("-a--b_"), "a-b");
  for (const char* bad : {"", "-", "2nd", "a-2", "naïve", "a/b", "a\"b", "core", "Instruct", "mcp"})
    EXPECT_FALSE(package_name(bad)) << bad;
}

TEST(GuestBindings, AreWhatTheContractGives) {
  const fs::path root = HEARTH_SOURCE_DIR, fresh = fs::path(HEARTH_BINARY_DIR) / "fresh_bindings";
  Command command;
  command.argv = {(root / "tools/regen_guest_bindings.sh").string(), fresh.string()};
  const auto exit = run_command(command);
  ASSERT_TRUE(exit) << exit.error().message;
  if (exit->code == 3) GTEST_SKIP() << exit->errors;
  ASSERT_EQ(exit->code, 0) << exit->errors;
  for (const char* name : {"hearth_guest.c", "hearth_guest.h", "functions.inc"})
    EXPECT_EQ(read_file(fresh / name).value(), read_file(root / "sdk/cpp/generated" / name).value())
        << name << " is out of date: run tools/regen_guest_bindings.sh";
}

}  // namespace
}  // namespace hearth::pie
