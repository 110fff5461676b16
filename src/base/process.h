// Running other programs: no shell, arguments as they are, output captured or let through.
#pragma once

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hearth {

struct Command {
  std::vector<std::string> argv;                                 // argv[0] is looked up in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  std::filesystem::path directory;                               // empty: ours
  bool to_stderr = false;                  // both outputs go to our stderr as they come instead of being captured
  std::chrono::milliseconds timeout{0};    // 0: none. A late program is killed
  size_t output_limit = size_t{16} << 20;  // bytes kept of each output; what comes after is read and dropped
};

struct CommandExit {
  int code = 0;  // 128 + signal when killed by one
  std::string output, errors;
};

// Waits for the end; the program reads an empty stdin and is in a process group of its own, which is killed when the
// wait ends early (Limit on time-out, Cancelled on stop). A program that cannot be started is NotFound. A code other
// than 0 is no error of this call.
Result<CommandExit> run_command(const Command& command, std::stop_token stop = {});

// Full path of a program in PATH, or empty.
std::filesystem::path find_program(std::string_view name);

}  // namespace hearth
