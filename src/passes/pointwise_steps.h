// Elementwise operators as steps of hearth.Pointwise (graph/internal_operators.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace hearth::passes {

// What a node does to one of its inputs: steps, of which some take another input as operand.
struct StepOf {
  std::string text;                          // without the operand's number: "add", "clip 0 6"
  graph::ValueId operand = graph::kNoValue;  // kNoValue: the step has none
};
struct PointwiseForm {
  graph::ValueId main;
  std::vector<StepOf> steps;
};

// The ways to see a node of ONNX or a hearth.Pointwise as steps over one of its inputs; none when it is no such node.
// Only float32; an operand's spread is not looked at.
std::vector<PointwiseForm> pointwise_forms(const graph::Graph& graph, const graph::Node& node, int64_t opset);

// The text of a step of a node whose input `input` is the operand: "add 3".
std::string step_text(const StepOf& step, size_t input);

// Surely the same size in every run.
bool same_size(const graph::Dimension& a, const graph::Dimension& b);
bool same_shape(const graph::Shape& a, const graph::Shape& b);

// How an operand of this shape lies over a result of that shape.
enum class OperandSpread { None, Number, Column, Row, Full };  // None: in no way that the operators allow, or unknown
OperandSpread operand_spread(const graph::Shape& operand, const graph::Shape& result);

}  // namespace hearth::passes
