#include <algorithm>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

// The opset since which a Reduce operator takes its axes as an input.
template <int kAxesInputSince>
Result<> reduce(InferContext& c) {
  const Shape* shape = c.shape(0);
  const bool keep = c.node().int_or("keepdims", 1) != 0;
  const bool by_input = c.opset() >= kAxesInputSince;
  std::optional<std::vector<int64_t>> axes;
  bool given = false;
  if (by_input) {
    given = c.has(1);
    if (given) axes = c.integers(1);
  } else {
    const auto list = c.node().ints("axes");
    given = !list.empty();
    axes.emplace(list.begin(), list.end());
  }
  if (given && axes && axes->empty()) given = false;  // an empty list is no list
  if (!given) {
    if (by_input && c.node().int_or("noop_with_empty_axes", 0) != 0) {
      c.same_shape();
    } else if (!keep) {
      c.set_shape(0, {});
    } else if (shape != nullptr) {
      c.set_shape(0, Shape(shape->size(), Dimension(1)));
    }
    return {};
  }
  if (shape == nullptr) return {};
  if (!axes) {
    // Which axes is not known, but how many sometimes is.
    const Shape* count = c.shape(1);
    if (keep)
      c.set_shape(0, unknown_shape(shape->size()));
    else if (count != nullptr && count->size() == 1 && (*count)[0].size >= 1 &&
             (*count)[0].size <= static_cast<int64_t>(shape->size()))
      c.set_shape(0, unknown_shape(shape->size() - static_cast<size_t>((*count)[0].size)));
    return {};
  }
  std::vector<bool> reduced(shape->size(), false);
  for (const int64_t one : *axes) {
    ASSIGN_OR_RETURN(const size_t place, c.axis(one, shape->size(), "axes"));
    reduced[place] = true;
  }
  Shape result;
  for (size_t i = 0; i < shape->size(); ++i) {
    if (!reduced[i])
      result.push_back((*shape)[i]);
    else if (keep)
      result.emplace_back(1);
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> arg_reduce(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", 0), shape->size()));
  Shape result = *shape;
  if (c.node().int_or("keepdims", 1) != 0)
    result[axis] = 1;
  else
    result.erase(result.begin() + static_cast<std::ptrdiff_t>(axis));
  c.set_shape(0, std::move(result));
  return {};
}

Result<> top_k(InferContext& c) {
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", -1), shape->size()));
  Dimension k;
  if (c.opset() < 10) {
    k = size_of(c.node().int_or("k", -1));
  } else if (const KnownValue* known = c.known(1); known != nullptr && known->size() == 1) {
    if (const auto* count = known->integer(0); count != nullptr && *count < 0)
      return c.invalid("k; got {}, need at least 0", *count);
    k = size_of(known->elements[0]);
  }
  const Dimension& size = (*shape)[axis];
  if (k.known() && size.known() && k.size > size.size)
    return c.invalid("k; got {}, need at most {} of {}", k.size, size.size, c.describe(0));
  Shape result = *shape;
  result[axis] = k;
  c.set_shape(0, result);
  c.set_shape(1, std::move(result));
  return {};
}

Result<> batch_normalization(InferContext& c) {
  c.same_shape();
  const Shape* x = c.shape(0);
  Dimension channels = x != nullptr && x->size() > 1 ? (*x)[1] : x != nullptr ? Dimension(1) : Dimension();
  for (size_t i = 1; i < std::min<size_t>(c.input_count(), 5); ++i) {
    const Shape* own = c.shape(i);
    if (own == nullptr || own->size() != 1) continue;
    auto size = same_size(channels, (*own)[0]);
    if (!size) return c.invalid("channels differ; got {}", c.describe_inputs());
    channels = std::move(*size);
  }
  for (size_t i = 1; i < c.output_count(); ++i) c.set_shape(i, {channels});
  return {};
}

Result<> layer_normalization(InferContext& c) {
  c.same_shape();
  const int64_t stash = c.node().int_or("stash_type", 1);
  const auto dtype = dtype_from_onnx(stash);
  if (!dtype) return c.invalid("attribute 'stash_type'; got {}, need the number of an element type", stash);
  c.set_dtype(1, *dtype);
  c.set_dtype(2, *dtype);
  const Shape* shape = c.shape(0);
  if (shape == nullptr) return {};
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", -1), shape->size()));
  Shape reduced = *shape;
  std::fill(reduced.begin() + static_cast<std::ptrdiff_t>(axis), reduced.end(), Dimension(1));
  c.set_shape(1, reduced);
  c.set_shape(2, std::move(reduced));
  return {};
}

// The loss itself: one number, or one for each label.
Result<> loss(InferContext& c) {
  if (c.node().string_or("reduction", "mean") == "none")
    c.same_shape(1, 0);
  else
    c.set_shape(0, {});
  c.same_shape(0, 1);  // SoftmaxCrossEntropyLoss: the logarithms of the probabilities
  const Shape *scores = c.shape(0), *labels = c.shape(1);
  if (scores == nullptr || labels == nullptr) return {};
  bool fits = scores->size() >= 2 && labels->size() + 1 == scores->size() && same_size((*scores)[0], (*labels)[0]);
  for (size_t i = 1; fits && i < labels->size(); ++i) fits = same_size((*scores)[i + 1], (*labels)[i]).has_value();
  if (!fits) return c.invalid("scores [N,C,…] and labels [N,…] do not fit; got {}", c.describe_inputs());
  return {};
}

constexpr InferEntry kTable[] = {
    {"ArgMax", arg_reduce},
    {"ArgMin", arg_reduce},
    {"BatchNormalization", batch_normalization},
    {"LayerNormalization", layer_normalization},
    {"NegativeLogLikelihoodLoss", loss},
    {"ReduceL1", reduce<18>},
    {"ReduceL2", reduce<18>},
    {"ReduceLogSum", reduce<18>},
    {"ReduceLogSumExp", reduce<18>},
    {"ReduceMax", reduce<18>},
    {"ReduceMean", reduce<18>},
    {"ReduceMin", reduce<18>},
    {"ReduceProd", reduce<18>},
    {"ReduceSum", reduce<13>},
    {"ReduceSumSquare", reduce<18>},
    {"SoftmaxCrossEntropyLoss", loss},
    {"TopK", top_k},
};

}  // namespace

std::span<const InferEntry> reduction_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
