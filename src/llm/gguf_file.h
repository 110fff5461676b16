// GGUF, versions 2 and 3, little-endian, one file. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <memory>

#include "llm/model_file.h"

namespace hearth::llm {

Result<std::unique_ptr<ModelFile>> open_gguf_file(const std::filesystem::path& path);

// The number GGUF uses for a type, and back. nullopt: not supported here.
std::optional<uint32_t> gguf_type_number(DType type);
std::optional<DType> dtype_of_gguf(uint32_t number);

}  // namespace hearth::llm
