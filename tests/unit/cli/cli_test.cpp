#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/quantity.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace hearth::cli {
namespace {

TEST(Quantity, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(98362432), "98.4 MB");
  EXPECT_EQ(bytes_text(999999), "1.0 MB");  // never "1000.0 kB"
}

TEST(Quantity, Durations) {
  EXPECT_EQ(duration_text(4.4), "4s");
  EXPECT_EQ(duration_text(125), "2m05s");
  EXPECT_EQ(duration_text(3780), "1h03m");
}

TEST(Table, AlignsByCharactersNotBytes) {
  EXPECT_EQ(table({"NAME", "N"}, {{"é", "1"}, {"abcde", "22"}}), "NAME   N\né      1\nabcde  22\n");
}

TEST(ProgressBar, LineHasShareRateAndRest) {
  const auto line = ProgressBar::line("model.gguf", 50'000'000, 100'000'000, 0, 5.0, 120);
  EXPECT_NE(line.find(" 50%"), std::string::npos);
  EXPECT_NE(line.find("50.0 MB of 100.0 MB"), std::string::npos);
  EXPECT_NE(line.find("10.0 MB/s"), std::string::npos);
  EXPECT_NE(line.find("5s left"), std::string::npos);
}

TEST(ProgressBar, ResumedBytesDoNotCountForTheRate) {
  const auto line = ProgressBar::line("m", 60'000'000, 100'000'000, 50'000'000, 1.0, 120);
  EXPECT_NE(line.find("10.0 MB/s"), std::string::npos) << line;
}

TEST(ProgressBar, FitsANarrowTerminal) {
  EXPECT_LT(ProgressBar::line("a-very-long-file-name.safetensors", 5, 10, 0, 1, 30).size(), 30u);
  EXPECT_LT(ProgressBar::line("a-very-long-file-name.safetensors", 5, 0, 0, 1, 30).size(), 30u);
}

TEST(ProgressBar, WithoutATerminalWritesPlainLines) {
  std::FILE* file = std::tmpfile();
  {
    ProgressBar bar("m", 100, 0, file);
    for (uint64_t i = 0; i <= 100; ++i) bar.update(i);
    bar.finish();
  }
  std::rewind(file);
  std::string all;
  for (int c; (c = std::fgetc(file)) != EOF;) all += static_cast<char>(c);
  std::fclose(file);
  EXPECT_NE(all.find("m: 100 B\nm: 10%\nm: 20%\n"), std::string::npos) << all;
  EXPECT_EQ(all.find('\r'), std::string::npos);
  EXPECT_EQ(all.find('\033'), std::string::npos);
}

TEST(Terminal, PlainWithoutATerminal) {
  std::FILE* file = std::tmpfile();
  const auto terminal = Terminal::of(file);
  std::fclose(file);
  EXPECT_FALSE(terminal.interactive);
  EXPECT_EQ(terminal.paint(Colour::Red, "x"), "x");
}

TEST(Terminal, PaintsWhenColoursAreOn) {
  EXPECT_EQ((Terminal{.interactive = true, .colour = true}).paint(Colour::Red, "x"), "\033[31mx\033[0m");
}

TEST(Interrupt, FirstSignalAsksForTheEnd) {
  Interrupt interrupt;
  EXPECT_FALSE(interrupt.token().stop_requested());
  ::kill(::getpid(), SIGINT);
  for (int i = 0; i < 500 && !interrupt.token().stop_requested(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(interrupt.token().stop_requested());
}

TEST(InterruptDeathTest, SecondSignalEndsTheProcessWith130) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Interrupt interrupt;
        ::kill(::getpid(), SIGINT);
        while (!interrupt.token().stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(std::chrono::seconds(20));
      },
      ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace hearth::cli
