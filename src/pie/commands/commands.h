// What each command of the `pie` program does, behind its parsed words. Text for people and data go to stdout, remarks
// and progress to stderr; an error is returned and printed once, by the caller.
#pragma once

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "pie/build.h"
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

// Questions to a model, answered by the path that serving uses.
struct ModelQuestion {
  std::filesystem::path config;
  std::string model;       // a source or a path; empty: the configuration's first model
  std::string device;      // empty: the configuration's
  std::string isa;         // empty: the best
  bool reference = false;  // the scalar f32 device
  bool json = false;
};
Result<> model_info(const ModelQuestion& question, std::stop_token stop);
Result<> model_tokenize(const ModelQuestion& question, const std::string& text, bool parse_special,
                        std::stop_token stop);
// window 0: the model's context, at most 2048 tokens.
Result<> model_perplexity(const ModelQuestion& question, const std::filesystem::path& text_file, int64_t window,
                          std::stop_token stop);
// ids: "1,2,3". top 0: the whole vocabulary.
Result<> model_logits(const ModelQuestion& question, const std::string& ids, int64_t top, bool every_position,
                      std::stop_token stop);

// ---- pie doctor
// An error when something that `pie run` needs is missing.
struct DoctorOptions {
  std::filesystem::path config;
  bool json = false;
};
Result<> doctor(const DoctorOptions& options);

// ---- pie run
struct RunOptions {
  std::string inferlet;                     // a path, or [std/]NAME[@VERSION]
  bool inferlet_is_path = false;            // --path
  std::filesystem::path config;             // empty: the default file, else the defaults
  std::filesystem::path log, trace, files;  // empty: none
  std::vector<std::string> arguments;       // of the inferlet
  bool result = false;                      // print what run() returned even after streamed text
  bool stats = false;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};
Result<> run_inferlet(const RunOptions& options, std::stop_token stop);

// ---- pie build
Result<> build_command(const std::filesystem::path& config, BuildRequest request, std::stop_token stop);

}  // namespace hearth::pie
