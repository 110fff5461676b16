#include "passes/pointwise_steps.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/internal_operators.h"
#include "passes/new_values.h"

namespace hearth::passes {

using graph::Dimension;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::ValueId;

namespace {

bool is_float(const Graph& graph, ValueId id) {
  const graph::Type& type = graph.value(id).type;
  return type.kind == graph::TypeKind::Tensor && type.dtype == DType::F32;
}

std::optional<float> number_of(const Graph& graph, ValueId id) {
  const Tensor* constant = plain_constant(graph, id);
  if (constant == nullptr || constant->size() != 1 || constant->dtype() != DType::F32) return std::nullopt;
  return *constant->data<float>();
}

bool has_input(const Node& node, size_t i) {
  return i < node.inputs.size() && node.inputs[i] != kNoValue;
}

struct Word {
  std::string_view op_type, step;
};
constexpr Word kUnary[] = {
    {"Abs", "abs"},
    {"Erf", "erf"},
    {"Exp", "exp"},
    {"HardSwish", "hard_swish"},
    {"Mish", "mish"},
    {"Neg", "neg"},
    {"Reciprocal", "reciprocal"},
    {"Relu", "relu"},
    {"Sigmoid", "sigmoid"},
    {"Softplus", "softplus"},
    {"Sqrt", "sqrt"},
    {"Tanh", "tanh"},
};
struct Pair {
  std::string_view op_type, first, second;  // the step when that input is the main one; "": it cannot be
};
constexpr Pair kBinary[] = {
    {"Add", "add", "add"}, {"Div", "div", "reverse_div"}, {"Max", "max", "max"},         {"Min", "min", "min"},
    {"Mul", "mul", "mul"}, {"PRelu", "prelu", ""},        {"Sub", "sub", "reverse_sub"},
};

// Clip: bounds are attributes before opset 11.
std::vector<StepOf> clip_steps(const Graph& graph, const Node& node, int64_t opset) {
  if (opset < 11) {
    const float low = node.float_or("min", std::numeric_limits<float>::lowest()),
                high = node.float_or("max", std::numeric_limits<float>::max());
    return {{fmt::format("clip {} {}", low, high), kNoValue}};
  }
  const auto low = has_input(node, 1) ? number_of(graph, node.inputs[1]) : std::nullopt;
  const auto high = has_input(node, 2) ? number_of(graph, node.inputs[2]) : std::nullopt;
  if (low == 0.0f && !has_input(node, 2)) return {{"relu", kNoValue}};
  // A NaN as a bound is left to the operator.
  if (low && high && *low <= *high) return {{fmt::format("clip {} {}", *low, *high), kNoValue}};
  std::vector<StepOf> steps;
  if (has_input(node, 1)) {
    if (!low || std::isnan(*low)) return {};
    steps.push_back({"max", node.inputs[1]});
  }
  if (has_input(node, 2)) {
    if (!high || std::isnan(*high)) return {};
    steps.push_back({"min", node.inputs[2]});
  }
  return steps;
}

// Operators of one input and numbers.
std::vector<StepOf> one_input_steps(const Graph& graph, const Node& node, int64_t opset) {
  const std::string& op = node.op_type;
  const auto one = [](std::string text) { return std::vector<StepOf>{{std::move(text), kNoValue}}; };
  const auto* word = std::ranges::find(kUnary, op, &Word::op_type);
  if (word != std::end(kUnary)) return one(std::string(word->step));
  if (op == "Clip") return clip_steps(graph, node, opset);
  if (op == "LeakyRelu") return one(fmt::format("leaky_relu {}", node.float_or("alpha", 0.01f)));
  if (op == "Elu") return one(fmt::format("elu {}", node.float_or("alpha", 1.0f)));
  if (op == "HardSigmoid")
    return one(fmt::format("hard_sigmoid {} {}", node.float_or("alpha", 0.2f), node.float_or("beta", 0.5f)));
  if (op == "Gelu") return one(node.string_or("approximate", "none") == "tanh" ? "gelu_tanh" : "gelu");
  if (op == "Swish" && node.float_or("alpha", 1.0f) == 1.0f) return one("silu");
  if (op == "Pow" && node.inputs.size() == 2 && graph.value(node.inputs[0]).type.shape) {
    const auto exponent = number_of(graph, node.inputs[1]);
    const bool no_larger =
        graph.value(node.inputs[1]).constant.dims().size() <= graph.value(node.inputs[0]).type.shape->size();
    if (exponent == 2.0f && no_larger) return one("square");
  }
  return {};
}

// A step's own operand number becomes the value that it stands for.
std::optional<std::vector<StepOf>> steps_of_pointwise(const Node& node) {
  std::vector<StepOf> steps;
  for (const std::string& text : node.strings("steps")) {
    const size_t space = text.find(' ');
    const std::string_view name = std::string_view(text).substr(0, space);
    const bool takes = name == "prelu" || name == "reverse_sub" || name == "reverse_div" ||
                       std::ranges::any_of(kBinary, [&](const Pair& pair) { return pair.first == name; });
    if (!takes) {
      steps.push_back({text, kNoValue});
      continue;
    }
    size_t input = 0;
    if (space == std::string::npos) return std::nullopt;
    for (const char digit : std::string_view(text).substr(space + 1)) {
      if (digit < '0' || digit > '9' || input > node.inputs.size()) return std::nullopt;
      input = input * 10 + static_cast<size_t>(digit - '0');
    }
    if (!has_input(node, input)) return std::nullopt;
    steps.push_back({std::string(name), node.inputs[input]});
  }
  return steps;
}

}  // namespace

std::vector<PointwiseForm> pointwise_forms(const Graph& graph, const Node& node, int64_t opset) {
  if (node.inputs.empty() || node.inputs[0] == kNoValue || node.outputs.size() != 1 || node.outputs[0] == kNoValue)
    return {};
  if (!is_float(graph, node.inputs[0]) || !is_float(graph, node.outputs[0])) return {};
  if (node.domain == graph::kInternalDomain) {
    if (node.op_type != "Pointwise") return {};
    auto steps = steps_of_pointwise(node);
    return steps ? std::vector<PointwiseForm>{{node.inputs[0], std::move(*steps)}} : std::vector<PointwiseForm>{};
  }
  if (!node.domain.empty()) return {};
  if (auto steps = one_input_steps(graph, node, opset); !steps.empty()) return {{node.inputs[0], std::move(steps)}};
  const auto* pair = std::ranges::find(kBinary, node.op_type, &Pair::op_type);
  // Before opset 7 attributes said how to broadcast.
  if (pair == std::end(kBinary) || opset < 7 || node.inputs.size() != 2 || !has_input(node, 1)) return {};
  const ValueId a = node.inputs[0], b = node.inputs[1];
  if (!is_float(graph, b)) return {};
  if (a == b && node.op_type == "Mul") return {{a, {{"square", kNoValue}}}};
  std::vector<PointwiseForm> forms{{a, {{std::string(pair->first), b}}}};
  if (a != b && !pair->second.empty()) forms.push_back({b, {{std::string(pair->second), a}}});
  return forms;
}

std::string step_text(const StepOf& step, size_t input) {
  return step.operand == kNoValue ? step.text : fmt::format("{} {}", step.text, input);
}

bool same_size(const Dimension& a, const Dimension& b) {
  return a.known() ? a.size == b.size : !b.known() && !a.symbol.empty() && a.symbol == b.symbol;
}

bool same_shape(const Shape& a, const Shape& b) {
  return std::ranges::equal(a, b, same_size);
}

OperandSpread operand_spread(const Shape& operand, const Shape& result) {
  const size_t rank = result.size();
  if (operand.size() > rank) return OperandSpread::None;
  const size_t lead = rank - operand.size();
  size_t first = 0;  // of the operand's sizes that is not surely 1
  while (first < operand.size() && operand[first].size == 1) ++first;
  if (first == operand.size()) return OperandSpread::Number;
  for (size_t i = first; i + 1 < operand.size(); ++i)
    if (!same_size(operand[i], result[lead + i])) return OperandSpread::None;
  const bool across = same_size(operand.back(), result.back());
  if (first + 1 == operand.size()) return across ? OperandSpread::Column : OperandSpread::None;
  if (across) return OperandSpread::Full;
  return operand.back().size == 1 ? OperandSpread::Row : OperandSpread::None;
}

}  // namespace hearth::passes
