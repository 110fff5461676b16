// What the library has to say besides errors. C++17.
#pragma once

#include <functional>
#include <string>

namespace pyflame_rt {

enum class LogLevel : int { Debug = 0, Info = 1, Warning = 2, Error = 3 };

// `function` gets every message of at least this level: a cached model that was broken and made again, say. It is
// called from any thread, several at a time, and must not call back into this library. One for the whole process;
// empty: nobody is told, as at the start.
void set_log(std::function<void(LogLevel level, const std::string& message)> function,
             LogLevel least = LogLevel::Warning);

}  // namespace pyflame_rt
