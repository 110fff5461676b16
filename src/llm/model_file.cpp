#include "llm/model_file.h"

#include "llm/gguf_file.h"
#include "llm/safetensors_file.h"

namespace hearth::llm {

Result<std::unique_ptr<ModelFile>> open_model_file(const std::filesystem::path& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (!std::filesystem::exists(status))
    return fail(ErrorKind::NotFound, "[model] {}; there is no such file or folder", path.string());
  if (std::filesystem::is_directory(status)) return open_safetensors_folder(path);
  return open_gguf_file(path);
}

}  // namespace hearth::llm
