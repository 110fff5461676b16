// Where parsers of files find what the fuzzer made: a folder in memory, where there is one.
#pragma once

#include <cstdint>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace hearth::fuzz {

inline const TemporaryFolder& scratch_folder() {
  static const TemporaryFolder folder(std::filesystem::exists("/dev/shm") ? "/dev/shm"
                                                                          : std::filesystem::temp_directory_path());
  return folder;
}

inline std::filesystem::path put(std::string_view name, const uint8_t* data, size_t size) {
  const auto path = scratch_folder() / name;
  CHECK(write_file(path, std::string_view(reinterpret_cast<const char*>(data), size)));
  return path;
}

}  // namespace hearth::fuzz
