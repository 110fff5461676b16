// Tensor bytes that lie in files beside the model. Each file is mapped once.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace hearth::import::onnx {

class ExternalData {
 public:
  struct File {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;  // shared: constants keep their file alive after the reader is gone
    bool mapped = false;                // the bytes of a MappedFile
  };

  // Empty: there is no folder, every use is an error.
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // No folder, but this one file under this one location.
  ExternalData(std::string location, File file) : mapped_bytes_(file.bytes.size()) {
    by_location_.emplace(std::move(location), std::move(file));
  }

  // `location` is a relative POSIX path; a file outside of the folder is Invalid however it is reached.
  Result<File> open(std::string_view location);

  // Copies of external bytes may be taken as long as their sum stays a small multiple of what the files hold: a few
  // bytes of model could otherwise ask for the same bytes again and again.
  Result<> charge_copy(size_t bytes);

  std::vector<std::shared_ptr<const void>> owners() const;
  std::vector<std::string> paths() const;  // of the files that were opened

 private:
  std::filesystem::path folder_;
  std::filesystem::path root_;                            // canonical, found at the first use
  std::map<std::string, File, std::less<>> by_location_;  // as written
  std::map<std::filesystem::path, File> by_path_;
  size_t mapped_bytes_ = 0, copied_bytes_ = 0;
};

}  // namespace hearth::import::onnx
