// Layer normalisation over the last dimension: the operator of ONNX, and the means, differences and roots that
// exporters write for it.
#include <algorithm>
#include <cmath>

#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

constexpr int64_t kMaxOnes = 1 << 20;  // longest scale that is made up: a declared size alone must not take memory

struct LayerNorm {
  int32_t last = graph::Uses::kNone;  // the node whose place it takes
  ValueId x = kNoValue;
  double epsilon = 0;
  ValueId scale = kNoValue, shift = kNoValue;  // constants along the rows; no scale: ones
};

bool is_last_axis(const Matcher& matcher, ValueId x, int64_t axis) {
  const graph::Shape* shape = matcher.shape(x);
  return shape != nullptr && !shape->empty() && (axis == -1 || axis + 1 == static_cast<int64_t>(shape->size()));
}

// value = mean of x over the last dimension, which stays as 1.
bool is_mean_of(const Matcher& matcher, ValueId value, ValueId x) {
  const Node* mean = matcher.maker(value, "ReduceMean");
  if (mean == nullptr || mean->inputs[0] != x || mean->int_or("keepdims", 1) == 0) return false;
  std::vector<int64_t> axes(mean->ints("axes").begin(), mean->ints("axes").end());
  if (axes.empty() && mean->inputs.size() > 1)
    if (const auto given = matcher.integers(mean->inputs[1])) axes = *given;
  return axes.size() == 1 && is_last_axis(matcher, x, axes[0]);
}

// value = x - mean(x): the x, and the mean.
struct Centred {
  ValueId x = kNoValue, mean = kNoValue;
};
Centred centred(const Matcher& matcher, ValueId value) {
  const Node* sub = matcher.maker(value, "Sub");
  if (sub == nullptr || !matcher.is_binary(*sub, "Sub")) return {};
  return is_mean_of(matcher, sub->inputs[1], sub->inputs[0]) ? Centred{sub->inputs[0], sub->inputs[1]} : Centred{};
}

// deviation = sqrt(mean of squares of `centre` + epsilon), nobody else reading what lies between: {centre, epsilon}.
std::optional<Matcher::WithNumber> deviation_of(const Matcher& matcher, ValueId deviation) {
  const Node* root = matcher.maker(deviation, "Sqrt");
  const Node* add = root != nullptr ? matcher.sole_maker(root->inputs[0], "Add") : nullptr;
  const auto sum = add != nullptr ? matcher.plus_number(*add) : std::nullopt;
  if (!sum || !(sum->number >= 0) || !std::isfinite(static_cast<float>(sum->number)) || !matcher.sole(sum->value))
    return std::nullopt;
  const Node* mean = matcher.maker(sum->value, "ReduceMean");
  if (mean == nullptr || !matcher.sole(mean->inputs[0]) || !is_mean_of(matcher, sum->value, mean->inputs[0]))
    return std::nullopt;
  const Matcher::Product square = matcher.product(mean->inputs[0]);
  if (square.factor != 1 || square.values.size() != 2 || square.values[0] != square.values[1]) return std::nullopt;
  return Matcher::WithNumber{square.values[0], sum->number};
}

// 1 / deviation, as Reciprocal, as 1 / …: the deviation.
ValueId inverted(const Matcher& matcher, ValueId value) {
  if (const Node* node = matcher.maker(value, "Reciprocal")) return node->inputs[0];
  const Node* node = matcher.maker(value, "Div");
  return node != nullptr && matcher.number(node->inputs[0]) == 1.0 ? node->inputs[1] : kNoValue;
}

// So many nodes read the value, and nobody outside of the graph.
bool has_readers(const Matcher& matcher, ValueId value, size_t count) {
  return !matcher.is_output(value) && matcher.readers(value).size() == count;
}

// centre / deviation or centre * (1 / deviation).
LayerNorm normalised(const Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  const auto match = [&](ValueId centre, ValueId deviation) -> LayerNorm {
    const auto spread = deviation_of(matcher, deviation);
    if (!spread || spread->value != centre || !matcher.sole(deviation) || !has_readers(matcher, centre, 2)) return {};
    const Centred made = centred(matcher, centre);
    if (made.x == kNoValue || !matcher.sole(made.mean)) return {};
    return {.last = at, .x = made.x, .epsilon = spread->number};
  };
  if (matcher.is_binary(node, "Div")) return match(node.inputs[0], node.inputs[1]);
  if (matcher.is_binary(node, "Mul"))
    for (const size_t i : {0, 1})
      if (const ValueId deviation = inverted(matcher, node.inputs[i]);
          deviation != kNoValue && matcher.sole(node.inputs[i]))
        return match(node.inputs[1 - i], deviation);
  return {};
}

// The other input of a binary node when one is a constant along the rows of x.
struct WithRow {
  ValueId value = kNoValue, row = kNoValue;
};
WithRow with_row(const Matcher& matcher, const Node& node, std::string_view op_type, int64_t n, size_t rank) {
  if (matcher.is_binary(node, op_type))
    for (const size_t i : {0, 1})
      if (matcher.row_constant(node.inputs[i], n, rank) != nullptr) return {node.inputs[1 - i], node.inputs[i]};
  return {};
}

