// GraphProto and FunctionProto → graph::Graph: names become values, subgraphs capture what they read of the graphs
// around them, nodes come into topological order.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/read_onnx.h"
#include "import/onnx/read_tensor.h"

namespace hearth::import::onnx {

// What the parts of one model share while it is read. Counts run over all graphs and functions together.
struct ModelReading {
  const OnnxLimits& limits;
  TensorSource tensors;
  uint64_t hash_seed = 0;  // of the name tables: a file cannot choose names that collide
  size_t nodes = 0, values = 0;
};

Result<graph::Graph> read_graph(std::string_view bytes, ModelReading& reading);
Result<graph::Function> read_function(std::string_view bytes, ModelReading& reading);

// OperatorSetIdProto into domain → version.
Result<> read_opset(std::string_view bytes, std::map<std::string, int64_t>& opsets);
// "ai.onnx" and "" are one domain.
std::string plain_domain(std::string_view domain);

Result<> check_text(std::string_view what, std::string_view text, size_t limit, std::string_view limit_name);

}  // namespace hearth::import::onnx
