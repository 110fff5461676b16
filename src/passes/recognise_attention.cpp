// Attention of several heads, written as products: softmax(q k^T * scale + mask) v between the split into heads and
// their joining. What is replaced lies between [batch, rows, heads * size] values, so the splits go as well.
#include <algorithm>
#include <array>
#include <cmath>

#include "passes/match.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::ValueId;

constexpr int kMaxChain = 8;  // nodes between a product and the split into heads

using Permutation = std::array<int64_t, 4>;
constexpr Permutation kIdentity = {0, 1, 2, 3}, kHeadsFirst = {0, 2, 1, 3}, kTransposedHeads = {0, 2, 3, 1};

std::optional<Permutation> permutation_of(const Node& transpose) {
  const auto perm = transpose.ints("perm");
  if (perm.size() != 4) return std::nullopt;
  Permutation made;
  for (size_t i = 0; i < 4; ++i) {
    made[i] = perm[i];
    if (made[i] < 0 || made[i] > 3) return std::nullopt;
  }
  return made;
}

// A Reshape of [batch, rows, heads * size] to [batch, rows, heads, size] or back: sizes as they are in every run.
bool keeps_batch_and_rows(const Matcher& matcher, const Node& reshape) {
  const ValueId from = reshape.inputs[0], to = reshape.outputs[0];
  const bool zero_copies = reshape.int_or("allowzero", 0) == 0;
  const auto target = reshape.inputs.size() > 1 ? matcher.integers(reshape.inputs[1]) : std::nullopt;
  // One of the two is enough: their product is the same on both sides.
  for (const size_t axis : {0, 1}) {
    if (matcher.same_size(from, axis, to, axis)) return true;
    if (target && zero_copies && axis < target->size() && (*target)[axis] == 0) return true;
  }
  return false;
}

// q, k or v as an input of a product: split into heads, turned, and scaled.
struct Heads {
  ValueId source = kNoValue;           // [batch, rows, count * size], or of all three [batch, rows, 3 * count * size]
  ValueId split = kNoValue;            // [batch, rows, count, size]; kNoValue when it is one of three
  ValueId parts = kNoValue;            // [3, batch, count, rows, size] that it is taken from
  int64_t part = 0;                    // which of the three
  int32_t taker = graph::Uses::kNone;  // the node that reads `parts` for it
  int64_t count = 0, size = 0;
  double scale = 1;
};

// One of three that a node takes from the first dimension of a value: which, and the value.
struct Part {
  ValueId of = kNoValue;
  int64_t which = 0;
  int32_t taker = graph::Uses::kNone;  // a Gather, or the Split that gives all three
};
Part find_part(const Matcher& matcher, ValueId id) {
  if (const Node* gather = matcher.sole_maker(id, "Gather")) {
    const Tensor* index = matcher.constant(gather->inputs[1]);
    const auto which = matcher.integers(gather->inputs[1]);
    if (index == nullptr || index->rank() != 0 || !which || gather->int_or("axis", 0) != 0) return {};
    const int64_t at = which->front();
    return {gather->inputs[0], at < 0 ? at + 3 : at, matcher.producer(id)};
  }
  const Node* squeeze = matcher.sole_maker(id, "Squeeze");
  const Shape *from = squeeze != nullptr ? matcher.shape(squeeze->inputs[0]) : nullptr, *to = matcher.shape(id);
  if (from == nullptr || to == nullptr || from->size() != 5 || to->size() != 4) return {};
  std::vector<int64_t> axes(squeeze->ints("axes").begin(), squeeze->ints("axes").end());
  if (squeeze->inputs.size() > 1) axes = matcher.integers(squeeze->inputs[1]).value_or(axes);
  const Node* split = matcher.sole_maker(squeeze->inputs[0], "Split");
  if (axes != std::vector<int64_t>{0} || split == nullptr || split->int_or("axis", 0) != 0 ||
      split->outputs.size() != 3)
    return {};
  const auto at = std::ranges::find(split->outputs, squeeze->inputs[0]);
  return {split->inputs[0], at - split->outputs.begin(), matcher.producer(squeeze->inputs[0])};
}

