#include "operators/matrix/convolve.h"

#include <algorithm>

#include "operators/matrix/image_columns.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

Result<ConvShape> read_conv(const Call& call, const Dims& x, const Dims& w) {
  if (x.rank() < 3 || w.rank() != x.rank())
    return call.invalid("input and weight; got {} and {}, need [N, C, …] and [M, C/group, …] of one rank", to_string(x),
                        to_string(w));
  ConvShape shape;
  shape.n = x[0];
  shape.channels = x[1];
  shape.out_channels = w[0];
  shape.groups = call.node().int_or("group", 1);
  if (shape.groups < 1 || shape.channels % shape.groups != 0 || shape.out_channels % shape.groups != 0 ||
      w[1] != shape.channels / shape.groups)
    return call.invalid(
        "group {} with input {} and weight {}; need C = group * the weight's second size, and M a "
        "multiple of group",
        shape.groups, to_string(x), to_string(w));
  ASSIGN_OR_RETURN(const Dims kernel, read_kernel(call, x.rank() - 2, w));
  ASSIGN_OR_RETURN(shape.window, read_window(call, x, kernel, Rounding::Floor));
  return shape;
}

template <class C>
Result<Wide<C>> read_bias(Call& call, int input, int64_t out_channels) {
  if (!call.has(input)) return Wide<C>();
  ASSIGN_OR_RETURN(const Tensor* bias, call.tensor(input));
  if (bias->size() != out_channels)
    return call.invalid("bias, input {}; got {}, need [{}]", input, to_string(bias->dims()), out_channels);
  return Wide<C>::make(call, *bias);
}

namespace {

// The weights of every group as left panels, one after the other.
template <class C>
void pack_weights(const C* w, int64_t groups, int64_t group_outputs, int64_t depth, C* to) {
  for (int64_t g = 0; g < groups; ++g)
    pack_whole_left(Factor<C>{w + g * group_outputs * depth, depth, 1}, group_outputs, depth,
                    to + g * left_panels_size<C>(group_outputs, depth));
}

// One output row after the other, all taps of a row added run by run.
template <class C>
void convolve_depthwise(Call& call, const ConvShape& shape, const C* x, const C* w, const C* bias, C* y) {
  const Window& window = shape.window;
  const std::vector<TapRun> runs = window.tap_runs();
  const int64_t rows = window.out_rows(), wide = window.last().out, step = window.last().stride;
  const int64_t taps = window.taps(), last_taps = window.last().kernel, last_in = window.last().in;
  const int64_t cost = std::max<int64_t>(wide * std::min<int64_t>(taps, 1 << 16), 1);
  call.parallel(shape.n * shape.out_channels * rows, 1 + (1 << 16) / cost, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t plane = unit / rows, m = plane % shape.out_channels, image = plane / shape.out_channels;
      const C* in = x + (image * shape.channels + m / shape.group_outputs()) * window.in_size();
      C* const out = y + unit * wide;
      std::fill_n(out, wide, bias != nullptr ? bias[m] : C{});
      window.for_each_row(unit % rows, [&](int64_t outer_tap, int64_t in_row) {
        const C* from = in + in_row * last_in;
        const C* weights = w + m * taps + outer_tap * last_taps;
        for (const TapRun& run : runs) {
          const C factor = weights[run.tap];
          const C* source = from + run.offset;
          if (step == 1)
            for (int64_t o = run.begin; o < run.end; ++o) out[o] += factor * source[o];
          else
            for (int64_t o = run.begin; o < run.end; ++o) out[o] += factor * source[o * step];
        }
      });
    }
  });
}

template <class C>
Result<> convolve_blocks(Call& call, const ConvShape& shape, const C* x, const C* panels, const C* bias, C* y) {
  const Window& window = shape.window;
  ASSIGN_OR_RETURN(const auto columns, ImageColumns<C>::make(call, window));
  const int64_t outputs = shape.group_outputs(), depth = shape.depth(), pixels = window.out_size();
  const int64_t blocks = (pixels + kWidth - 1) / kWidth;
  const int64_t high = part_rows(outputs, shape.n * shape.groups * blocks), parts = (outputs + high - 1) / high;
  const double cost = static_cast<double>(high) * static_cast<double>(kWidth) * static_cast<double>(depth);
  return run_units<C>(
      call, shape.n * shape.groups * blocks * parts, static_cast<int64_t>(std::min(cost, 1e15)),
      std::min(depth, kDepth) * kWidth, [&](int64_t begin, int64_t end, C* scratch) {
        for (int64_t unit = begin; unit < end; ++unit) {
          const int64_t first_row = unit % parts * high, rows = std::min(high, outputs - first_row);
          const int64_t pixel = unit / parts % blocks * kWidth, wide = std::min(kWidth, pixels - pixel);
          const int64_t group = unit / (parts * blocks) % shape.groups, image = unit / (parts * blocks * shape.groups);
          const C* planes = x + (image * shape.channels + group * shape.group_channels()) * window.in_size();
          const C* left = panels + group * left_panels_size<C>(outputs, depth);
          const int64_t channel = group * outputs + first_row;
          C* const to = y + (image * shape.out_channels + channel) * pixels + pixel;
          for (int64_t p = 0; p < depth; p += kDepth) {
            const int64_t deep = std::min(kDepth, depth - p);
            columns.pack(planes, p, deep, pixel, wide, scratch);
            for (int64_t i = 0; i < rows; i += kHeight)
              multiply_panels(left + p * round_up(outputs, kPanelRows) + (first_row + i) * deep, scratch,
                              std::min(kHeight, rows - i), wide, deep, to + i * pixels, pixels, p > 0);
          }
          if (bias != nullptr)
            for (int64_t i = 0; i < rows; ++i)
              for (int64_t j = 0; j < wide; ++j) to[i * pixels + j] += bias[channel + i];
        }
      });
}

}  // namespace

template <class C>
Result<> convolve(Call& call, const ConvShape& shape, const C* x, const C* w, const C* bias, C* y) {
  const int64_t pixels = shape.window.out_size();
  if (shape.n * shape.out_channels * pixels == 0) return {};
  if (shape.depth() == 0) {  // no input channels: what is left is the bias
    for (int64_t plane = 0; plane < shape.n * shape.out_channels; ++plane)
      std::fill_n(y + plane * pixels, pixels, bias != nullptr ? bias[plane % shape.out_channels] : C{});
    return {};
  }
  if (shape.is_depthwise()) {
    convolve_depthwise(call, shape, x, w, bias, y);
    return {};
  }
  const int64_t outputs = shape.group_outputs(), depth = shape.depth();
  ASSIGN_OR_RETURN(const auto packed, Scratch<C>::make(call, {shape.groups, left_panels_size<C>(outputs, depth)}));
  pack_weights(w, shape.groups, outputs, depth, packed.data());
  return convolve_blocks<C>(call, shape, x, packed.data(), bias, y);
}

#define HEARTH_CONVOLVE(C)                                    \
  template Result<Wide<C>> read_bias<C>(Call&, int, int64_t); \
  template Result<> convolve<C>(Call&, const ConvShape&, const C*, const C*, const C*, C*);
HEARTH_CONVOLVE(float)
HEARTH_CONVOLVE(double)
HEARTH_CONVOLVE(uint32_t)
#undef HEARTH_CONVOLVE

}  // namespace hearth::operators
