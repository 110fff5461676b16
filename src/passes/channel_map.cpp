#include "passes/channel_map.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hearth::passes {

namespace {

using graph::kNoValue;
using graph::Node;
using graph::ValueId;

// A node whose result is linear in constant weights. In memory they are [outer, channels, inner], or with groups
// [groups, outer / groups, channels / groups, inner].
struct LinearNode {
  size_t rank = 0, axis = 0;  // of the result; its channels
  int64_t channels = 0, groups = 1, outer = 1, inner = 1;
  const Tensor* weights = nullptr;
  std::vector<double> bias;  // [channels]; empty: none
};

// A bias of `channels` numbers, times `factor`: [channels], or with ones in front, or one number for all.
std::optional<std::vector<double>> read_bias(const Matcher& matcher, ValueId id, int64_t channels, double factor) {
  const Tensor* held = matcher.float_constant(id);
  if (held == nullptr || held->rank() > 2) return std::nullopt;
  const bool one = held->size() == 1;
  if (!one && (held->size() != channels || held->dims().back() != channels)) return std::nullopt;
  std::vector<double> bias(static_cast<size_t>(channels));
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = factor * held->data<float>()[one ? 0 : i];
  return bias;
}

ValueId input_of(const Node& node, size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kNoValue;
}

std::optional<LinearNode> linear_node(const Matcher& matcher, const Node& node) {
  LinearNode made;
  made.weights = matcher.float_constant(input_of(node, 1));
  if (made.weights == nullptr || made.weights->size() == 0) return std::nullopt;
  const Tensor& w = *made.weights;
  double factor = 1;
  if (matcher.is(node, "Conv") && w.rank() >= 3) {
    made.rank = static_cast<size_t>(w.rank());
    made.axis = 1;
    made.channels = w.dim(0);
    made.inner = w.size() / w.dim(0);
  } else if (matcher.is(node, "ConvTranspose") && w.rank() >= 3) {
    made.rank = static_cast<size_t>(w.rank());
    made.axis = 1;
    made.groups = node.int_or("group", 1);
    if (made.groups < 1 || w.dim(0) % made.groups != 0) return std::nullopt;
    made.channels = w.dim(1) * made.groups;
    made.outer = w.dim(0);
    made.inner = w.size() / (w.dim(0) * w.dim(1));
  } else if (matcher.is(node, "Gemm") && w.rank() == 2) {
    const bool transposed = node.int_or("transB", 0) != 0;
    made.rank = 2;
    made.axis = 1;
    made.channels = w.dim(transposed ? 0 : 1);
    (transposed ? made.inner : made.outer) = w.dim(transposed ? 1 : 0);
    factor = node.float_or("beta", 1);
  } else if (Matcher::is_internal(node, "MatMul") && w.rank() == 2 && !node.has("steps")) {
    const graph::Shape* sizes = matcher.shape(node.inputs[0]);
    if (sizes == nullptr || sizes->size() < 2) return std::nullopt;
    made.rank = sizes->size();
    made.axis = made.rank - 1;
    made.channels = w.dim(1);
    made.outer = w.dim(0);
  } else {
    return std::nullopt;
  }
  if (input_of(node, 2) != kNoValue) {
    auto bias = read_bias(matcher, node.inputs[2], made.channels, factor);
    if (!bias) return std::nullopt;
    made.bias = std::move(*bias);
  }
  return made;
}

// A constant that lies along `axis` beside a value of `rank` dimensions, or is one number.
std::optional<std::vector<double>> channel_numbers(const Matcher& matcher, ValueId id, size_t rank, size_t axis,
                                                   int64_t channels) {
  const Tensor* held = matcher.float_constant(id);
  if (held == nullptr || held->dims().size() > rank) return std::nullopt;
  const bool one = held->size() == 1;
  if (!one) {
    if (held->size() != channels) return std::nullopt;
    const size_t missing = rank - held->dims().size();
    if (axis < missing || held->dims()[axis - missing] != channels) return std::nullopt;
  }
  std::vector<double> numbers(static_cast<size_t>(channels));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = held->data<float>()[one ? 0 : i];
  return numbers;
}

std::optional<ChannelMap> batch_norm_map(const Matcher& matcher, const Node& node, int64_t channels) {
  if (node.inputs.size() != 5 || node.int_or("training_mode", 0) != 0 || node.int_or("spatial", 1) == 0)
    return std::nullopt;
  if (matcher.opset() < 7 && node.int_or("is_test", 0) == 0) return std::nullopt;
  for (size_t i = 1; i < node.outputs.size(); ++i)
    if (node.outputs[i] != kNoValue) return std::nullopt;
  const float* parts[4];
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* held = matcher.float_constant(node.inputs[i + 1]);
    if (held == nullptr || held->rank() != 1 || held->size() != channels) return std::nullopt;
    parts[i] = held->data<float>();
  }
  const auto [scale, shift, mean, variance] = parts;
  const double epsilon = node.float_or("epsilon", 1e-5F);
  ChannelMap made{node.inputs[0], {}, {}};
  for (int64_t c = 0; c < channels; ++c) {
    made.scale.push_back(scale[c] / std::sqrt(static_cast<double>(variance[c]) + epsilon));
    made.shift.push_back(shift[c] - mean[c] * made.scale.back());
  }
  return made;
}