// The heads of one of three that were split together: [batch, rows, 3, count, size] turned to have the three in front.
// Their order is that of q: heads before rows.
std::optional<Heads> find_joint_heads(const Matcher& matcher, const Part& part) {
  constexpr std::array<int64_t, 5> kThreeFirst = {2, 0, 3, 1, 4};
  const Node* transpose = matcher.maker(part.of, "Transpose");
  if (transpose == nullptr || part.which < 0 || part.which > 2 || matcher.is_output(part.of) ||
      !std::ranges::equal(transpose->ints("perm"), kThreeFirst))
    return std::nullopt;
  const Node* reshape = matcher.sole_maker(transpose->inputs[0], "Reshape");
  if (reshape == nullptr || !matcher.is_float(reshape->inputs[0])) return std::nullopt;
  const ValueId source = reshape->inputs[0];
  const Shape *from = matcher.shape(source), *to = matcher.shape(reshape->outputs[0]);
  if (from == nullptr || to == nullptr || from->size() != 3 || to->size() != 5 || (*to)[2].size != 3)
    return std::nullopt;
  const int64_t count = (*to)[3].size, size = (*to)[4].size, width = (*from)[2].size;
  if (count < 1 || size < 1 || width < 3 || width % 3 != 0 || width / 3 % size != 0 || width / 3 / size != count)
    return std::nullopt;
  if (!keeps_batch_and_rows(matcher, *reshape)) return std::nullopt;
  Heads found;
  found.source = source;
  found.parts = part.of;
  found.part = part.which;
  found.taker = part.taker;
  found.count = count;
  found.size = size;
  return found;
}

// The value before factors that nobody else reads; they go into the scale.
ValueId unscaled(const Matcher& matcher, ValueId id, double& scale) {
  for (int step = 0; step < kMaxChain && matcher.sole(id); ++step) {
    const int32_t at = matcher.producer(id);
    const auto scaled = at != graph::Uses::kNone ? matcher.times_number(matcher.node(at)) : std::nullopt;
    if (!scaled) break;
    scale *= scaled->number;
    id = scaled->value;
  }
  return id;
}

// Up from an input of a product to what was split into heads, through Transpose and factors.
std::optional<Heads> find_heads(const Matcher& matcher, ValueId id, const Permutation& wanted) {
  Heads found;
  Permutation turned = kIdentity;  // dimension i of the product's input is turned[i] of the value looked at
  for (int step = 0; step < kMaxChain; ++step) {
    if (!matcher.is_float(id)) return std::nullopt;
    if (const Node* transpose = matcher.sole_maker(id, "Transpose")) {
      const auto perm = permutation_of(*transpose);
      if (!perm) return std::nullopt;
      for (int64_t& axis : turned) axis = (*perm)[static_cast<size_t>(axis)];
      id = transpose->inputs[0];
      continue;
    }
    if (const Node* reshape = matcher.maker(id, "Reshape")) {
      const ValueId source = reshape->inputs[0];
      const Shape *from = matcher.shape(source), *to = matcher.shape(id);
      if (turned != wanted || from == nullptr || to == nullptr || from->size() != 3 || to->size() != 4)
        return std::nullopt;
      const int64_t count = (*to)[2].size, size = (*to)[3].size, width = (*from)[2].size;
      if (count < 1 || size < 1 || width < 1 || width % size != 0 || width / size != count) return std::nullopt;
      if (!matcher.is_float(source) || !keeps_batch_and_rows(matcher, *reshape)) return std::nullopt;
      found.source = source;
      found.split = id;
      found.count = count;
      found.size = size;
      return found;
    }
    if (const Part part = find_part(matcher, id); part.of != kNoValue) {
      for (int64_t& axis : turned) axis = kHeadsFirst[static_cast<size_t>(axis)];
      auto joint = turned == wanted ? find_joint_heads(matcher, part) : std::nullopt;
      if (joint) joint->scale = found.scale;
      return joint;
    }
    const ValueId above = unscaled(matcher, id, found.scale);
    if (above == id) return std::nullopt;
    id = above;
  }
  return std::nullopt;
}

// Nobody but q, k and v reads what they are taken from, each its own third: by one Split, or by a Gather each.
bool takes_all_three(const Matcher& matcher, const Heads& q, const Heads& k, const Heads& v) {
  if (q.part == k.part || q.part == v.part || k.part == v.part) return false;
  const size_t readers = matcher.readers(q.parts).size();
  if (q.taker == k.taker && q.taker == v.taker) return readers == 1;
  return readers == 3 && q.taker != k.taker && q.taker != v.taker && k.taker != v.taker &&
         std::ranges::all_of(std::array{q.taker, k.taker, v.taker},
                             [&](int32_t at) { return matcher.is(matcher.node(at), "Gather"); });
}

