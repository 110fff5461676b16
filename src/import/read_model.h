// A model file of any format that is known here, told apart by its content: ONNX, .pfm.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "graph/graph.h"

namespace hearth::import {

Result<graph::Model> read_model(const std::filesystem::path& path);
// `owner` keeps the bytes alive: constants borrow from them.
Result<graph::Model> read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

}  // namespace hearth::import
