// What a caller's operator returns, held against what the model declares: kernels behind it rely on that.
#pragma once

#include "base/result.h"
#include "graph/graph.h"
#include "tensor/value.h"

namespace hearth::runtime {

// Invalid when output `index` is not of its declared element type, rank and known sizes. What the model leaves open, or
// declares as anything but a tensor, passes.
Result<> check_custom_output(size_t index, const graph::ValueInfo& declared, const Value& made);

}  // namespace hearth::runtime
