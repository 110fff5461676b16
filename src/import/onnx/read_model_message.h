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

// `message`: the bytes, their owner as in read_onnx, and whether they are a file's. `name` is how errors call them when
// they are no model at all.
Result<graph::Model> read_model_message(ExternalData::File message, ExternalData& external, const OnnxLimits& limits,
                                        std::string_view name);

}  // namespace hearth::import::onnx
