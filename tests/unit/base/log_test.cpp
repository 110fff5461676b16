#include "base/log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace hearth {
namespace {

TEST(Log, FileKeepsItsLevelAndAppends) {
  const TemporaryFolder folder;
  const auto file = folder / "logs" / "a.log";
  ASSERT_TRUE(open_log({.stderr_level = LogLevel::Off, .file = file}));
  log_info("first {}", 1);
  log_debug("too quiet");
  ASSERT_TRUE(open_log({.stderr_level = LogLevel::Off, .file = file}));
  log_error("second");
  const auto text = read_file(file).value();
  EXPECT_NE(text.find("info first 1\n"), std::string::npos);
  EXPECT_NE(text.find("error second\n"), std::string::npos);
  EXPECT_EQ(text.find("too quiet"), std::string::npos);
  ASSERT_TRUE(open_log({.stderr_level = LogLevel::Off}));
}

TEST(Log, AFunctionGetsWhatIsOfItsLevel) {
  std::vector<std::pair<LogLevel, std::string>> got;
  ASSERT_TRUE(open_log({.stderr_level = LogLevel::Off,
                        .function = [&](LogLevel level, std::string_view text) { got.emplace_back(level, text); },
                        .function_level = LogLevel::Warning}));
  log_info("too quiet");
  log_warning("look: {}", 7);
  ASSERT_TRUE(open_log({.stderr_level = LogLevel::Off}));
  log_warning("nobody listens");
  const std::vector<std::pair<LogLevel, std::string>> want = {{LogLevel::Warning, "look: 7"}};
  EXPECT_EQ(got, want);
}

TEST(Log, AFileThatCannotBeOpenedIsAnError) {
  const auto opened = open_log({.stderr_level = LogLevel::Off, .file = "/proc/no/such.log"});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::Io);
}

}  // namespace
}  // namespace hearth
