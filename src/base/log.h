// The log: to a file with times, to stderr in short form, to a function of a program that has a log of its own. Closed
// until open_log(): then writing costs one comparison. Thread-safe. Secrets never go here.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace hearth {

enum class LogLevel : int { Debug, Info, Warning, Error, Off };

struct LogOptions {
  LogLevel stderr_level = LogLevel::Warning;
  LogLevel file_level = LogLevel::Info;
  std::filesystem::path file;  // empty: none. Appended to; its folder is created
  // Called from any thread, several at a time; must not write to this log. Empty: none.
  std::function<void(LogLevel level, std::string_view text)> function;
  LogLevel function_level = LogLevel::Info;
};

// Replaces what was open before.
Result<> open_log(const LogOptions& options);
bool log_enabled(LogLevel level);
void write_log(LogLevel level, std::string_view text);

#define HEARTH_LOG_FUNCTION(name, level)                                                      \
  template <class... Args>                                                                    \
  void name(fmt::format_string<Args...> text, Args&&... args) {                               \
    if (log_enabled(level)) write_log(level, fmt::format(text, std::forward<Args>(args)...)); \
  }
HEARTH_LOG_FUNCTION(log_debug, LogLevel::Debug)
HEARTH_LOG_FUNCTION(log_info, LogLevel::Info)
HEARTH_LOG_FUNCTION(log_warning, LogLevel::Warning)
HEARTH_LOG_FUNCTION(log_error, LogLevel::Error)
#undef HEARTH_LOG_FUNCTION

}  // namespace hearth
