// Reads .pfm files (docs/pfm.md). The model's part and the table are held against their checksums at every start;
// weights are mapped and not read: verify_pfm holds them against theirs.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/read_onnx.h"

namespace hearth::import {

bool is_pfm(std::span<const std::byte> bytes);

// As read_onnx: constants borrow from the map, nothing in a file can make the reader crash. Invalid: damaged;
// Unsupported: of a later version, or with a section that nobody here knows.
Result<graph::Model> read_pfm(const std::filesystem::path& path, const OnnxLimits& limits = {});
Result<graph::Model> read_pfm(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                              const OnnxLimits& limits = {});

// Reads every byte and compares all checksums; the first damaged weight is named by its place.
Result<> verify_pfm(const std::filesystem::path& path);

}  // namespace hearth::import
