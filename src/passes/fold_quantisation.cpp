// Models that are quantised, as exporters write them, on the integers that they mean: a convolution or product between
// DequantizeLinear and QuantizeLinear becomes one node over bytes, what moves or clamps elements between the two runs
// on bytes, and the two cancel where they meet. Rounding may fall to the other side where a number lies next to a half.
#include <algorithm>

#include "passes/passes.h"
#include "passes/quantisation.h"
#include "passes/quantised_products.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Uses;
using graph::ValueId;

constexpr int kMostMoves = 16;  // of nodes in a row between DequantizeLinear and QuantizeLinear

constexpr std::string_view kMoves[] = {"Concat", "Flatten", "Gather",    "Reshape",
                                       "Slice",  "Squeeze", "Transpose", "Unsqueeze"};

// The axis of the first input whose elements are those of `axis` of the result, whole and in their order.
std::optional<int64_t> axis_before(const Matcher& matcher, const Node& node, int64_t axis) {
  const Shape* shape = matcher.shape(node.inputs[0]);
  if (shape == nullptr) return std::nullopt;
  const auto rank = static_cast<int64_t>(shape->size());
  const auto from_front = [&](int64_t a) { return a < 0 ? a + rank : a; };
  if (matcher.is(node, "Gather")) {
    const Shape* indices = matcher.shape(node.inputs[1]);
    const int64_t along = from_front(node.int_or("axis", 0));
    if (indices == nullptr || axis < along) return indices == nullptr ? std::nullopt : std::optional(axis);
    const int64_t more = static_cast<int64_t>(indices->size()) - 1;
    return axis > along + more ? std::optional(axis - more) : std::nullopt;
  }
  if (matcher.is(node, "Slice") && matcher.opset() >= 10 && node.inputs.size() > 3) {
    const auto axes = matcher.integers(node.inputs[3]);
    if (!axes || std::ranges::any_of(*axes, [&](int64_t a) { return from_front(a) == axis; })) return std::nullopt;
    return axis;
  }
  return std::nullopt;
}

// Elements of one tensor that `how` describes may pass through the nodes that make the value instead of the numbers
// that they stand for.
bool moves_bytes(const Matcher& matcher, ValueId id, const Quantisation& how, int depth) {
  const int32_t at = matcher.producer(id);
  if (at == Uses::kNone || depth == 0) return false;
  const Node& node = matcher.node(at);
  if (matcher.is(node, "DequantizeLinear")) return quantisation_of(matcher, node) == how;
  if (!matcher.sole(id) || node.inputs.empty() || node.inputs[0] == kNoValue) return false;
  Quantisation before = how;
  if (matcher.is(node, "Relu") || matcher.is(node, "Clip")) {
    if (!how.whole() || matcher.opset() < 12 || !clamp_of(matcher, node, how)) return false;
  } else if (matcher.is(node, "MaxPool")) {
    if (!how.whole() || matcher.opset() < 12) return false;
    if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) return false;
  } else if (std::ranges::any_of(kMoves, [&](std::string_view name) { return matcher.is(node, name); })) {
    if (!how.whole()) {
      const auto axis = axis_before(matcher, node, how.axis);
      if (!axis) return false;
      before.axis = *axis;
    }
  } else {
    return false;
  }
  const size_t count = matcher.is(node, "Concat") ? node.inputs.size() : 1;
  for (size_t i = 0; i < count; ++i)
    if (!moves_bytes(matcher, node.inputs[i], before, depth - 1)) return false;
  return true;
}

Tensor byte_constant(const Quantisation& how, int32_t value) {
  if (how.dtype == DType::I8) {
    const auto element = static_cast<int8_t>(value);
    return Tensor::of<int8_t>(DType::I8, {}, std::span(&element, 1));
  }
  const auto element = static_cast<uint8_t>(value);
  return Tensor::of<uint8_t>(DType::U8, {}, std::span(&element, 1));
}

// Does so: the value as elements.
ValueId move_bytes(Matcher& matcher, ValueId id, const Quantisation& how) {
  if (matcher.graph().value(id).type.dtype == how.dtype) return id;  // a Concat of the same value twice
  const int32_t at = matcher.producer(id);
  const Node& node = matcher.node(at);
  if (matcher.is(node, "DequantizeLinear")) return node.inputs[0];
  if (const auto range = clamp_of(matcher, node, how)) {
    const ValueId bytes = move_bytes(matcher, node.inputs[0], how);
    if (range->low == how.least() && range->high == how.most()) return bytes;
    Node clip;
    clip.name = node.name;
    clip.op_type = "Clip";
    clip.inputs = {bytes, matcher.add_constant("low", byte_constant(how, range->low)),
                   matcher.add_constant("high", byte_constant(how, range->high))};
    clip.outputs = {id};
    matcher.replace(at, std::move(clip));
  } else {
    const size_t count = matcher.is(node, "Concat") ? node.inputs.size() : 1;
    for (size_t i = 0; i < count; ++i) matcher.set_input(at, i, move_bytes(matcher, node.inputs[i], how));
  }
  matcher.graph().value(id).type.dtype = how.dtype;
  return id;
}

// Whoever reads the output of the node `at` reads `id` instead.
void forward(Matcher& matcher, int32_t at, ValueId id) {
  const ValueId output = matcher.node(at).outputs[0];
  const std::vector<int32_t> readers = matcher.readers(output);
  const bool fixed = matcher.is_output(output) ||
                     std::ranges::any_of(readers, [&](int32_t reader) { return has_graphs(matcher.node(reader)); });
  if (fixed) {
    Node same;
    same.name = matcher.node(at).name;
    same.op_type = "Identity";
    same.inputs = {id};
    same.outputs = {output};
    matcher.replace(at, std::move(same));
    return;
  }
  for (const int32_t reader : readers)
    for (size_t i = 0; i < matcher.node(reader).inputs.size(); ++i)
      if (matcher.node(reader).inputs[i] == output) matcher.set_input(reader, i, id);
}

Result<bool> fold_at(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (matcher.is(node, "QuantizeLinear")) {
    if (quantise_product(matcher, at)) return true;
    const auto how = quantisation_of(matcher, node);
    if (!how || !moves_bytes(matcher, node.inputs[0], *how, kMostMoves)) return false;
    forward(matcher, at, move_bytes(matcher, node.inputs[0], *how));
    return true;
  }
  if (node.op_type == "Mul") return take_integer_product(matcher, at);
  if (node.op_type == "Add") return add_to_product(matcher, at);
  if (node.op_type.starts_with("QLinear")) return take_linear_product(matcher, at);
  return take_dequantised_product(matcher, at);
}

bool has_constant_dequantised(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [&](const Node& node) {
    return node.op_type == "DequantizeLinear" && node.domain.empty() && !node.inputs.empty() &&
           node.inputs[0] != kNoValue && graph.value(node.inputs[0]).constant;
  });
}

}  // namespace

Result<int64_t> fold_quantisation(graph::Model& model, const Options& options) {
  bool left = false;
  ASSIGN_OR_RETURN(int64_t changes, for_each_graph(model.graph, [&](Graph& graph) -> Result<int64_t> {
                     ASSIGN_OR_RETURN(const int64_t folded, match_nodes(model, graph, options, fold_at));
                     left = left || has_constant_dequantised(graph);
                     return folded;
                   }));
  // fold_constants has left the weights as integers for this pass.
  if (left && options.evaluate) {
    ASSIGN_OR_RETURN(const int64_t folded, fold_dequantised_constants(model, options));
    changes += folded;
  }
  return changes;
}

}  // namespace hearth::passes
