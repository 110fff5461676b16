// Replaces every call of a function of the model by its body, until none is left. Depth and size are bounded; a
// function that calls itself is an error. Attribute references become the call's attributes or the function's defaults.
#pragma once

#include "graph/graph.h"

namespace hearth::graph {

inline constexpr int kMaxFunctionDepth = 64;
inline constexpr size_t kMaxInlinedNodes = 1 << 20;

Result<> inline_functions(Model& model);

}  // namespace hearth::graph
