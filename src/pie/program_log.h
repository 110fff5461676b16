// The log of one command.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "pie/config.h"

namespace hearth::pie {

// Opens the log as the configuration says: `file` (may be empty) goes before engine.log_dir. Then the configuration's
// words without effect are mentioned in the log.
Result<> open_program_log(const Config& config, const std::filesystem::path& file);

}  // namespace hearth::pie
