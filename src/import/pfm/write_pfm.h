// Writes .pfm files: our own format, whose weights are mapped where they lie (docs/pfm.md).
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "graph/graph.h"

namespace hearth::import {

// The file appears under its name only when it is complete. Errors as write_onnx's, without its size limit.
Result<> write_pfm(const graph::Model& model, const std::filesystem::path& path);
Result<std::string> write_pfm(const graph::Model& model);

}  // namespace hearth::import
