// How the window of a convolution or pool lies over its input: every default and auto_pad spelled out.
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace hearth::passes {

struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;
  bool same = false;  // the pads come from auto_pad
};

// Over an input of this shape, channels first, one or two spatial dimensions. nullopt where that is not known before it
// runs, or is wrong, which the model's own operator says better.
std::optional<Window> window_of(const graph::Node& node, const graph::Shape& shape, std::vector<int64_t> kernel);

// kernel_shape, strides, dilations and pads of the node.
void set_window(graph::Node& node, const Window& window);

// The window of a convolution (Conv, ConvInteger, QLinearConv) with weights of these sizes, [M, C / group, k…], when
// the internal operators can serve it: sizes and groups agree as far as they are known.
std::optional<Window> conv_window(const graph::Node& node, const graph::Shape& shape, const Dims& weights);

}  // namespace hearth::passes
