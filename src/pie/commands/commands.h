// What each command of the `pie` program does, behind its parsed words. Text for people and data go to stdout, remarks
// and progress to stderr; an error is returned and printed once, by the caller.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "pie/config.h"

namespace hearth::pie {

// ---- pie config
Result<> config_init(const std::filesystem::path& path, bool dummy, bool force);
Result<> config_show(const std::filesystem::path& path, bool json);
struct ConfigUpdate {
  std::filesystem::path path;  // empty: the default file
  size_t model = 0;            // which [[model]], from 0
  std::vector<std::pair<const KeyInfo*, std::vector<std::string>>> words;
};
Result<> config_update(const ConfigUpdate& update);

// ---- pie model
Result<> model_list(const std::filesystem::path& config, bool json);
Result<> model_download(const std::filesystem::path& config, const std::vector<std::string>& sources,
                        const std::string& file, bool again, std::stop_token stop);
Result<> model_remove(const std::filesystem::path& config, const std::vector<std::string>& sources);

// ---- pie doctor
// Cancelled never; an error of kind Internal is no failure of the machine. `healthy` is false when something that
// `pie run` needs is missing.
struct DoctorOptions {
  std::filesystem::path config;
  bool json = false;
};
Result<> doctor(const DoctorOptions& options);

}  // namespace hearth::pie