bool all_finite(const std::vector<double>& numbers) {
  return std::ranges::all_of(numbers, [](double number) { return std::isfinite(static_cast<float>(number)); });
}

// Weights that become infinite by these factors are beyond anything a model holds.
constexpr double kPlainFactor = 1 << 16;

// The weights times scale[channel]; nullopt when one is not finite. They are not touched where whoever packs them can
// multiply as well.
Result<std::optional<Tensor>> scaled_weights(const LinearNode& linear, const std::vector<double>& scale) {
  if (linear.groups == 1 &&
      std::ranges::all_of(scale, [](double number) { return std::fabs(number) <= kPlainFactor; })) {
    StridedFloats weights = StridedFloats::of(*linear.weights);
    if (weights.scale_channels(linear.channels, linear.inner, scale))
      return Tensor::defer(std::move(weights), linear.weights->dims());
  }
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(DType::F32, linear.weights->dims()));
  const int64_t in_group = linear.channels / linear.groups, outer_in_group = linear.outer / linear.groups;
  const float* from = linear.weights->data<float>();
  float* to = made.mutable_data<float>();
  for (int64_t o = 0; o < linear.outer; ++o)
    for (int64_t c = 0; c < in_group; ++c) {
      const double factor = scale[static_cast<size_t>(o / outer_in_group * in_group + c)];
      bool finite = true;  // no way out of the loop: it runs over vectors
      for (int64_t i = 0; i < linear.inner; ++i) {
        to[i] = static_cast<float>(from[i] * factor);
        finite &= std::fabs(to[i]) <= std::numeric_limits<float>::max();
      }
      if (!finite) return std::nullopt;
      from += linear.inner;
      to += linear.inner;
    }
  return made;
}

}  // namespace

std::optional<ChannelMap> channel_map(const Matcher& matcher, const Node& node, size_t which, size_t rank, size_t axis,
                                      int64_t channels) {
  if (node.outputs.empty() || !matcher.is_float(node.outputs[0]) || channels < 1) return std::nullopt;
  std::optional<ChannelMap> made;
  if (matcher.is(node, "BatchNormalization")) {
    if (which == 0 && axis == 1) made = batch_norm_map(matcher, node, channels);
  } else {
    const bool add = matcher.is_binary(node, "Add"), sub = matcher.is_binary(node, "Sub"),
               mul = matcher.is_binary(node, "Mul"), div = matcher.is_binary(node, "Div");
    if (!add && !sub && !mul && !(div && which == 0)) return std::nullopt;
    const auto numbers = channel_numbers(matcher, node.inputs[1 - which], rank, axis, channels);
    if (!numbers) return std::nullopt;
    made = ChannelMap{node.inputs[which], std::vector<double>(numbers->size(), 1),
                      std::vector<double>(numbers->size(), 0)};
    for (size_t c = 0; c < numbers->size(); ++c) {
      const double number = (*numbers)[c];
      if (mul || div) made->scale[c] = mul ? number : 1 / number;
      if (add || sub) made->shift[c] = sub && which == 0 ? -number : number;
      if (sub && which == 1) made->scale[c] = -1;
    }
  }
  if (made && !(all_finite(made->scale) && all_finite(made->shift))) made.reset();
  return made;
}

Result<bool> fold_channel_map(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  for (size_t which = 0; which < std::min<size_t>(node.inputs.size(), 2); ++which) {
    const ValueId between = node.inputs[which];
    const int32_t before = matcher.producer(between);
    if (before == graph::Uses::kNone || !matcher.sole(between)) continue;
    const auto linear = linear_node(matcher, matcher.node(before));
    if (!linear) continue;
    const auto map = channel_map(matcher, node, which, linear->rank, linear->axis, linear->channels);
    if (!map) continue;

    const bool scales = std::ranges::any_of(map->scale, [](double number) { return number != 1; });
    std::optional<Tensor> weights, bias;
    if (scales) {
      ASSIGN_OR_RETURN(weights, scaled_weights(*linear, map->scale));
      if (!weights) continue;
    }
    std::vector<double> shift = map->shift;
    for (size_t c = 0; c < linear->bias.size(); ++c) shift[c] += linear->bias[c] * map->scale[c];
    ASSIGN_OR_RETURN(bias, float_vector(shift));
    if (!bias) continue;

    Node made = matcher.node(before).clone();
    const std::string weights_name = matcher.graph().value(made.inputs[1]).name;
    if (weights) made.inputs[1] = matcher.add_constant(weights_name, std::move(*weights));
    made.inputs.resize(3, kNoValue);
    made.inputs[2] = matcher.add_constant(weights_name + "/bias", std::move(*bias));
    if (made.has("beta")) made.set("beta", 1.0F);
    made.outputs = {matcher.node(at).outputs[0]};
    matcher.replace(at, std::move(made));
    return true;
  }
  return false;
}

}  // namespace hearth::passes
