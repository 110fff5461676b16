// A folder as Transformers writes it: config.json, model.safetensors or the shards that model.safetensors.index.json
// lists, tokenizer.json, tokenizer_config.json, chat_template.jinja, generation_config.json.
#pragma once

#include <memory>

#include "llm/model_file.h"

namespace hearth::llm {

Result<std::unique_ptr<ModelFile>> open_safetensors_folder(const std::filesystem::path& path);

}  // namespace hearth::llm
