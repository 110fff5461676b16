// What multiplies and shifts every channel by numbers of its own, and the nodes whose weights can take that over.
#pragma once

#include "passes/match.h"

namespace hearth::passes {

// channel c of the result = channel c of `input` * scale[c] + shift[c].
struct ChannelMap {
  graph::ValueId input = graph::kNoValue;
  std::vector<double> scale, shift;
};

// The node as a map of its input number `which` of `rank` dimensions, with `channels` channels along `axis`:
// BatchNormalization for inference, and Add, Sub, Mul, Div by a constant. nullopt: it is something else, it is not
// float32, a number is not finite, or the result has other sizes than the input.
std::optional<ChannelMap> channel_map(const Matcher& matcher, const graph::Node& node, size_t which, size_t rank,
                                      size_t axis, int64_t channels);

// When the node `at` maps the channels of a Conv, ConvTranspose, Gemm or internal MatMul with constant weights that
// nobody else reads, that product takes the map into its weights and its bias (in double, each number rounded once)
// and stands in the place of `at`. True when it did.
Result<bool> fold_channel_map(Matcher& matcher, int32_t at);

}  // namespace hearth::passes