// Scale and shift that follow, as far as they do.
void take_affine(const Matcher& matcher, LayerNorm& found) {
  const size_t rank = matcher.shape(found.x)->size();
  const int64_t n = *matcher.last_size(found.x);
  for (const std::string_view op_type : {"Mul", "Add"}) {
    const ValueId value = matcher.node(found.last).outputs[0];
    if (!matcher.sole(value)) return;
    const int32_t next = matcher.readers(value)[0];
    const WithRow row = with_row(matcher, matcher.node(next), op_type, n, rank);
    if (row.value != value) {
      if (op_type == "Mul") continue;
      return;
    }
    (op_type == "Mul" ? found.scale : found.shift) = row.row;
    found.last = next;
  }
}

// x * a + (shift - mean * a), where a = scale / deviation: the batch normalisation of TensorFlow, used over a row.
LayerNorm factored(const Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is_binary(node, "Add")) return {};
  for (const size_t i : {0, 1}) {
    const Node* scaled = matcher.sole_maker(node.inputs[i], "Mul");
    const Node* rest = matcher.sole_maker(node.inputs[1 - i], "Sub");
    const Node* moved = rest != nullptr ? matcher.sole_maker(rest->inputs[1], "Mul") : nullptr;
    if (scaled == nullptr || moved == nullptr) continue;
    for (const size_t j : {0, 1})
      for (const size_t k : {0, 1}) {
        const ValueId x = scaled->inputs[j], a = scaled->inputs[1 - j], mean = moved->inputs[k];
        const auto n = matcher.last_size(x);
        if (moved->inputs[1 - k] != a || !n || !is_mean_of(matcher, mean, x) || !has_readers(matcher, a, 2)) continue;
        const size_t rank = matcher.shape(x)->size();
        const Node* product = matcher.maker(a, "Mul");
        const WithRow scale = product != nullptr ? with_row(matcher, *product, "Mul", *n, rank) : WithRow{};
        if (!matcher.sole(scale.value) || matcher.row_constant(rest->inputs[0], *n, rank) == nullptr) continue;
        const ValueId deviation = inverted(matcher, scale.value);
        const auto spread = matcher.sole(deviation) ? deviation_of(matcher, deviation) : std::nullopt;
        if (!spread || !matcher.sole(spread->value)) continue;
        const Centred centre = centred(matcher, spread->value);
        if (centre.x != x || centre.mean != mean || !has_readers(matcher, mean, 2)) continue;
        return {.last = at, .x = x, .epsilon = spread->number, .scale = scale.row, .shift = rest->inputs[0]};
      }
  }
  return {};
}

// The operator of opset 17.
LayerNorm as_operator(const Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is(node, "LayerNormalization") || node.inputs.size() < 2) return {};
  const ValueId x = node.inputs[0], shift = node.inputs.size() > 2 ? node.inputs[2] : kNoValue;
  if (node.int_or("stash_type", 1) != 1 || !is_last_axis(matcher, x, node.int_or("axis", -1))) return {};
  for (size_t i = 1; i < node.outputs.size(); ++i)
    if (node.outputs[i] != kNoValue &&
        (matcher.is_output(node.outputs[i]) || !matcher.readers(node.outputs[i]).empty()))
      return {};
  const auto n = matcher.last_size(x);
  if (!n || matcher.row_constant(node.inputs[1], *n, 1) == nullptr ||
      (shift != kNoValue && matcher.row_constant(shift, *n, 1) == nullptr))
    return {};
  return {.last = at, .x = x, .epsilon = node.float_or("epsilon", 1e-5F), .scale = node.inputs[1], .shift = shift};
}

LayerNorm find_layer_norm(const Matcher& matcher, int32_t at) {
  LayerNorm found = as_operator(matcher, at);
  if (found.last == graph::Uses::kNone) found = factored(matcher, at);
  if (found.last != graph::Uses::kNone) return found;
  found = normalised(matcher, at);
  if (found.last == graph::Uses::kNone || !matcher.last_size(found.x)) return {};
  take_affine(matcher, found);
  return found;
}

// A constant of the last dimension as one of one dimension.
ValueId flat(Matcher& matcher, ValueId row) {
  if (row == kNoValue) return kNoValue;
  const Tensor held = *matcher.constant(row);
  if (held.rank() == 1) return row;
  return matcher.add_constant(std::string(matcher.graph().value(row).name), held.reshaped({held.size()}));
}

Result<bool> recognise_at(Matcher& matcher, int32_t at) {
  LayerNorm found = find_layer_norm(matcher, at);
  if (found.last == graph::Uses::kNone || *matcher.last_size(found.x) < 1) return false;
  const ValueId output = matcher.node(found.last).outputs[0];
  if (!matcher.is_float(found.x) || !matcher.is_float(output)) return false;
  if (found.scale == kNoValue) {
    if (*matcher.last_size(found.x) > kMaxOnes) return false;
    const std::vector<double> ones(static_cast<size_t>(*matcher.last_size(found.x)), 1.0);
    ASSIGN_OR_RETURN(const auto scale, float_vector(ones));
    found.scale = matcher.add_constant(matcher.graph().value(output).name + "/scale", *scale);
  }
  const ValueId scale = flat(matcher, found.scale), shift = flat(matcher, found.shift);
  Node made = internal_node("LayerNormalization", matcher.node(at).name, {found.x, scale, shift}, output);
  made.set("epsilon", static_cast<float>(found.epsilon));
  matcher.replace(found.last, std::move(made));
  return true;
}

}  // namespace

Result<int64_t> recognise_layer_norm(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) { return match_nodes(model, graph, options, recognise_at); });
}

}  // namespace hearth::passes
