// The text form of a model, for tests and people: ONNX's textual syntax.
//   <ir_version: 10, opset_import: ["": 21]>
//   agraph (float[N, 128] X) => (float[N, 10] C) <float[128, 10] W = {…}> { C = MatMul (X, W) }
// A type without brackets is a scalar, `float[]` of unknown rank. Integers in constants of float16 and narrower floats
// are codes; in float16 and bfloat16 a number with a point is a value. Beyond ONNX's syntax, so that every model can be
// written: `?` is an unknown type and `undefined[2]` one of unknown element type, any name may be quoted, lists may
// hold tensors, types and graphs, and a sparse constant is `sparse_tensor(float[9]) W = {float[2] {1, 2}, int64[2] {0,
// 3}}`.
#pragma once

#include "graph/graph.h"

namespace hearth::graph {

inline constexpr size_t kMaxTextBytes = 64u << 20;

Result<Model> parse_text(std::string_view text);  // errors name line and column
struct TextOptions {
  int64_t max_elements = 16;  // larger constants are written as "…": such a text does not parse back
};
std::string to_text(const Model& model, const TextOptions& options = {});

}  // namespace hearth::graph
