// DeformConv: a convolution whose taps are moved by offsets and read between inputs by linear interpolation, over any
// number of spatial axes. For each block of output positions the corners and weights of every tap are worked out once
// an offset group; its channels then gather, and one product applies the weights.
#include <algorithm>
#include <cmath>

#include "operators/matrix/convolve.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

namespace {

constexpr int64_t kBlock = 64;  // output positions at a time

template <class C>
struct DeformInputs {
  const C *x, *w, *offset, *mask, *bias;  // the last two may be nullptr
};

struct DeformShape {
  ConvShape conv;
  int64_t offset_groups;
  int64_t corners() const { return int64_t{1} << conv.window.axes; }
  int64_t offset_group_channels() const { return conv.channels / offset_groups; }
};

Result<DeformShape> read_deform(const Call& call, const Dims& x, const Dims& w, const Dims& offset) {
  DeformShape shape;
  ASSIGN_OR_RETURN(shape.conv, read_conv(call, x, w));
  shape.offset_groups = call.node().int_or("offset_group", 1);
  if (shape.offset_groups < 1 || shape.conv.channels % shape.offset_groups != 0)
    return call.invalid("attribute 'offset_group'; got {} for {} channels, need a divisor", shape.offset_groups,
                        shape.conv.channels);
  const Window& window = shape.conv.window;
  // Bounded: offset_groups divides the channels (or all are 0), and both factors are sizes of tensors.
  const double channels = static_cast<double>(shape.offset_groups) * static_cast<double>(window.taps() * window.axes);
  Dims need = window.out_dims(shape.conv.n, 0);
  need[1] = channels < 1e15 ? shape.offset_groups * window.taps() * window.axes : -1;
  if (offset != need) return call.invalid("offset; got {}, need {}", to_string(offset), to_string(need));
  return shape;
}

// For positions [position, position + count) of an image: input elements and weights of the corners around every tap's
// place, [tap][corner][count]. A corner outside of the image keeps weight 0 (and some element inside).
template <class C>
void place_taps(const DeformShape& shape, const C* offset, const C* mask, int64_t position, int64_t count,
                int64_t* elements, C* weights) {
  const Window& window = shape.conv.window;
  const int axes = window.axes;
  const int64_t taps = window.taps(), out_size = window.out_size();
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t j = 0; j < count; ++j) {
      int64_t low[kMaxSpatialAxes];
      C part[kMaxSpatialAxes];  // how far from `low` to the next
      bool inside = true;
      int64_t rest = position + j, tap_rest = tap;
      for (int i = axes - 1; i >= 0; --i) {
        const WindowAxis& axis = window.axis[i];
        const int64_t o = rest % axis.out, k = tap_rest % axis.kernel;
        rest /= axis.out;
        tap_rest /= axis.kernel;
        const C place = static_cast<C>(o * axis.stride - axis.pad_begin + k * axis.dilation) +
                        offset[(tap * axes + i) * out_size + position + j];
        inside = inside && axis.in > 0 && place > -1 && place < static_cast<C>(axis.in);  // false for NaN
        if (!inside) break;
        const C floor = std::floor(place);
        low[i] = static_cast<int64_t>(floor);
        part[i] = place - floor;
      }
      const C scale = mask != nullptr ? mask[tap * out_size + position + j] : C{1};
      for (int64_t corner = 0; corner < shape.corners(); ++corner) {
        int64_t element = 0;
        C weight = inside ? scale : C{0};
        for (int i = 0; inside && i < axes; ++i) {
          const WindowAxis& axis = window.axis[i];
          const bool upper = (corner >> i & 1) != 0;
          const int64_t at = low[i] + (upper ? 1 : 0);
          weight *= at < 0 || at >= axis.in ? C{0} : upper ? part[i] : 1 - part[i];
          element = element * axis.in + std::clamp<int64_t>(at, 0, axis.in - 1);
        }
        elements[(tap * shape.corners() + corner) * count + j] = element;
        weights[(tap * shape.corners() + corner) * count + j] = weight;
      }
    }
}

