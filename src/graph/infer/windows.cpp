// Convolution and pooling: operators that slide a window over the sizes behind batch and channels.
#include <algorithm>

#include "base/quote_bytes.h"
#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

// Attributes of a window: one entry an axis, pads begin and end apart.
struct Window {
  std::vector<int64_t> strides, dilations, pads_begin, pads_end;
  enum class AutoPad { NotSet, Valid, Same } auto_pad = AutoPad::NotSet;
  bool ceil = false;
};

Result<std::vector<int64_t>> list_of(const InferContext& c, std::string_view name, size_t count, int64_t least,
                                     int64_t otherwise) {
  const auto given = c.node().ints(name);
  if (given.empty()) return std::vector<int64_t>(count, otherwise);
  if (given.size() != count) return c.invalid("attribute '{}'; got {} entries, need {}", name, given.size(), count);
  for (const int64_t one : given)
    if (one < least || one > INT32_MAX)
      return c.invalid("attribute '{}'; got {}, need {}..{}", name, one, least, INT32_MAX);
  return std::vector<int64_t>(given.begin(), given.end());
}

Result<Window> window_of(const InferContext& c, size_t rank) {
  Window window;
  ASSIGN_OR_RETURN(window.strides, list_of(c, "strides", rank, 1, 1));
  ASSIGN_OR_RETURN(window.dilations, list_of(c, "dilations", rank, 1, 1));
  ASSIGN_OR_RETURN(const auto pads, list_of(c, "pads", 2 * rank, INT32_MIN, 0));
  window.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  window.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  const std::string_view word = c.node().string_or("auto_pad", "NOTSET");
  if (word == "VALID")
    window.auto_pad = Window::AutoPad::Valid;
  else if (word == "SAME_UPPER" || word == "SAME_LOWER")
    window.auto_pad = Window::AutoPad::Same;
  else if (word != "NOTSET" && !word.empty())
    return c.invalid("attribute 'auto_pad'; got {}, need NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                     quote_bytes(word, 20));
  window.ceil = c.node().int_or("ceil_mode", 0) != 0;
  return window;
}

// How many places the window takes along axis i.
Result<Dimension> places(const InferContext& c, const Window& window, size_t i, const Dimension& size,
                         const Dimension& kernel) {
  const int64_t stride = window.strides[i];
  if (window.auto_pad == Window::AutoPad::Same) {
    if (!size.known()) return stride == 1 ? size : Dimension();
    return Dimension(size.size / stride + (size.size % stride != 0 ? 1 : 0));
  }
  if (!kernel.known()) return Dimension();
  const bool padded = window.auto_pad == Window::AutoPad::NotSet;
  const int64_t begin = padded ? window.pads_begin[i] : 0, end = padded ? window.pads_end[i] : 0;
  int64_t reach = 0, whole = 0;
  if (!size.known()) {
    // The pads make up for what the window takes: 3 with a pad of 1 on both sides.
    const Wide taken = static_cast<Wide>(kernel.size - 1) * window.dilations[i];
    return stride == 1 && kernel.size > 0 && taken == static_cast<Wide>(begin) + end ? size : Dimension();
  }
  if (__builtin_mul_overflow(std::max<int64_t>(kernel.size - 1, 0), window.dilations[i], &reach) ||
      __builtin_add_overflow(reach, 1, &reach) || __builtin_add_overflow(size.size, begin + end, &whole))
    return Dimension();
  if (whole < reach)
    return c.invalid("window of {} at axis {} does not fit into {} of {}", reach, i, whole, c.describe(0));
  const int64_t room = whole - reach;
  int64_t count = room / stride + 1;
  // A last window that is cut off counts, unless it would start behind the input and its first padding.
  if (window.ceil && room % stride != 0 && static_cast<Wide>(count) * stride < static_cast<Wide>(size.size) + begin)
    ++count;
  return Dimension(count);
}

// Batch and channels, then the places of the window.
Result<> slide(InferContext& c, size_t output, size_t input, const Dimension& channels, const Shape& kernel) {
  const Shape* x = c.shape(input);
  const size_t rank = kernel.size();
  ASSIGN_OR_RETURN(const Window window, window_of(c, rank));
  Shape result = {x != nullptr ? (*x)[0] : Dimension(), channels};
  for (size_t i = 0; i < rank; ++i) {
    const Dimension size = x != nullptr ? (*x)[i + 2] : Dimension();
    ASSIGN_OR_RETURN(Dimension count, places(c, window, i, size, kernel[i]));
    result.push_back(std::move(count));
  }
  c.set_shape(output, std::move(result));
  return {};
}

// The spatial sizes of the kernel, from the attribute or the weights; nullopt when not even their number is known.
Result<std::optional<Shape>> kernel_of(const InferContext& c, size_t input, size_t weights) {
  const Shape *x = c.shape(input), *w = c.shape(weights);
  if (x != nullptr && x->size() < 2) return c.invalid("dimensions of input {}; need at least 2", c.describe(input));
  if (w != nullptr && w->size() < 2) return c.invalid("dimensions of input {}; need at least 2", c.describe(weights));
  if (x != nullptr && w != nullptr && x->size() != w->size())
    return c.invalid("dimensions of {} and {} differ", c.describe(input), c.describe(weights));
  const auto given = c.node().ints("kernel_shape");
  const size_t rank = x != nullptr ? x->size() - 2 : w != nullptr ? w->size() - 2 : given.size();
  if (x == nullptr && w == nullptr && given.empty()) return std::nullopt;
  Shape kernel = w != nullptr ? Shape(w->begin() + 2, w->end()) : unknown_shape(rank);
  if (given.empty()) return kernel;
  ASSIGN_OR_RETURN(const auto sizes, list_of(c, "kernel_shape", rank, 0, 0));
  for (size_t i = 0; i < rank; ++i) {
    auto size = same_size(kernel[i], Dimension(sizes[i]));
    if (!size) return c.invalid("attribute 'kernel_shape'; got {} for {}", sizes[i], c.describe(weights));
    kernel[i] = std::move(*size);
  }
  return kernel;
}

Result<int64_t> group_of(const InferContext& c) {
  const int64_t group = c.node().int_or("group", 1);
  if (group < 1 || group > INT32_MAX) return c.invalid("attribute 'group'; got {}, need 1..{}", group, INT32_MAX);
  return group;
}

Result<> convolve(InferContext& c, size_t input, size_t weights) {
  ASSIGN_OR_RETURN(const auto kernel, kernel_of(c, input, weights));
  ASSIGN_OR_RETURN(const int64_t group, group_of(c));
  if (!kernel) return {};
  const Shape *x = c.shape(input), *w = c.shape(weights);
  if (x != nullptr && w != nullptr && !same_size((*x)[1], times((*w)[1], group)))
    return c.invalid("channels; got {} for {} with {} groups", c.describe(weights), c.describe(input), group);
  if (w != nullptr && (*w)[0].known() && (*w)[0].size % group != 0)
    return c.invalid("attribute 'group'; got {} for {}", group, c.describe(weights));
  return slide(c, 0, input, w != nullptr ? (*w)[0] : Dimension(), *kernel);
}

Result<> conv(InferContext& c) {
  return convolve(c, 0, 1);
}
Result<> qlinear_conv(InferContext& c) {
  if (const auto zero = c.dtype(7)) c.set_dtype(0, *zero);
  return convolve(c, 0, 3);
}
Result<> deform_conv(InferContext& c) {
  TRY(convolve(c, 0, 1));
  // The offsets say where each place of the window looks: their last sizes are the output's.
  const Shape *offsets = c.shape(2), *made = c.output(0).shape ? &*c.output(0).shape : nullptr;
  if (offsets == nullptr || made == nullptr) return {};
  Shape result = *made;
  bool fits = offsets->size() == result.size();
  for (size_t i = 2; fits && i < result.size(); ++i) {
    auto size = same_size(result[i], (*offsets)[i]);
    fits = size.has_value();
    if (fits) result[i] = std::move(*size);
  }
  if (!fits) return c.invalid("offsets do not fit the output {}; got {}", to_string(*made), c.describe(2));
  c.set_shape(0, std::move(result));
  return {};
}

Result<> conv_transpose(InferContext& c) {
  ASSIGN_OR_RETURN(const auto kernel, kernel_of(c, 0, 1));
  ASSIGN_OR_RETURN(const int64_t group, group_of(c));
  if (!kernel) return {};
  const size_t rank = kernel->size();
  const Shape *x = c.shape(0), *w = c.shape(1);
  if (x != nullptr && w != nullptr && !same_size((*x)[1], (*w)[0]))
    return c.invalid("channels differ; got {}", c.describe_inputs());
  ASSIGN_OR_RETURN(const Window window, window_of(c, rank));
  ASSIGN_OR_RETURN(const auto extra, list_of(c, "output_padding", rank, 0, 0));
  const auto wanted = c.node().ints("output_shape");
  if (!wanted.empty() && wanted.size() != rank && wanted.size() != rank + 2)
    return c.invalid("attribute 'output_shape'; got {} sizes, need {}", wanted.size(), rank);
  Shape result = {x != nullptr ? (*x)[0] : Dimension(), w != nullptr ? times((*w)[1], group) : Dimension()};
  for (size_t i = 0; i < rank; ++i) {
    const Dimension size = x != nullptr ? (*x)[i + 2] : Dimension();
    if (!wanted.empty()) {
      const int64_t one = wanted[wanted.size() - rank + i];
      if (one < 0) return c.invalid("attribute 'output_shape'; got {}, need at least 0", one);
      result.emplace_back(one);
    } else if (window.auto_pad == Window::AutoPad::Same) {
      result.push_back(times(size, window.strides[i]));
    } else if (!size.known() || !(*kernel)[i].known()) {
      result.emplace_back();
    } else {
      const bool padded = window.auto_pad == Window::AutoPad::NotSet;
      // 128 bits: every factor may be near 2^31 and the size near 2^63.
      const Wide sum = static_cast<Wide>(window.strides[i]) * (size.size - 1) + extra[i] +
                       static_cast<Wide>((*kernel)[i].size - 1) * window.dilations[i] + 1 -
                       (padded ? window.pads_begin[i] + window.pads_end[i] : 0);
      if (sum < 0) return c.invalid("pads at axis {} leave nothing of the output; got {}", i, c.describe_inputs());
      result.push_back(sum > INT64_MAX ? Dimension() : Dimension(static_cast<int64_t>(sum)));
    }
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> pool(InferContext& c) {
  const Shape* x = c.shape(0);
  const auto given = c.node().ints("kernel_shape");
  if (x != nullptr && x->size() != given.size() + 2)
    return c.invalid("attribute 'kernel_shape'; got {} sizes for {}", given.size(), c.describe(0));
  ASSIGN_OR_RETURN(const auto sizes, list_of(c, "kernel_shape", given.size(), 1, 1));
  const Shape kernel(sizes.begin(), sizes.end());
  for (size_t i = 0; i < c.output_count(); ++i) TRY(slide(c, i, 0, x != nullptr ? (*x)[1] : Dimension(), kernel));
  return {};
}

Result<> global_pool(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  if (x->size() < 2) return c.invalid("dimensions of input {}; need at least 2", c.describe(0));
  Shape result(x->size(), Dimension(1));
  result[0] = (*x)[0];
  result[1] = (*x)[1];
  c.set_shape(0, std::move(result));
  return {};
}

Result<> max_unpool(InferContext& c) {
  const Shape* x = c.shape(0);
  const auto given = c.node().ints("kernel_shape");
  if (x != nullptr && x->size() != given.size() + 2)
    return c.invalid("attribute 'kernel_shape'; got {} sizes for {}", given.size(), c.describe(0));
  if (c.has(2)) {
    ASSIGN_OR_RETURN(auto sizes, c.sizes(2));
    if (sizes) c.set_shape(0, std::move(*sizes));
    return {};
  }
  if (x == nullptr) return {};
  ASSIGN_OR_RETURN(const Window window, window_of(c, given.size()));
  Shape result(x->begin(), x->begin() + 2);
  for (size_t i = 0; i < given.size(); ++i) {
    const Dimension& size = (*x)[i + 2];
    const Wide sum =
        static_cast<Wide>(window.strides[i]) * (size.size - 1) + given[i] - window.pads_begin[i] - window.pads_end[i];
    if (size.known() && sum < 0) return c.invalid("pads at axis {} leave nothing of {}", i, c.describe(0));
    result.push_back(size.known() && sum <= INT64_MAX ? Dimension(static_cast<int64_t>(sum)) : Dimension());
  }
  c.set_shape(0, std::move(result));
  return {};
}

// The opposite of cutting an image into columns: [N, C · block, L] becomes [N, C, image].
Result<> col2im(InferContext& c) {
  TRY(c.need_rank(0, 3));
  const Shape* x = c.shape(0);
  ASSIGN_OR_RETURN(const auto image, c.sizes(1));
  ASSIGN_OR_RETURN(const auto block, c.sizes(2));
  if (!image) return {};
  Shape result = {x != nullptr ? (*x)[0] : Dimension(), Dimension()};
  if (x != nullptr && block) {
    auto channels = quotient(std::span(*x).subspan(1, 1), *block);
    if (!channels) return c.invalid("channels of {} are no multiple of the block {}", c.describe(0), to_string(*block));
    result[1] = std::move(*channels);
  }
  result.insert(result.end(), image->begin(), image->end());
  c.set_shape(0, std::move(result));
  return {};
}

constexpr InferEntry kTable[] = {
    {"AveragePool", pool},
    {"Col2Im", col2im},
    {"Conv", conv},
    {"ConvInteger", conv},
    {"ConvTranspose", conv_transpose},
    {"DeformConv", deform_conv},
    {"GlobalAveragePool", global_pool},
    {"GlobalLpPool", global_pool},
    {"GlobalMaxPool", global_pool},
    {"LpPool", pool},
    {"MaxPool", pool},
    {"MaxUnpool", max_unpool},
    {"QLinearConv", qlinear_conv},
};

}  // namespace

std::span<const InferEntry> window_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
