// Convolution and pooling as channels_last makes them: operators of the domain hearth, every default spelled out.
#include <algorithm>

#include "graph/internal_operators.h"
#include "passes/channels_last.h"
#include "passes/window.h"

namespace hearth::passes {

using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Type;
using graph::ValueId;

namespace {

Node internal_node(const Node& node, const Window& window) {
  Node made;
  made.name = node.name;
  made.domain = graph::kInternalDomain;
  made.op_type = node.op_type;
  set_window(made, window);
  return made;
}

bool is_float(const graph::Type& type) {
  return type.dtype == DType::F32;
}
bool is_byte(const graph::Type& type) {
  return type.dtype == DType::U8 || type.dtype == DType::I8;
}

}  // namespace

std::optional<Node> LayoutRewriter::conv_of(const Node& node) const {
  if (node.inputs.size() < 2 || node.outputs.size() != 1 || node.inputs[0] == kNoValue) return std::nullopt;
  const Shape* shape = shape_of(node.inputs[0]);
  const Tensor* w = plain_constant(graph_, node.inputs[1]);
  if (shape == nullptr || w == nullptr || w->dtype() != DType::F32 || !is_float(graph_.value(node.inputs[0]).type))
    return std::nullopt;
  const auto window = conv_window(node, *shape, w->dims());
  if (!window) return std::nullopt;
  const int64_t group = node.int_or("group", 1), out_channels = w->dim(0);
  Node made = internal_node(node, *window);
  made.set("group", group);
  made.set("out_channels", out_channels);
  made.inputs = {kNoValue, node.inputs[1]};
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    const Tensor* bias = plain_constant(graph_, node.inputs[2]);
    if (bias == nullptr || bias->dims() != Dims{out_channels}) return std::nullopt;
    made.inputs.push_back(node.inputs[2]);
  }
  return made;
}

std::optional<Node> LayoutRewriter::pool_of(const Node& node) const {
  const Shape* shape = node.inputs[0] != kNoValue ? shape_of(node.inputs[0]) : nullptr;
  if (shape == nullptr) return std::nullopt;
  const Type& type = graph_.value(node.inputs[0]).type;
  if (!is_float(type) && !(node.op_type == "MaxPool" && is_byte(type))) return std::nullopt;
  if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) return std::nullopt;  // indices count in NCHW order
  Node made;
  if (node.op_type == "GlobalAveragePool") {
    if (shape->size() < 3 || shape->size() > 4) return std::nullopt;
    made.name = node.name;
    made.domain = graph::kInternalDomain;
    made.op_type = node.op_type;
  } else {
    const auto kernel = node.ints("kernel_shape");
    const auto window = window_of(node, *shape, {kernel.begin(), kernel.end()});
    if (!window) return std::nullopt;
    made = internal_node(node, *window);
    made.set("ceil_mode", window->same ? int64_t{0} : node.int_or("ceil_mode", 0));
    if (node.op_type == "AveragePool") made.set("count_include_pad", node.int_or("count_include_pad", 0));
  }
  made.inputs = {kNoValue};
  return made;
}

// What fold_quantisation left with channels first.
bool LayoutRewriter::turn_quantised(Node& node) {
  if (node.op_type != "QuantisedConv" || node.int_or("channels_first", 0) == 0) return false;
  constexpr size_t kAdded = 7;
  const size_t rank = node.ints("kernel_shape").size() + 2;
  const ValueId was = node.outputs[0];
  node.set("channels_first", int64_t{0});
  for (size_t i = 1; i < node.inputs.size(); ++i)
    node.inputs[i] = i == kAdded ? in_order(node.inputs[i], channels_last_of(rank)) : plain(node.inputs[i]);
  node.inputs[0] = in_order(node.inputs[0], channels_last_of(rank));
  emit_as_source(std::move(node), 0, was, channels_first_of(rank), true);
  return true;
}

bool LayoutRewriter::rewrite_window(Node& node) {
  if (node.domain == graph::kInternalDomain) return turn_quantised(node);
  if (!node.domain.empty()) return false;
  const bool conv = node.op_type == "Conv";
  if (!conv && node.op_type != "MaxPool" && node.op_type != "AveragePool" && node.op_type != "GlobalAveragePool")
    return false;
  auto made = conv ? conv_of(node) : pool_of(node);
  if (!made) return false;
  const size_t rank = shape_of(node.inputs[0])->size();
  made->inputs[0] = in_order(node.inputs[0], channels_last_of(rank));
  made->outputs = {kNoValue};
  emit_as_source(std::move(*made), 0, node.outputs[0], channels_first_of(rank), true);
  return true;
}

}  // namespace hearth::passes
