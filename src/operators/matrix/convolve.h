// Convolution in the working types: the inner part of Conv, ConvInteger and QLinearConv.
#pragma once

#include "operators/matrix/multiply.h"
#include "operators/matrix/window.h"

namespace hearth::operators {

// Images [n, channels, spatial…] and weights [out_channels, channels / groups, kernel…].
struct ConvShape {
  int64_t n = 0, channels = 0, out_channels = 0, groups = 1;
  Window window;

  int64_t group_channels() const { return channels / groups; }
  int64_t group_outputs() const { return out_channels / groups; }
  int64_t depth() const { return group_channels() * window.taps(); }
  // Groups of one channel with few outputs are convolved without packing.
  bool is_depthwise() const { return group_channels() == 1 && group_outputs() < 2 * kPanelRows; }
};

// The node's attributes against the sizes of image and weight.
Result<ConvShape> read_conv(const Call& call, const Dims& x, const Dims& w);
// Bias input `input` as C, checked to have one element an output channel; no data when it is absent.
template <class C>
Result<Wide<C>> read_bias(Call& call, int input, int64_t out_channels);

// y = convolution of x with w, plus bias when it is not nullptr.
template <class C>
Result<> convolve(Call& call, const ConvShape& shape, const C* x, const C* w, const C* bias, C* y);

}  // namespace hearth::operators
