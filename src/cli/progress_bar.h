// Progress of a transfer on stderr: a bar with rate and remaining time on a terminal, a plain line at every tenth
// otherwise. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "cli/terminal.h"

namespace hearth::cli {

class ProgressBar {
 public:
  using Clock = std::chrono::steady_clock;
  // `already`: bytes that an earlier attempt brought; they count for the bar, not for the rate.
  ProgressBar(std::string label, uint64_t total_bytes, uint64_t already = 0, std::FILE* stream = stderr);
  ~ProgressBar();  // ends an open line
  ProgressBar(const ProgressBar&) = delete;

  void update(uint64_t done_bytes);
  void finish();  // says how much in what time

  // The text of one state, without colours or line control: what the tests read. total 0: not known.
  static std::string line(std::string_view label, uint64_t done, uint64_t total, uint64_t already, double seconds,
                          int columns);

 private:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  std::string label_;
  uint64_t total_, already_, done_;
  std::FILE* stream_;
  Terminal terminal_;
  Clock::time_point begin_ = Clock::now(), drawn_{};
  uint64_t tenths_ = 0;
  bool open_line_ = false;
};

}  // namespace hearth::cli
