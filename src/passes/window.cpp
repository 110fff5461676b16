#include "passes/window.h"

#include <algorithm>

namespace hearth::passes {

using graph::Node;
using graph::Shape;

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

}  // namespace

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

void set_window(Node& node, const Window& window) {
  node.set("kernel_shape", window.kernel);
  node.set("strides", window.strides);
  node.set("dilations", window.dilations);
  node.set("pads", window.pads);
}

std::optional<Window> conv_window(const Node& node, const Shape& shape, const Dims& weights) {
  if (weights.size() != shape.size() || weights.rank() < 3) return std::nullopt;
  const int64_t group = node.int_or("group", 1), out_channels = weights[0];
  if (group < 1 || out_channels < 1 || out_channels % group != 0 || weights[1] < 1 || group > kLargest)
    return std::nullopt;
  if (shape[1].known() && shape[1].size != weights[1] * group) return std::nullopt;
  const Numbers kernel(weights.begin() + 2, weights.end());
  if (const auto given = node.ints("kernel_shape"); !given.empty() && !std::ranges::equal(given, kernel))
    return std::nullopt;
  return window_of(node, shape, kernel);
}

}  // namespace hearth::passes
