// Convolution and pooling as channels_last makes them: operators of the domain hearth, every default spelled out.
#include <algorithm>

#include "graph/internal_operators.h"
#include "passes/channels_last.h"

namespace hearth::passes {

using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::ValueId;

namespace {

constexpr int64_t kLargest = INT32_MAX;  // of a window's numbers

using Numbers = std::vector<int64_t>;

std::optional<Numbers> numbers_of(const Node& node, std::string_view name, size_t count, int64_t least,
                                  int64_t otherwise) {
  const auto given = node.ints(name);
  if (given.empty()) return Numbers(count, otherwise);
  if (given.size() != count || std::ranges::any_of(given, [&](int64_t n) { return n < least || n > kLargest; }))
    return std::nullopt;
  return Numbers(given.begin(), given.end());
}

// The dense kernels walk every tap of a window, the operator's own only those that meet the image.
constexpr int64_t kMostTaps = 4096;

struct Window {
  Numbers kernel, strides, dilations, pads;
  bool same = false;  // the pads come from auto_pad
};

// How the window lies over an input of this shape (channels first); nullopt where that is not known before it runs, or
// is wrong, which the model's own operator says better.
std::optional<Window> window_of(const Node& node, const Shape& shape, Numbers kernel) {
  const size_t rank = kernel.size();
  if (rank < 1 || rank > 2 || shape.size() != rank + 2) return std::nullopt;
  int64_t taps = 1;
  for (const int64_t size : kernel) {
    if (size < 1 || size > kMostTaps / taps) return std::nullopt;
    taps *= size;
  }
  const auto strides = numbers_of(node, "strides", rank, 1, 1), dilations = numbers_of(node, "dilations", rank, 1, 1),
             pads = numbers_of(node, "pads", 2 * rank, 0, 0);
  if (!strides || !dilations || !pads) return std::nullopt;
  Window window{std::move(kernel), *strides, *dilations, *pads};
  const std::string_view word = node.string_or("auto_pad", "NOTSET");
  if (word == "NOTSET" || word.empty()) return window;
  window.pads.assign(2 * rank, 0);
  if (word == "VALID") return window;
  if (word != "SAME_UPPER" && word != "SAME_LOWER") return std::nullopt;
  window.same = true;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1, stride = window.strides[i];
    const graph::Dimension& size = shape[i + 2];
    int64_t total = reach - 1;
    if (stride != 1) {
      if (!size.known() || size.size > INT64_MAX / 4) return std::nullopt;
      total = std::max<int64_t>(((size.size + stride - 1) / stride - 1) * stride + reach - size.size, 0);
    }
    window.pads[i] = word == "SAME_UPPER" ? total / 2 : total - total / 2;
    window.pads[rank + i] = total - window.pads[i];
  }
  return window;
}

Node internal_node(const Node& node, const Window& window) {
  Node made;
  made.name = node.name;
  made.domain = graph::kInternalDomain;
  made.op_type = node.op_type;
  made.set("kernel_shape", window.kernel);
  made.set("strides", window.strides);
  made.set("dilations", window.dilations);
  made.set("pads", window.pads);
  return made;
}

bool is_float(const graph::Type& type) {
  return type.dtype == DType::F32;
}

}  // namespace

std::optional<Node> LayoutRewriter::conv_of(const Node& node) const {
  if (node.inputs.size() < 2 || node.outputs.size() != 1 || node.inputs[0] == kNoValue) return std::nullopt;
  const Shape* shape = shape_of(node.inputs[0]);
  const Tensor* w = plain_constant(graph_, node.inputs[1]);
  if (shape == nullptr || w == nullptr || w->dtype() != DType::F32 || !is_float(graph_.value(node.inputs[0]).type) ||
      w->dims().size() != shape->size() || w->rank() < 3)
    return std::nullopt;
  const int64_t group = node.int_or("group", 1), out_channels = w->dim(0);
  if (group < 1 || out_channels < 1 || out_channels % group != 0 || w->dim(1) < 1 || group > kLargest)
    return std::nullopt;
  if ((*shape)[1].known() && (*shape)[1].size != w->dim(1) * group) return std::nullopt;
  const Numbers kernel(w->dims().begin() + 2, w->dims().end());
  if (const auto given = node.ints("kernel_shape"); !given.empty() && !std::ranges::equal(given, kernel))
    return std::nullopt;
  const auto window = window_of(node, *shape, kernel);
  if (!window) return std::nullopt;
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
  if (shape == nullptr || !is_float(graph_.value(node.inputs[0]).type)) return std::nullopt;
  if (node.outputs.size() > 1 && node.outputs[1] != kNoValue) return std::nullopt;  // indices count in NCHW order
  Node made;
  if (node.op_type == "GlobalAveragePool") {
    if (shape->size() < 3 || shape->size() > 4) return std::nullopt;
    made.name = node.name;
    made.domain = graph::kInternalDomain;
    made.op_type = node.op_type;
  } else {
    const auto kernel = node.ints("kernel_shape");
    const auto window = window_of(node, *shape, Numbers(kernel.begin(), kernel.end()));
    if (!window) return std::nullopt;
    made = internal_node(node, *window);
    made.set("ceil_mode", window->same ? int64_t{0} : node.int_or("ceil_mode", 0));
    if (node.op_type == "AveragePool") made.set("count_include_pad", node.int_or("count_include_pad", 0));
  }
  made.inputs = {kNoValue};
  return made;
}

bool LayoutRewriter::rewrite_window(Node& node) {
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
