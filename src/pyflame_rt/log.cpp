#include "pyflame_rt/core/log.hpp"

#include "base/log.h"
#include "pyflame_rt/convert.h"

namespace pyflame_rt {

static_assert(static_cast<int>(LogLevel::Debug) == static_cast<int>(hearth::LogLevel::Debug) &&
              static_cast<int>(LogLevel::Error) == static_cast<int>(hearth::LogLevel::Error));

void set_log(std::function<void(LogLevel, const std::string&)> function, LogLevel least) {
  hearth::LogOptions options{.stderr_level = hearth::LogLevel::Off};
  if (function)
    options.function = [function = std::move(function)](hearth::LogLevel level, std::string_view text) {
      function(static_cast<LogLevel>(level), std::string(text));
    };
  options.function_level = static_cast<hearth::LogLevel>(least);
  if (const auto opened = hearth::open_log(options); !opened) raise(opened.error());
}

}  // namespace pyflame_rt
