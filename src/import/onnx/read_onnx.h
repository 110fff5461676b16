// Reads ONNX files. Weights are not copied where the file has them raw and aligned: constants borrow from the mapped
// file, which Model::backing keeps alive. Every count and size is checked before memory is taken for it; nothing in a
// file can make the reader crash, loop or take more memory than a small multiple of the file.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/result.h"
#include "graph/graph.h"

namespace hearth::import {

// Limits of what a file may hold. Named in the errors.
struct OnnxLimits {
  size_t max_nodes = 4u << 20;
  size_t max_values = 16u << 20;
  size_t max_attributes_per_node = 4096;
  size_t max_graph_depth = 32;
  size_t max_name_bytes = 64u << 10;
  size_t max_functions = 65536;
  size_t max_string_bytes = 1u << 30;
};

// The whole model; external data is looked for beside the file and must not leave its folder. The result is as the file
// has it: not verified, functions not inlined.
Result<graph::Model> read_onnx(const std::filesystem::path& path, const OnnxLimits& limits = {});
// `owner` keeps the bytes alive (constants borrow from them). `folder` holds external data; empty: a file that names
// some is an error.
Result<graph::Model> read_onnx(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                               const std::filesystem::path& folder = {}, const OnnxLimits& limits = {});

// Single serialised values: TensorProto, SequenceProto, OptionalProto, as test data and tools store them. Constants are
// copied. `name` receives the proto's name when not null.
Result<Value> read_onnx_tensor(std::span<const std::byte> bytes, std::string* name = nullptr);
Result<Value> read_onnx_sequence(std::span<const std::byte> bytes, std::string* name = nullptr);
Result<Value> read_onnx_optional(std::span<const std::byte> bytes, std::string* name = nullptr);

}  // namespace hearth::import