template <class C>
Result<> deform(Call& call, const DeformShape& shape, const DeformInputs<C>& inputs, C* y) {
  const Window& window = shape.conv.window;
  const int64_t taps = window.taps(), corners = shape.corners(), out_size = window.out_size();
  const int64_t channels = shape.conv.channels, outputs = shape.conv.group_outputs(), depth = shape.conv.depth();
  const int64_t blocks = (out_size + kBlock - 1) / kBlock;
  const int64_t column_room = channels * taps * kBlock, place_room = taps * corners * kBlock;
  const int64_t multiply_room = multiply_scratch<C>(outputs, kBlock, depth);
  // The elements' numbers are kept in the same scratch: places of int64_t cost so many of C.
  constexpr int64_t kPlaceSize = static_cast<int64_t>(sizeof(int64_t) / sizeof(C));
  const double cost = static_cast<double>(shape.conv.out_channels) * static_cast<double>(depth) * kBlock +
                      static_cast<double>(column_room * corners);
  return run_units<C>(call, shape.conv.n * blocks, static_cast<int64_t>(std::min(cost, 1e15)),
                      round_up(place_room * (kPlaceSize + 1) + column_room + multiply_room, 2),
                      [&](int64_t begin, int64_t end, C* scratch) {
                        auto* const elements = reinterpret_cast<int64_t*>(scratch);
                        C* const weights = scratch + place_room * kPlaceSize;
                        C* const columns = weights + place_room;
                        C* const multiply_space = columns + column_room;
                        for (int64_t unit = begin; unit < end; ++unit) {
                          const int64_t image = unit / blocks, position = unit % blocks * kBlock;
                          const int64_t count = std::min(kBlock, out_size - position);
                          for (int64_t group = 0; group < shape.offset_groups; ++group) {
                            const int64_t first_tap = (image * shape.offset_groups + group) * taps;
                            place_taps(shape, inputs.offset + first_tap * window.axes * out_size,
                                       inputs.mask != nullptr ? inputs.mask + first_tap * out_size : nullptr, position,
                                       count, elements, weights);
                            for (int64_t c = 0; c < shape.offset_group_channels(); ++c) {
                              const int64_t channel = group * shape.offset_group_channels() + c;
                              const C* plane = inputs.x + (image * channels + channel) * window.in_size();
                              for (int64_t tap = 0; tap < taps; ++tap) {
                                C* to = columns + (channel * taps + tap) * count;
                                std::fill_n(to, count, C{});
                                for (int64_t corner = 0; corner < corners; ++corner) {
                                  const int64_t at = (tap * corners + corner) * count;
                                  for (int64_t j = 0; j < count; ++j)
                                    if (weights[at + j] != 0) to[j] += weights[at + j] * plane[elements[at + j]];
                                }
                              }
                            }
                          }
                          for (int64_t group = 0; group < shape.conv.groups; ++group) {
                            C* to = y + (image * shape.conv.out_channels + group * outputs) * out_size + position;
                            multiply(Factor<C>{inputs.w + group * outputs * depth, depth, 1},
                                     Factor<C>{columns + group * depth * count, count, 1}, depth,
                                     Part{0, outputs, 0, count}, to, out_size, false, multiply_space);
                            if (inputs.bias != nullptr)
                              for (int64_t m = 0; m < outputs; ++m)
                                for (int64_t j = 0; j < count; ++j)
                                  to[m * out_size + j] += inputs.bias[group * outputs + m];
                          }
                        }
                      });
}

template <class C>
Result<> deform_conv(Call& call, const Tensor& x, const Tensor& w, const Tensor& offset) {
  ASSIGN_OR_RETURN(const DeformShape shape, read_deform(call, x.dims(), w.dims(), offset.dims()));
  const Window& window = shape.conv.window;
  ASSIGN_OR_RETURN(const auto bias, read_bias<C>(call, 3, shape.conv.out_channels));
  Wide<C> mask;
  if (call.has(4)) {
    ASSIGN_OR_RETURN(const Tensor* given, call.tensor(4));
    Dims need = window.out_dims(shape.conv.n, shape.offset_groups * window.taps());
    if (given->dims() != need) return call.invalid("mask; got {}, need {}", to_string(given->dims()), to_string(need));
    ASSIGN_OR_RETURN(mask, Wide<C>::make(call, *given));
  }
  ASSIGN_OR_RETURN(auto y,
                   WideOutput<C>::make(call, 0, x.dtype(), window.out_dims(shape.conv.n, shape.conv.out_channels)));
  if (y.size() == 0) return {};
  ASSIGN_OR_RETURN(const auto image, Wide<C>::make(call, x));
  ASSIGN_OR_RETURN(const auto weight, Wide<C>::make(call, w));
  ASSIGN_OR_RETURN(const auto moves, Wide<C>::make(call, offset));
  TRY(deform<C>(call, shape, {image.data(), weight.data(), moves.data(), mask.data(), bias.data()}, y.data()));
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_deform_conv(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* w, call.tensor(1));
  ASSIGN_OR_RETURN(const Tensor* offset, call.tensor(2));
  for (const Tensor* other : {w, offset})
    if (other->dtype() != x->dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(x->dtype()), to_string(other->dtype()));
  return in_working_float(call, x->dtype(), [&]<class C>() { return deform_conv<C>(call, *x, *w, *offset); });
}

}  // namespace hearth::operators
