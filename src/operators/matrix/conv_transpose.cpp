// ConvTranspose: the adjoint of a convolution whose input is our output. Each block of output channels multiplies its
// weights with the input and adds the columns back to where a convolution would have read them.
#include <algorithm>

#include "operators/matrix/convolve.h"
#include "operators/matrix/image_columns.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

namespace {

struct TransposeShape {
  int64_t n, channels, groups, group_outputs;
  Window window;  // of the convolution: `in` is our output, `out` our input
  int64_t group_channels() const { return channels / groups; }
  int64_t out_channels() const { return groups * group_outputs; }
};

// Sets in, pad_begin and pad_end of an axis whose kernel, stride, dilation and out are known.
Result<> place_output(const Call& call, WindowAxis& axis, int64_t output_padding, AutoPad auto_pad,
                      std::optional<int64_t> output_size) {
  int64_t reach = 0;
  if (__builtin_mul_overflow(axis.stride, axis.out - 1, &reach) || reach > kMaxTensorElements)
    return call.invalid("output; stride {} over {} inputs is more than any tensor holds", axis.stride, axis.out);
  const int64_t full = reach + output_padding + axis.extent();
  if (!output_size && (auto_pad == AutoPad::SameUpper || auto_pad == AutoPad::SameLower))
    output_size = axis.out * axis.stride;
  if (output_size) {
    axis.in = *output_size;
    const int64_t pads = std::max<int64_t>(full - *output_size, 0);  // pads are never negative: zeros fill the end
    axis.pad_begin = auto_pad == AutoPad::SameUpper ? pads / 2 : pads - pads / 2;
    axis.pad_end = pads - axis.pad_begin;
  } else {
    axis.in = full - axis.pad_begin - axis.pad_end;
  }
  if (axis.in < 0)
    return call.invalid("output; pads of {} and {} leave {} of a size of {}", axis.pad_begin, axis.pad_end, axis.in,
                        full);
  return {};
}

Result<TransposeShape> read_transpose(const Call& call, const Dims& x, const Dims& w) {
  if (x.rank() < 3 || w.rank() != x.rank())
    return call.invalid("input and weight; got {} and {}, need [N, C, …] and [C, M/group, …] of one rank", to_string(x),
                        to_string(w));
  TransposeShape shape{x[0], x[1], call.node().int_or("group", 1), w[1], {}};
  if (shape.groups < 1 || shape.channels % shape.groups != 0 || w[0] != shape.channels)
    return call.invalid("group {} with input {} and weight {}; need C equal in both, and a multiple of group",
                        shape.groups, to_string(x), to_string(w));
  Window& window = shape.window;
  window.axes = x.rank() - 2;
  ASSIGN_OR_RETURN(const Dims kernel, read_kernel(call, window.axes, w));
  ASSIGN_OR_RETURN(const Dims strides, read_axes_attribute(call, "strides", window.axes, 1, 1, kMaxWindowStep));
  ASSIGN_OR_RETURN(const Dims dilations, read_axes_attribute(call, "dilations", window.axes, 1, 1, kMaxWindowStep));
  ASSIGN_OR_RETURN(const Dims extra, read_axes_attribute(call, "output_padding", window.axes, 0, 0, kMaxWindowStep));
  ASSIGN_OR_RETURN(const AutoPad auto_pad, read_auto_pad(call));
  auto sizes = call.node().ints("output_shape");
  if (sizes.size() == x.size()) sizes = sizes.subspan(2);  // some exporters repeat batch and channels
  if (!sizes.empty() && sizes.size() + 2 != x.size())
    return call.invalid("attribute 'output_shape'; got {} numbers, need one for each of {} spatial axes", sizes.size(),
                        window.axes);
  if (auto_pad == AutoPad::NotSet && sizes.empty()) TRY(read_pads(call, window));
  for (int i = 0; i < window.axes; ++i) {
    const auto at = static_cast<size_t>(i);
    WindowAxis& axis = window.axis[i];
    axis.out = x[at + 2];
    axis.kernel = kernel[at];
    axis.stride = strides[at];
    axis.dilation = dilations[at];
    if (extra[at] > 0 && extra[at] >= std::max(axis.stride, axis.dilation))
      return call.invalid("attribute 'output_padding'; got {}, need less than the stride {} or dilation {}", extra[at],
                          axis.stride, axis.dilation);
    std::optional<int64_t> size;
    if (!sizes.empty()) size = sizes[at];
    if (size && (*size < 0 || *size > kMaxTensorElements))
      return call.invalid("attribute 'output_shape'; got {}, need sizes in [0, {}]", *size, kMaxTensorElements);
    TRY(place_output(call, axis, extra[at], auto_pad, size));
  }
  int64_t out_channels = 0;
  if (__builtin_mul_overflow(shape.groups, shape.group_outputs, &out_channels) || out_channels > kMaxTensorElements)
    return call.invalid("group; got {} times {} channels, which is more than any tensor holds", shape.groups,
                        shape.group_outputs);
  return shape;
}

template <class C>
Result<> spread(Call& call, const TransposeShape& shape, const C* x, const C* w, const C* bias, C* y) {
  const Window& window = shape.window;
  const int64_t pixels = window.out_size(), y_size = window.in_size(), taps = window.taps();
  const int64_t depth = shape.group_channels(), outputs = shape.group_outputs;
  ASSIGN_OR_RETURN(const auto columns, ImageColumns<C>::make(call, window));
  // Channels whose columns fill some part of the cache, but enough blocks of them for the threads.
  const int64_t fitting = std::clamp<int64_t>(512 / taps, 1, std::max<int64_t>(outputs, 1));
  const int64_t block = std::min(fitting, part_rows(outputs, shape.n * shape.groups));
  const int64_t blocks = (outputs + block - 1) / block;
  const int64_t wide = std::clamp<int64_t>((1 << 16) / (block * taps), panel_columns<C>, kWidth);
  const int64_t column_room = block * taps * wide;
  const double cost = static_cast<double>(block * taps) * static_cast<double>(depth) * static_cast<double>(pixels);
  return run_units<C>(
      call, shape.n * shape.groups * blocks, static_cast<int64_t>(std::min(cost, 1e15)),
      column_room + multiply_scratch<C>(block * taps, wide, depth), [&](int64_t begin, int64_t end, C* scratch) {
        for (int64_t unit = begin; unit < end; ++unit) {
          const int64_t first = unit % blocks * block, count = std::min(block, outputs - first);
          const int64_t group = unit / blocks % shape.groups, image = unit / (blocks * shape.groups);
          const int64_t channel = group * outputs + first;
          C* const planes = y + (image * shape.out_channels() + channel) * y_size;
          for (int64_t m = 0; m < count; ++m)
            std::fill_n(planes + m * y_size, y_size, bias != nullptr ? bias[channel + m] : C{});
          const Factor<C> left{w + (group * depth * outputs + first) * taps, 1, outputs * taps};
          const Factor<C> right{x + (image * shape.channels + group * depth) * pixels, pixels, 1};
          for (int64_t pixel = 0; pixel < pixels; pixel += wide) {
            const int64_t some = std::min(wide, pixels - pixel);
            multiply(left, right, depth, Part{0, count * taps, pixel, some}, scratch, some, false,
                     scratch + column_room);
            for (int64_t row = 0; row < count * taps; ++row)
              columns.add_back(scratch + row * some, row % taps, pixel, some, planes + row / taps * y_size);
          }
        }
      });
}

template <class C>
Result<> conv_transpose(Call& call, const Tensor& x, const Tensor& w) {
  ASSIGN_OR_RETURN(const TransposeShape shape, read_transpose(call, x.dims(), w.dims()));
  ASSIGN_OR_RETURN(const auto bias, read_bias<C>(call, 2, shape.out_channels()));
  Dims dims{shape.n, shape.out_channels()};
  for (int i = 0; i < shape.window.axes; ++i) dims.push_back(shape.window.axis[i].in);
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x.dtype(), dims));
  if (y.size() == 0) return {};
  ASSIGN_OR_RETURN(const auto image, Wide<C>::make(call, x));
  ASSIGN_OR_RETURN(const auto weight, Wide<C>::make(call, w));
  TRY(spread(call, shape, image.data(), weight.data(), bias.data(), y.data()));
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_conv_transpose(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
  if (x->dtype() != w->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(w->dtype()));
  return in_working_float(call, x->dtype(), [&]<class C>() { return conv_transpose<C>(call, *x, *w); });
}

}  // namespace hearth::operators