// Scores down to the product q k^T, through factors.
struct Scores {
  const Node* product = nullptr;
  double scale = 1;
};
Scores find_scores(const Matcher& matcher, ValueId id) {
  Scores found;
  id = unscaled(matcher, id, found.scale);
  if (matcher.is_float(id)) found.product = matcher.sole_maker(id, "MatMul");
  return found;
}

// A mask must not make the scores [batch, heads, rows, keys] larger: each of its sizes is 1 or theirs.
bool is_mask(const Matcher& matcher, ValueId mask, ValueId scores, const Heads& q, const Heads& k) {
  const Shape *own = matcher.shape(mask), *whole = matcher.shape(scores);
  if (!matcher.is_float(mask) || own == nullptr || whole == nullptr || whole->size() != 4 || own->size() > 4)
    return false;
  for (size_t i = 0; i < own->size(); ++i) {
    const size_t axis = i + 4 - own->size();
    if (matcher.spreads_over(mask, i, scores, axis)) continue;
    // The rows of q and k, which the scores have as rows and columns.
    if (axis < 2 || !matcher.spreads_over(mask, i, axis == 2 ? q.source : k.source, 1)) return false;
  }
  return true;
}

struct Attention {
  Heads q, k, v;
  ValueId mask = kNoValue;
  double scale = 1;
};

// `product`: of the probabilities and the values.
std::optional<Attention> find_attention(const Matcher& matcher, const Node& product) {
  const Node* softmax = matcher.sole_maker(product.inputs[0], "Softmax");
  if (softmax == nullptr || !matcher.is_float(product.inputs[0])) return std::nullopt;
  const int64_t axis = softmax->int_or("axis", matcher.opset() >= 13 ? -1 : 1);
  const ValueId masked = softmax->inputs[0];
  const Shape* shape = matcher.shape(masked);
  if ((axis != -1 && axis != 3) || shape == nullptr || shape->size() != 4) return std::nullopt;

  Attention found;
  ValueId scored = masked;
  Scores scores = find_scores(matcher, masked);
  if (scores.product == nullptr) {
    const Node* add = matcher.sole_maker(masked, "Add");
    if (add == nullptr || !matcher.is_binary(*add, "Add")) return std::nullopt;
    for (const size_t i : {0, 1}) {
      scores = find_scores(matcher, add->inputs[i]);
      found.mask = add->inputs[1 - i];
      scored = add->inputs[i];
      if (scores.product != nullptr) break;
    }
    if (scores.product == nullptr) return std::nullopt;
  }

  const auto q = find_heads(matcher, scores.product->inputs[0], kHeadsFirst);
  const auto k = find_heads(matcher, scores.product->inputs[1], kTransposedHeads);
  const auto v = find_heads(matcher, product.inputs[1], kHeadsFirst);
  if (!q || !k || !v || v->scale != 1 || q->size != k->size || k->count != v->count) return std::nullopt;
  // The products broadcast a single head of keys and values over those of q; nothing else may be broadcast.
  if (k->count != q->count && k->count != 1) return std::nullopt;
  if (v->size > kMaxTensorElements / q->count) return std::nullopt;
  if (q->parts != k->parts || q->parts != v->parts) return std::nullopt;
  if (q->parts != kNoValue && !takes_all_three(matcher, *q, *k, *v)) return std::nullopt;
  if (!matcher.same_size(q->source, 0, k->source, 0) || !matcher.same_size(q->source, 0, v->source, 0))
    return std::nullopt;
  if (found.mask != kNoValue && !is_mask(matcher, found.mask, scored, *q, *k)) return std::nullopt;
  found.q = *q;
  found.k = *k;
  found.v = *v;
  for (Heads* heads : {&found.q, &found.k})
    if (heads->parts == kNoValue) heads->source = unscaled(matcher, heads->source, heads->scale);
  found.scale = scores.scale * found.q.scale * found.k.scale;
  return std::isfinite(static_cast<float>(found.scale)) ? std::optional(found) : std::nullopt;
}

// The Reshape that alone reads the joined heads; kNone: somebody else reads them. Exporters ask for their sizes to
// compute the target of that Reshape: whoever asks may as well ask the heads of q, which have the same.
int32_t joining_reshape(Matcher& matcher, ValueId joined, const Heads& q, const Heads& v) {
  if (matcher.is_output(joined)) return graph::Uses::kNone;
  int32_t reshape = graph::Uses::kNone;
  std::vector<int32_t> asking;
  for (const int32_t reader : matcher.readers(joined)) {
    const Node& node = matcher.node(reader);
    if (matcher.is(node, "Shape") && q.split != kNoValue && q.size == v.size)
      asking.push_back(reader);
    else if (matcher.is(node, "Reshape") && node.inputs[0] == joined && reshape == graph::Uses::kNone)
      reshape = reader;
    else
      return graph::Uses::kNone;
  }
  if (reshape == graph::Uses::kNone) return reshape;
  for (const int32_t reader : asking) matcher.set_input(reader, 0, q.split);
  return reshape;
}

