// A folder in memory for parsers that read files: /dev/shm where there is one.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/file.h"

namespace hearth::fuzz {

inline const std::filesystem::path& scratch_folder() {
  static const std::filesystem::path folder = [] {
    const std::filesystem::path root =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    const auto path = root / ("hearth_fuzz." + std::to_string(::getpid()));
    std::filesystem::create_directories(path);
    return path;
  }();
  return folder;
}

inline std::filesystem::path put(std::string_view name, const uint8_t* data, size_t size) {
  const auto path = scratch_folder() / name;
  if (!write_file(path, std::string_view(reinterpret_cast<const char*>(data), size))) __builtin_trap();
  return path;
}

}  // namespace hearth::fuzz
