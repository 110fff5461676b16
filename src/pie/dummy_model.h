// The model of `pie config init --dummy`: a tiny Llama with random weights, made on this machine when it is first used.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace hearth::pie {

// Path of a .gguf file below CACHE/dummy; the same seed gives the same file.
Result<std::filesystem::path> dummy_model(const std::filesystem::path& cache_root, uint64_t seed);

}  // namespace hearth::pie