// The Reshape gives exactly [batch, rows, heads * size].
bool joins(const Matcher& matcher, const Node& reshape, int64_t width) {
  const Shape* shape = matcher.shape(reshape.outputs[0]);
  return shape != nullptr && shape->size() == 3 && (*shape)[2].size == width && matcher.is_float(reshape.outputs[0]) &&
         keeps_batch_and_rows(matcher, reshape);
}

// The target means the same before the heads are split as after: it copies no size behind the rows.
bool means_the_same_unsplit(const Matcher& matcher, const Node& reshape) {
  const auto target = reshape.inputs.size() > 1 ? matcher.integers(reshape.inputs[1]) : std::nullopt;
  if (!target) return false;
  if (reshape.int_or("allowzero", 0) != 0) return true;
  for (size_t i = 2; i < target->size(); ++i)
    if ((*target)[i] == 0) return false;
  return true;
}

// Three that were split from one value are split again, along its last dimension, where they were turned before.
Result<> split_source(Matcher& matcher, Attention& found) {
  const int32_t at = matcher.producer(found.q.parts);
  const int64_t width = found.q.count * found.q.size;
  const Shape rows = *matcher.shape(found.q.source);
  const std::string name = matcher.graph().value(found.q.source).name;
  Node split;
  split.name = matcher.node(at).name;
  split.op_type = "Split";
  split.inputs = {found.q.source};
  split.set("axis", int64_t{2});
  const std::vector<int64_t> widths(3, width);
  if (matcher.opset() < 13) {
    split.set("split", widths);
  } else {
    ASSIGN_OR_RETURN(Tensor sizes, Tensor::allocate(DType::I64, {3}));
    std::ranges::copy(widths, sizes.mutable_data<int64_t>());
    split.inputs.push_back(matcher.add_constant(name + "/widths", std::move(sizes)));
  }
  for (const int64_t part : {0, 1, 2}) {
    const ValueId made =
        matcher.add_value(fmt::format("{}/part{}", name, part),
                          graph::Type::tensor(DType::F32, Shape{rows[0], rows[1], graph::Dimension(width)}));
    split.outputs.push_back(made);
    for (Heads* heads : {&found.q, &found.k, &found.v})
      if (heads->part == part) heads->source = made;
  }
  matcher.replace(at, std::move(split));
  return {};
}

Result<bool> recognise_at(Matcher& matcher, int32_t at) {
  const Node& transpose = matcher.node(at);
  if (!matcher.is(transpose, "Transpose") || permutation_of(transpose) != kHeadsFirst) return false;
  const Node* product = matcher.sole_maker(transpose.inputs[0], "MatMul");
  auto found = product != nullptr ? find_attention(matcher, *product) : std::nullopt;
  if (!found) return false;
  const ValueId joined = transpose.outputs[0];
  const int32_t after = joining_reshape(matcher, joined, found->q, found->v);
  if (after == graph::Uses::kNone) return false;
  const int64_t width = found->q.count * found->v.size;
  const bool whole = joins(matcher, matcher.node(after), width);
  if (!whole && !means_the_same_unsplit(matcher, matcher.node(after))) return false;

  if (found->q.parts != kNoValue) TRY(split_source(matcher, *found));
  ValueId output = matcher.node(after).outputs[0];
  if (!whole) {
    const Shape& rows = *matcher.shape(found->q.source);
    graph::Type type = graph::Type::tensor(DType::F32, Shape{rows[0], rows[1], graph::Dimension(width)});
    output = matcher.add_value(std::string(matcher.graph().value(joined).name) + "/joined", std::move(type));
  }
  Node made = internal_node("Attention", product->name,
                            {found->q.source, found->k.source, found->v.source, found->mask}, output);
  made.set("heads", found->q.count);
  made.set("kv_heads", found->k.count);
  made.set("scale", static_cast<float>(found->scale));
  matcher.replace(whole ? after : at, std::move(made));
  if (!whole) matcher.set_input(after, 0, output);
  return true;
}

}  // namespace

Result<int64_t> recognise_attention(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) { return match_nodes(model, graph, options, recognise_at); });
}

}  // namespace hearth::passes
