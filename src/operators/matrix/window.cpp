#include "operators/matrix/window.h"

#include <algorithm>

namespace hearth::operators {

namespace {

int64_t ceil_div(int64_t a, int64_t b) {  // b > 0
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

}  // namespace

std::pair<int64_t, int64_t> WindowAxis::taps(int64_t o) const {
  const int64_t origin = o * stride - pad_begin;
  const int64_t first = std::clamp<int64_t>(ceil_div(-origin, dilation), 0, kernel);
  const int64_t end = std::clamp<int64_t>(ceil_div(in - origin, dilation), 0, kernel);
  return {first, end};
}

int64_t WindowAxis::padded_taps(int64_t o) const {
  const int64_t end = in + pad_end + pad_begin - o * stride;  // of the padded axis, seen from the window's first tap
  return std::clamp<int64_t>(ceil_div(end, dilation), 0, kernel);
}

int64_t Window::in_size() const {
  int64_t n = 1;
  for (int i = 0; i < axes; ++i) n *= axis[i].in;
  return n;
}
int64_t Window::out_size() const {
  return out_rows() * last().out;
}
int64_t Window::taps() const {
  return outer_taps() * last().kernel;
}
int64_t Window::out_rows() const {
  int64_t n = 1;
  for (int i = 0; i + 1 < axes; ++i) n *= axis[i].out;
  return n;
}
int64_t Window::outer_taps() const {
  int64_t n = 1;
  for (int i = 0; i + 1 < axes; ++i) n *= axis[i].kernel;
  return n;
}
Dims Window::out_dims(int64_t n, int64_t channels) const {
  Dims dims{n, channels};
  for (int i = 0; i < axes; ++i) dims.push_back(axis[i].out);
  return dims;
}

std::vector<TapRun> Window::tap_runs() const {
  const WindowAxis& a = last();
  std::vector<TapRun> runs;
  runs.reserve(static_cast<size_t>(a.kernel));
  for (int64_t k = 0; k < a.kernel; ++k) {
    const int64_t offset = k * a.dilation - a.pad_begin;
    const int64_t begin = std::clamp<int64_t>(ceil_div(-offset, a.stride), 0, a.out);
    const int64_t end = std::clamp<int64_t>(ceil_div(a.in - offset, a.stride), begin, a.out);
    runs.push_back({k, begin, end, offset});
  }
  return runs;
}

Result<Dims> read_axes_attribute(const Call& call, std::string_view name, int axes, int64_t otherwise, int64_t lowest,
                                 int64_t highest) {
  Dims values;
  for (int i = 0; i < axes; ++i) values.push_back(otherwise);
  const auto given = call.node().ints(name);
  if (given.empty()) return values;
  if (given.size() != values.size())
    return call.invalid("attribute '{}'; got {} numbers, need one for each of {} spatial axes", name, given.size(),
                        axes);
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] < lowest || given[i] > highest)
      return call.invalid("attribute '{}'; got {}, need numbers in [{}, {}]", name, given[i], lowest, highest);
    values[i] = given[i];
  }
  return values;
}

Result<AutoPad> read_auto_pad(const Call& call) {
  const std::string_view text = call.node().string_or("auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::NotSet;
  if (text == "SAME_UPPER") return AutoPad::SameUpper;
  if (text == "SAME_LOWER") return AutoPad::SameLower;
  if (text == "VALID") return AutoPad::Valid;
  return call.invalid("attribute 'auto_pad'; got '{}', need NOTSET, SAME_UPPER, SAME_LOWER or VALID", text);
}

Result<> read_pads(const Call& call, Window& window) {
  const auto pads = call.node().ints("pads");
  const auto axes = static_cast<size_t>(window.axes);
  if (pads.empty()) return {};
  if (pads.size() != 2 * axes) return call.invalid("attribute 'pads'; got {} numbers, need {}", pads.size(), 2 * axes);
  for (const int64_t pad : pads)
    if (pad < 0 || pad > kMaxWindowStep)
      return call.invalid("attribute 'pads'; got {}, need numbers in [0, {}]", pad, kMaxWindowStep);
  for (size_t i = 0; i < axes; ++i) {
    window.axis[i].pad_begin = pads[i];
    window.axis[i].pad_end = pads[axes + i];
  }
  return {};
}

Result<Dims> read_kernel(const Call& call, int axes, const Dims& weight) {
  const auto given = call.node().ints("kernel_shape");
  if (weight.empty() && given.empty()) return call.invalid("attribute 'kernel_shape' is absent; it is required");
  ASSIGN_OR_RETURN(Dims kernel, read_axes_attribute(call, "kernel_shape", axes, 1, 1, kMaxKernelSize));
  if (!weight.empty()) {
    for (int i = 0; i < axes; ++i) {
      const auto at = static_cast<size_t>(i);
      const int64_t size = weight[at + 2];
      if (size < 1 || size > kMaxKernelSize)
        return call.invalid("weight; got {}, need spatial sizes in [1, {}]", to_string(weight), kMaxKernelSize);
      if (!given.empty() && kernel[at] != size)
        return call.invalid("attribute 'kernel_shape'; got {}, need the weight's {}", kernel[at], size);
      kernel[at] = size;
    }
  }
  TRY(count_elements(kernel));
  return kernel;
}

Result<Window> read_window(const Call& call, const Dims& input, std::span<const int64_t> kernel, Rounding rounding) {
  if (input.rank() < 3 || input.rank() - 2 != static_cast<int>(kernel.size()))
    return call.invalid("input; got {}, need [N, C] and the kernel's {} spatial axes", to_string(input), kernel.size());
  Window window;
  window.axes = static_cast<int>(kernel.size());
  ASSIGN_OR_RETURN(const Dims strides, read_axes_attribute(call, "strides", window.axes, 1, 1, kMaxWindowStep));
  ASSIGN_OR_RETURN(const Dims dilations, read_axes_attribute(call, "dilations", window.axes, 1, 1, kMaxWindowStep));
  ASSIGN_OR_RETURN(const AutoPad auto_pad, read_auto_pad(call));
  if (auto_pad == AutoPad::NotSet) TRY(read_pads(call, window));
  for (int i = 0; i < window.axes; ++i) {
    const auto at = static_cast<size_t>(i);
    WindowAxis& axis = window.axis[i];
    axis.in = input[at + 2];
    axis.kernel = kernel[at];
    axis.stride = strides[at];
    axis.dilation = dilations[at];
    const int64_t extent = axis.extent();
    if (auto_pad == AutoPad::SameUpper || auto_pad == AutoPad::SameLower) {
      axis.out = (axis.in + axis.stride - 1) / axis.stride;
      const int64_t pads = std::max<int64_t>((axis.out - 1) * axis.stride + extent - axis.in, 0);
      axis.pad_begin = auto_pad == AutoPad::SameUpper ? pads / 2 : pads - pads / 2;
      axis.pad_end = pads - axis.pad_begin;
      continue;
    }
    const int64_t room = axis.in + axis.pad_begin + axis.pad_end - extent;
    if (room < 0 && axis.in > 0)
      return call.invalid("window; got an extent of {} on spatial axis {}, need at most the padded input's {}", extent,
                          i, room + extent);
    if (room < 0) continue;  // nothing in, nothing out
    axis.out = (rounding == Rounding::Ceil ? ceil_div(room, axis.stride) : room / axis.stride) + 1;
    if (rounding == Rounding::Ceil && (axis.out - 1) * axis.stride >= axis.in + axis.pad_begin) --axis.out;
  }
  TRY(count_elements(window.out_dims(1, 1)));
  return window;
}

}  // namespace hearth::operators
