#include "pie/program_log.h"

#include "base/log.h"

namespace hearth::pie {

Result<> open_program_log(const Config& config, const std::filesystem::path& file) {
  LogOptions options;
  if (config.engine.verbose) options.stderr_level = options.file_level = LogLevel::Debug;
  options.file = file;
  if (file.empty() && !config.engine.log_dir.empty())
    options.file = std::filesystem::path(config.engine.log_dir) / "pie.log";
  TRY(open_log(options));
  for (const auto& line : idle_keys(config)) log_info("[config] {}", line);
  return {};
}

}  // namespace hearth::pie
