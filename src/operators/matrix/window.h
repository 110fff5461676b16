// The geometry that convolutions and pools share: a window that slides over the spatial axes of an image.
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include "operators/kernel.h"

namespace hearth::operators {

inline constexpr int kMaxSpatialAxes = HEARTH_MAX_RANK - 2;
// One axis of a kernel, and a pad, stride or dilation: far above any model's, small enough for plain arithmetic.
inline constexpr int64_t kMaxKernelSize = int64_t{1} << 22;
inline constexpr int64_t kMaxWindowStep = int64_t{1} << 31;

// Output o and tap k of an axis meet at input o * stride + k * dilation - pad_begin, if that lies in [0, in).
struct WindowAxis {
  int64_t in = 0, out = 0, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;

  int64_t extent() const { return (kernel - 1) * dilation + 1; }
  // Taps [first, second) of output o that meet an input.
  std::pair<int64_t, int64_t> taps(int64_t o) const;
  // Taps of output o that meet an input or a pad: what the mean that counts pads divides by.
  int64_t padded_taps(int64_t o) const;
};

// A tap of the last axis: for outputs [begin, end) it meets inputs o * stride + offset.
struct TapRun {
  int64_t tap, begin, end, offset;
};

struct Window {
  int axes = 0;
  WindowAxis axis[kMaxSpatialAxes];

  const WindowAxis& last() const { return axis[axes - 1]; }
  int64_t in_size() const;     // inputs of one plane
  int64_t out_size() const;    // outputs of one plane
  int64_t taps() const;        // elements of the kernel
  int64_t out_rows() const;    // rows along the last axis
  int64_t outer_taps() const;  // taps of all axes but the last
  Dims out_dims(int64_t n, int64_t channels) const;
  // Every tap of the last axis, in order.
  std::vector<TapRun> tap_runs() const;

  // visit(outer tap, input row) for every tap of the axes but the last whose input row exists, given an output row.
  template <class Visit>
  void for_each_row(int64_t out_row, Visit&& visit) const;
};

enum class Rounding { Floor, Ceil };

// Reads strides, dilations, pads and auto_pad of a node over an input of sizes [N, C, spatial…], and works out the
// output. `kernel` has one size a spatial axis. Invalid when an attribute has the wrong length or range, or when the
// window does not fit into the padded input.
// With Ceil, the last window of an axis may reach past the padded input; one that would start past the input itself is
// left out, in every version of the operators (only the text of version 22 says so; before it such a window had no
// value).
Result<Window> read_window(const Call& call, const Dims& input, std::span<const int64_t> kernel, Rounding rounding);
// The attribute kernel_shape, or the spatial sizes of the weight [M, C/group, spatial…] when there is one (dims not
// empty): then both must agree.
Result<Dims> read_kernel(const Call& call, int axes, const Dims& weight);
// An attribute of one number an axis, each in [lowest, highest]; `otherwise` for all when it is absent.
Result<Dims> read_axes_attribute(const Call& call, std::string_view name, int axes, int64_t otherwise, int64_t lowest,
                                 int64_t highest);
enum class AutoPad { NotSet, SameUpper, SameLower, Valid };
Result<AutoPad> read_auto_pad(const Call& call);
// Fills pad_begin and pad_end of every axis from the attribute pads.
Result<> read_pads(const Call& call, Window& window);

template <class Visit>
void Window::for_each_row(int64_t out_row, Visit&& visit) const {
  const int outer = axes - 1;
  int64_t first[kMaxSpatialAxes], end[kMaxSpatialAxes], origin[kMaxSpatialAxes], at[kMaxSpatialAxes];
  for (int i = outer - 1; i >= 0; --i) {
    const int64_t o = out_row % axis[i].out;
    out_row /= axis[i].out;
    std::tie(first[i], end[i]) = axis[i].taps(o);
    if (first[i] >= end[i]) return;
    origin[i] = o * axis[i].stride - axis[i].pad_begin;
    at[i] = first[i];
  }
  while (true) {
    int64_t tap = 0, row = 0;
    for (int i = 0; i < outer; ++i) {
      tap = tap * axis[i].kernel + at[i];
      row = row * axis[i].in + origin[i] + at[i] * axis[i].dilation;
    }
    visit(tap, row);
    int i = outer - 1;
    while (i >= 0 && ++at[i] == end[i]) {
      at[i] = first[i];
      --i;
    }
    if (i < 0) return;
  }
}

}  // namespace hearth::operators
