// Activation functions that exporters write as several small nodes, and those that ONNX has as one, become one step.
#include <array>
#include <cmath>
#include <numbers>

#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

struct Activation {
  ValueId x = kNoValue;
  std::string_view step;
};

const double kSqrtTwoOverPi = std::sqrt(2 / std::numbers::pi);

// A bound of a Clip: an attribute until opset 10, an input since.
std::optional<double> bound(const Matcher& matcher, const Node& clip, std::string_view attribute, size_t input) {
  if (clip.has(attribute)) return clip.float_or(attribute, 0);
  return input < clip.inputs.size() ? matcher.number(clip.inputs[input]) : std::nullopt;
}

// value = 1 + w: the w.
ValueId after_one(const Matcher& matcher, ValueId value) {
  const Node* add = matcher.sole_maker(value, "Add");
  const auto sum = add != nullptr ? matcher.plus_number(*add) : std::nullopt;
  return sum && near(sum->number, 1) ? sum->value : kNoValue;
}

bool is_power(const Matcher::Product& product, double factor, ValueId x, size_t exponent) {
  return near(product.factor, factor) && product.values == std::vector<ValueId>(exponent, x);
}

// u = sqrt(2 / pi) * (x + 0.044715 x^3), or the same with x taken out of the brackets.
bool is_tanh_argument(const Matcher& matcher, ValueId u, ValueId x) {
  if (!matcher.sole(u)) return false;
  const Matcher::Product outer = matcher.product(u);
  if (!near(outer.factor, kSqrtTwoOverPi)) return false;
  if (outer.values.size() == 1) {
    const Node* sum = matcher.sole_maker(outer.values[0], "Add");
    if (sum == nullptr || !matcher.is_binary(*sum, "Add")) return false;
    for (const size_t i : {0, 1})
      if (sum->inputs[i] == x && matcher.sole(sum->inputs[1 - i]) &&
          is_power(matcher.product(sum->inputs[1 - i]), 0.044715, x, 3))
        return true;
    return false;
  }
  if (outer.values.size() != 2) return false;
  for (const size_t i : {0, 1}) {
    const ValueId square = after_one(matcher, outer.values[1 - i]);
    if (outer.values[i] == x && matcher.sole(square) && is_power(matcher.product(square), 0.044715, x, 2)) return true;
  }
  return false;
}

// The step that is factor * x * gate, when gate is made of x in that way.
std::string_view gated(const Matcher& matcher, double factor, ValueId x, ValueId gate) {
  if (!matcher.sole(gate) || !matcher.is_float(gate)) return {};
  if (near(factor, 1)) {
    if (const Node* node = matcher.maker(gate, "Sigmoid"); node != nullptr && node->inputs[0] == x) return "silu";
    if (const Node* node = matcher.maker(gate, "HardSigmoid"); node != nullptr && node->inputs[0] == x)
      return near(node->float_or("alpha", 0.2F), 1.0 / 6) && near(node->float_or("beta", 0.5F), 0.5) ? "hard_swish"
                                                                                                     : "";
    if (const Node* node = matcher.maker(gate, "Tanh"))
      if (const Node* inner = matcher.sole_maker(node->inputs[0], "Softplus"); inner && inner->inputs[0] == x)
        return "mish";
  }
  if (near(factor, 1.0 / 6))
    if (const Node* clip = matcher.maker(gate, "Clip")) {
      const Node* add = matcher.sole_maker(clip->inputs[0], "Add");
      const auto sum = add != nullptr ? matcher.plus_number(*add) : std::nullopt;
      return bound(matcher, *clip, "min", 1) == 0.0 && bound(matcher, *clip, "max", 2) == 6.0 && sum &&
                     sum->value == x && sum->number == 3
                 ? "hard_swish"
                 : "";
    }
  if (near(factor, 0.5)) {
    const ValueId curve = after_one(matcher, gate);
    if (const Node* erf = matcher.sole_maker(curve, "Erf"); erf != nullptr && matcher.sole(erf->inputs[0]))
      return is_power(matcher.product(erf->inputs[0]), std::numbers::sqrt2 / 2, x, 1) ? "gelu" : "";
    if (const Node* tanh = matcher.sole_maker(curve, "Tanh"))
      return is_tanh_argument(matcher, tanh->inputs[0], x) ? "gelu_tanh" : "";
  }
  return {};
}

Activation find_activation(const Matcher& matcher, const Node& node) {
  if (matcher.is(node, "Gelu"))
    return {node.inputs[0], node.string_or("approximate", "none") == "tanh" ? "gelu_tanh" : "gelu"};
  if (matcher.is(node, "Mish")) return {node.inputs[0], "mish"};
  if (matcher.is(node, "HardSwish")) return {node.inputs[0], "hard_swish"};
  if (matcher.is(node, "Swish") && node.float_or("alpha", 1) == 1) return {node.inputs[0], "silu"};
  if (!matcher.is_binary(node, "Mul") && !matcher.is_binary(node, "Div")) return {};
  const Matcher::Product product = matcher.product(node.outputs[0]);
  if (product.values.size() != 2) return {};
  for (const size_t i : {0, 1})
    if (const auto step = gated(matcher, product.factor, product.values[i], product.values[1 - i]); !step.empty())
      return {product.values[i], step};
  return {};
}

Result<bool> recognise_at(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (node.outputs.empty() || !matcher.is_float(node.outputs[0])) return false;
  const Activation found = find_activation(matcher, node);
  if (found.x == kNoValue || !matcher.is_float(found.x)) return false;
  Node made = internal_node("Pointwise", node.name, {found.x}, node.outputs[0]);
  made.set("steps", std::vector<std::string>{std::string(found.step)});
  matcher.replace(at, std::move(made));
  return true;
}

}  // namespace

Result<int64_t> recognise_activations(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) { return match_nodes(model, graph, options, recognise_at); });
}

}  // namespace hearth::passes
