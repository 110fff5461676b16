#include "import/read_model.h"

#include "base/file.h"
#include "import/onnx/read_onnx.h"
#include "import/pfm/read_pfm.h"

namespace hearth::import {

Result<graph::Model> read_model(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return read_onnx(path);  // says what to give instead
  ASSIGN_OR_RETURN(const auto file, MappedFile::open(path));
  return is_pfm(file.bytes()) ? read_pfm(path) : read_onnx(path);
}

Result<graph::Model> read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  return is_pfm(bytes) ? read_pfm(bytes, std::move(owner)) : read_onnx(bytes, std::move(owner));
}

}  // namespace hearth::import
