// ModelProto → graph::Model. Internal to read_onnx and the .pfm reader.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/external_data.h"
#include "import/onnx/read_onnx.h"

namespace hearth::import::onnx {

// `owner` as in read_onnx; `name` is how errors call the bytes when they are no model at all.
Result<graph::Model> read_model_message(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                        ExternalData& external, const OnnxLimits& limits, std::string_view name);

}  // namespace hearth::import::onnx
