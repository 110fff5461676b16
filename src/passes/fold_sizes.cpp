// What asks for sizes that shape inference knows: Shape, and Gather or Slice from a Shape of which other sizes are
// open. Exporters compute the scale of attention from the size of a head in this way.
#include <algorithm>

#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::ValueId;

// The sizes that a Shape node gives, open ones among them; nullopt: not even how many.
std::optional<Shape> sizes_of(const Matcher& matcher, const Node& node) {
  const Shape* shape = matcher.shape(node.inputs[0]);
  if (shape == nullptr) return std::nullopt;
  const auto rank = static_cast<int64_t>(shape->size());
  const auto place = [&](std::string_view name, int64_t otherwise) {
    const int64_t given = node.int_or(name, otherwise);
    return std::clamp<int64_t>(given < 0 ? given + rank : given, 0, rank);
  };
  const int64_t start = place("start", 0), end = std::max(place("end", rank), start);
  return Shape(shape->begin() + start, shape->begin() + end);
}

std::optional<std::vector<int64_t>> known(const Shape& sizes) {
  std::vector<int64_t> made;
  for (const graph::Dimension& size : sizes) {
    if (!size.known()) return std::nullopt;
    made.push_back(size.size);
  }
  return made;
}

std::optional<Shape> gathered(const Matcher& matcher, const Node& node, const Shape& sizes) {
  const auto indices = matcher.integers(node.inputs[1]);
  if (!indices || (node.int_or("axis", 0) != 0 && node.int_or("axis", 0) != -1)) return std::nullopt;
  Shape made;
  for (int64_t at : *indices) {
    if (at < 0) at += static_cast<int64_t>(sizes.size());
    if (at < 0 || at >= static_cast<int64_t>(sizes.size())) return std::nullopt;
    made.push_back(sizes[static_cast<size_t>(at)]);
  }
  return made;
}

// One start, one end, steps of one.
std::optional<Shape> sliced(const Matcher& matcher, const Node& node, const Shape& sizes) {
  const auto one = [&](size_t input, std::optional<int64_t> otherwise) -> std::optional<int64_t> {
    if (input >= node.inputs.size() || node.inputs[input] == graph::kNoValue) return otherwise;
    const auto given = matcher.integers(node.inputs[input]);
    return given && given->size() == 1 ? std::optional(given->front()) : std::nullopt;
  };
  const auto start = one(1, std::nullopt), end = one(2, std::nullopt), axis = one(3, 0), step = one(4, 1);
  if (!start || !end || (axis != 0 && axis != -1) || step != 1) return std::nullopt;
  const auto rank = static_cast<int64_t>(sizes.size());
  const auto place = [&](int64_t given) { return std::clamp<int64_t>(given < 0 ? given + rank : given, 0, rank); };
  const int64_t first = place(*start), last = std::max(place(*end), first);
  return Shape(sizes.begin() + first, sizes.begin() + last);
}

// The sizes that the node gives when all of them are known.
std::optional<std::vector<int64_t>> told_by(const Matcher& matcher, const Node& node) {
  if (matcher.is(node, "Shape")) {
    const auto sizes = sizes_of(matcher, node);
    return sizes ? known(*sizes) : std::nullopt;
  }
  const bool gather = matcher.is(node, "Gather"), slice = matcher.is(node, "Slice");
  if ((!gather && !slice) || node.inputs.size() < 2) return std::nullopt;
  const Node* asked = matcher.maker(node.inputs[0], "Shape");
  const auto sizes = asked != nullptr ? sizes_of(matcher, *asked) : std::nullopt;
  if (!sizes) return std::nullopt;
  const auto part = gather ? gathered(matcher, node, *sizes) : sliced(matcher, node, *sizes);
  return part ? known(*part) : std::nullopt;
}

Result<bool> fold_at(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (node.outputs.size() != 1 || matcher.is_output(node.outputs[0])) return false;
  const auto sizes = told_by(matcher, node);
  if (!sizes) return false;
  const bool scalar = node.op_type == "Gather" && matcher.constant(node.inputs[1])->rank() == 0;
  const Dims dims = scalar ? Dims() : Dims{static_cast<int64_t>(sizes->size())};
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(DType::I64, dims));
  std::ranges::copy(*sizes, made.mutable_data<int64_t>());
  matcher.make_constant(at, std::move(made));
  return true;
}

}  // namespace

Result<int64_t> fold_sizes(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) { return match_nodes(model, graph, options, fold_at); });
}

}  // namespace hearth::passes
