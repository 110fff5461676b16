// Writes models as ONNX files that other tools read: what read_onnx reads of them is the same model. Names that would
// hide those of an enclosing graph get a suffix, because ONNX allows no value to hide another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"

namespace hearth::import {

// Protobuf's own limit: other readers refuse what is larger. Larger models need external data.
inline constexpr uint64_t kMaxOnnxBytes = (uint64_t{1} << 31) - 1;

struct OnnxWriteOptions {
  // Initializers of at least so many bytes go into one file beside the model, `<its name>.data`, each from a multiple
  // of 4096; nullopt: everything stays in the model's own file.
  std::optional<uint64_t> external_bytes;
};

// Unsupported when a constant has a type that ONNX lacks (block-quantised ones); Limit beyond kMaxOnnxBytes.
Result<std::string> write_onnx(const graph::Model& model);
Result<> write_onnx(const graph::Model& model, const std::filesystem::path& path, const OnnxWriteOptions& options = {});

// TensorProto, SequenceProto or OptionalProto, by what the value is: the files of test data. Maps stand in sequences
// only.
Result<std::string> write_onnx_value(const Value& value, std::string_view name = {});

}  // namespace hearth::import
