// Files of the ONNX suite (HEARTH_ONNX_DATA); none where the package is absent.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace hearth::import::testing {

inline std::vector<std::filesystem::path> suite_files(std::string_view extension) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  if (std::string_view(HEARTH_ONNX_DATA).empty()) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(HEARTH_ONNX_DATA, error))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

}  // namespace hearth::import::testing
