// Which operators take a value in another order of axes than the model's, and how: elementwise ones as they are, others
// with their axes renumbered.
#include <algorithm>
#include <array>

#include "graph/internal_operators.h"
#include "passes/channels_last.h"

namespace hearth::passes {

using graph::Dimension;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Type;
using graph::ValueId;

namespace {

constexpr size_t kMaxRank = HEARTH_MAX_RANK;

bool all_ones(const Shape& shape) {
  return std::ranges::all_of(shape, [](const Dimension& size) { return size.size == 1; });
}

// Axes counted from the front; nullopt when one is out of range or twice there.
std::optional<std::vector<int64_t>> from_front(std::span<const int64_t> axes, size_t rank) {
  std::vector<int64_t> made;
  const auto r = static_cast<int64_t>(rank);
  for (const int64_t axis : axes) {
    if (axis < -r || axis >= r) return std::nullopt;
    made.push_back(axis < 0 ? axis + r : axis);
  }
  auto sorted = made;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) return std::nullopt;
  return made;
}

std::vector<int64_t> renumbered(std::span<const int64_t> axes, const Order& order) {
  std::vector<int64_t> made;
  for (const int64_t axis : axes) made.push_back(order[static_cast<size_t>(axis)]);
  return made;
}

// The order of what is left when axes (of the ordered value) fall away.
Order without_axes(const Order& order, std::span<const int64_t> axes) {
  Order left;
  for (size_t i = 0; i < order.size(); ++i)
    if (std::ranges::find(axes, static_cast<int64_t>(i)) == axes.end()) left.push_back(order[i]);
  Order ranked;
  for (const int64_t place : left) ranked.push_back(std::ranges::count_if(left, [&](int64_t p) { return p < place; }));
  return ranked;
}

std::optional<std::vector<int64_t>> integers_of(const Tensor* tensor) {
  if (tensor == nullptr || tensor->rank() > 1) return std::nullopt;
  std::vector<int64_t> made;
  for (int64_t i = 0; i < tensor->size(); ++i) {
    if (tensor->dtype() == DType::I64)
      made.push_back(tensor->data<int64_t>()[i]);
    else if (tensor->dtype() == DType::I32)
      made.push_back(tensor->data<int32_t>()[i]);
    else
      return std::nullopt;
  }
  return made;
}

bool has_input(const Node& node, size_t i) {
  return i < node.inputs.size() && node.inputs[i] != kNoValue;
}

bool one_output(const Node& node) {
  for (size_t i = 1; i < node.outputs.size(); ++i)
    if (node.outputs[i] != kNoValue) return false;
  return !node.outputs.empty() && node.outputs[0] != kNoValue;
}

}  // namespace

struct LayoutRewriter::Operands {
  Order order;
  bool image = false;
  std::vector<ValueId> inputs;
};

bool LayoutRewriter::may_follow(const Source& source, ValueId id) const {
  // One transpose that the model wrote may move behind one reader: behind several it would become several.
  return source.image || read_once(id);
}

std::optional<LayoutRewriter::Operands> LayoutRewriter::gather_operands(const Node& node, bool broadcast) {
  const Source* leader = nullptr;
  for (const ValueId id : node.inputs) {
    const Source* source = id != kNoValue ? source_of(id) : nullptr;
    if (source != nullptr && may_follow(*source, id) && (leader == nullptr || (source->image && !leader->image)))
      leader = source;
  }
  if (leader == nullptr) return std::nullopt;
  Operands made{leader->order, leader->image, {}};
  const size_t rank = made.order.size();
  const Shape* result = shape_of(node.outputs[0]);
  if (result == nullptr || result->size() != rank) return std::nullopt;

  const Order wanted = inverse(made.order);
  enum class Way { Turned, Constant, Asis, Transpose };
  std::vector<Way> ways;
  size_t have = 0, missing = 0;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue) {
      ways.push_back(Way::Asis);
      continue;
    }
    const Source* source = source_of(id);
    const Shape* shape = shape_of(id);
    if (source != nullptr && source->order == made.order && (made.image || read_once(id))) {
      ways.push_back(Way::Turned);
      ++have;
    } else if (const Tensor* constant = plain_constant(graph_, id);
               constant != nullptr && (broadcast ? constant->dims().size() <= rank : constant->dims().size() == rank)) {
      ways.push_back(Way::Constant);
    } else if (broadcast && shape != nullptr && shape->size() <= rank && all_ones(*shape)) {
      ways.push_back(Way::Asis);
    } else if (shape != nullptr && shape->size() == rank) {
      ways.push_back(Way::Transpose);
      if (!as_reshape(*shape, wanted)) ++missing;
    } else {
      return std::nullopt;
    }
  }
  const bool read_by_window = wanted_[static_cast<size_t>(node.outputs[0])];
  if (missing > 0 && (!made.image || missing > have || !read_by_window)) return std::nullopt;

  std::vector<Tensor> constants(node.inputs.size());
  for (size_t i = 0; i < ways.size(); ++i)
    if (ways[i] == Way::Constant) {
      const Tensor& constant = graph_.value(node.inputs[i]).constant;
      if (broadcast && constant.size() == 1) {
        ways[i] = Way::Asis;
        continue;
      }
      auto turned = transposed(constant, wanted);
      if (!turned) return std::nullopt;
      constants[i] = broadcast ? without_leading_ones(*turned) : std::move(*turned);
    }
  for (size_t i = 0; i < ways.size(); ++i) {
    const ValueId id = node.inputs[i];
    switch (ways[i]) {
      case Way::Turned:
        made.inputs.push_back(source_of(id)->value);
        break;
      case Way::Constant: {
        const std::string name = graph_.value(id).name;
        made.inputs.push_back(values_.constant(name, "_last", std::move(constants[i])));
        break;
      }
      case Way::Asis:
        made.inputs.push_back(plain(id));
        break;
      case Way::Transpose:
        made.inputs.push_back(in_order(id, wanted));
        break;
    }
  }
  return made;
}

bool LayoutRewriter::follow_elementwise(Node& node) {
  if (!one_output(node) || (node.domain.empty() && model_.opset("") < 7)) return false;
  auto operands = gather_operands(node, true);
  if (!operands) return false;
  const ValueId was = node.outputs[0];
  node.inputs = std::move(operands->inputs);
  emit_as_source(std::move(node), 0, was, operands->order, operands->image);
  return true;
}

bool LayoutRewriter::follow_first(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !one_output(node) || !may_follow(*found, node.inputs[0])) return false;
  const Source source = *found;
  const ValueId was = node.outputs[0];
  node.inputs[0] = source.value;
  for (size_t i = 1; i < node.inputs.size(); ++i) node.inputs[i] = plain(node.inputs[i]);
  emit_as_source(std::move(node), 0, was, source.order, source.image);
  return true;
}

bool LayoutRewriter::follow_concat(Node& node) {
  const Shape* shape = shape_of(node.outputs[0]);
  if (shape == nullptr || !node.has("axis")) return false;
  const auto axis = from_front(std::array{node.int_or("axis", 0)}, shape->size());
  if (!axis) return false;
  auto operands = gather_operands(node, false);
  if (!operands) return false;
  const ValueId was = node.outputs[0];
  node.inputs = std::move(operands->inputs);
  node.set("axis", renumbered(*axis, operands->order)[0]);
  emit_as_source(std::move(node), 0, was, operands->order, operands->image);
  return true;
}

// Split, Softmax and their like: an attribute `axis`.
bool LayoutRewriter::follow_axis(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !may_follow(*found, node.inputs[0])) return false;
  const Source source = *found;
  const bool split = node.op_type == "Split", arg = node.op_type.starts_with("Arg");
  if (!split && !arg && model_.opset("") < 13) return false;  // then it flattens to a matrix at the axis
  if (split && !source.image && node.outputs.size() > 1) return false;
  const auto axis = from_front(std::array{node.int_or("axis", split || arg ? 0 : -1)}, source.order.size());
  if (!axis) return false;
  for (const ValueId id : node.outputs)
    if (id == kNoValue) return false;
  const Order order = arg && node.int_or("keepdims", 1) == 0 ? without_axes(source.order, *axis) : source.order;
  const std::vector<ValueId> outputs = node.outputs;
  node.set("axis", renumbered(*axis, source.order)[0]);
  node.inputs[0] = source.value;
  for (size_t i = 1; i < node.inputs.size(); ++i) node.inputs[i] = plain(node.inputs[i]);
  for (size_t i = 1; i < outputs.size(); ++i) {
    Type type = graph_.value(outputs[i]).type;
    if (type.shape) type.shape = transposed(*type.shape, inverse(order));
    const std::string name = graph_.value(outputs[i]).name;
    node.outputs[i] = values_.add(name, "_last", std::move(type));
    sources_[outputs[i]] = {node.outputs[i], order, source.image};
  }
  emit_as_source(std::move(node), 0, outputs[0], order, source.image);
  return true;
}

std::optional<std::vector<int64_t>> LayoutRewriter::axes_of(const Node& node, size_t rank) const {
  if (node.has("axes")) return from_front(node.ints("axes"), rank);
  if (!has_input(node, 1)) return std::nullopt;
  const auto axes = integers_of(plain_constant(graph_, node.inputs[1]));
  return axes ? from_front(*axes, rank) : std::nullopt;
}

void LayoutRewriter::set_axes(Node& node, std::vector<int64_t> axes) {
  if (node.has("axes")) {
    node.set("axes", std::move(axes));
  } else {
    const std::string name = graph_.value(node.inputs[1]).name;
    node.inputs[1] = values_.integers(name, "_last", axes);
  }
}

// Reductions and Squeeze: axes that become 1 or fall away.
bool LayoutRewriter::follow_axes(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !one_output(node) || !may_follow(*found, node.inputs[0])) return false;
  const Source source = *found;
  const auto axes = axes_of(node, source.order.size());
  if (!axes || axes->empty()) return false;
  const bool keeps = node.op_type != "Squeeze" && node.int_or("keepdims", 1) != 0;
  if (!keeps && axes->size() == source.order.size()) return false;
  const ValueId was = node.outputs[0];
  set_axes(node, renumbered(*axes, source.order));
  node.inputs[0] = source.value;
  emit_as_source(std::move(node), 0, was, keeps ? source.order : without_axes(source.order, *axes), source.image);
  return true;
}

ValueId LayoutRewriter::picked(ValueId list, std::span<const int64_t> index) {
  const std::string name = graph_.value(list).name;
  const auto count = static_cast<int64_t>(index.size());
  if (const Tensor* constant = plain_constant(graph_, list)) {
    if (constant->dims() != Dims{count}) return kNoValue;
    const auto pick = [&]<class T>(DType dtype) {
      std::vector<T> made;
      for (const int64_t i : index) made.push_back(constant->data<T>()[i]);
      return values_.constant(name, "_last", Tensor::of<T>(dtype, {count}, made));
    };
    if (constant->dtype() == DType::I64) return pick.operator()<int64_t>(DType::I64);
    if (constant->dtype() == DType::F32) return pick.operator()<float>(DType::F32);
    return kNoValue;
  }
  const Shape* shape = shape_of(list);
  if (shape == nullptr || *shape != Shape{count}) return kNoValue;
  Node gather;
  gather.op_type = "Gather";
  gather.set("axis", int64_t{0});
  gather.inputs = {plain(list), values_.integers(name, "_order", index)};
  const ValueId made = values_.add(name, "_last", graph_.value(list).type);
  gather.outputs = {made};
  emit(std::move(gather));
  return made;
}

bool LayoutRewriter::follow_pad(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !one_output(node) || !may_follow(*found, node.inputs[0])) return false;
  const Source source = *found;
  const size_t rank = source.order.size();
  const Order back = inverse(source.order);
  std::vector<int64_t> index;
  for (const int64_t axis : back) index.push_back(axis);
  for (const int64_t axis : back) index.push_back(axis + static_cast<int64_t>(rank));
  if (model_.opset("") < 11) {
    const auto pads = node.ints("pads");
    if (pads.size() != 2 * rank) return false;
    std::vector<int64_t> turned;
    for (const int64_t i : index) turned.push_back(pads[static_cast<size_t>(i)]);
    node.set("pads", std::move(turned));
  } else if (has_input(node, 3)) {
    const auto given = integers_of(plain_constant(graph_, node.inputs[3]));
    const auto axes = given ? from_front(*given, rank) : std::nullopt;
    if (!axes || graph_.value(node.inputs[3]).type.dtype != DType::I64) return false;
    node.inputs[3] =
        values_.integers(std::string(graph_.value(node.inputs[3]).name), "_last", renumbered(*axes, source.order));
    node.inputs[1] = plain(node.inputs[1]);
  } else {
    const ValueId pads = has_input(node, 1) ? picked(node.inputs[1], index) : kNoValue;
    if (pads == kNoValue) return false;
    node.inputs[1] = pads;
  }
  if (has_input(node, 2)) node.inputs[2] = plain(node.inputs[2]);
  const ValueId was = node.outputs[0];
  node.inputs[0] = source.value;
  emit_as_source(std::move(node), 0, was, source.order, source.image);
  return true;
}

// Resize and Upsample: scales or sizes, one an axis.
bool LayoutRewriter::follow_resize(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !one_output(node) || !may_follow(*found, node.inputs[0])) return false;
  if (node.string_or("coordinate_transformation_mode", "") == "tf_crop_and_resize") return false;
  const Source source = *found;
  const Order back = inverse(source.order);
  if (node.has("axes")) {
    const auto axes = from_front(node.ints("axes"), source.order.size());
    if (!axes) return false;
    node.set("axes", renumbered(*axes, source.order));
  } else if (node.has("scales")) {
    const auto scales = node.floats("scales");
    if (scales.size() != back.size()) return false;
    std::vector<float> turned;
    for (const int64_t axis : back) turned.push_back(scales[static_cast<size_t>(axis)]);
    node.set("scales", std::move(turned));
  } else {
    const size_t first = node.op_type == "Resize" && model_.opset("") >= 11 ? 2 : 1;  // before: the region of interest
    std::vector<ValueId> lists;
    for (size_t i = first; i < node.inputs.size(); ++i) {
      const bool empty = !has_input(node, i) ||
                         (graph_.value(node.inputs[i]).constant && graph_.value(node.inputs[i]).constant.size() == 0);
      lists.push_back(empty ? node.inputs[i] : picked(node.inputs[i], back));
      if (!empty && lists.back() == kNoValue) return false;
    }
    std::ranges::copy(lists, node.inputs.begin() + static_cast<ptrdiff_t>(first));
  }
  const ValueId was = node.outputs[0];
  node.inputs[0] = source.value;
  for (size_t i = 1; i < node.inputs.size(); ++i) node.inputs[i] = plain(node.inputs[i]);
  emit_as_source(std::move(node), 0, was, source.order, source.image);
  return true;
}

bool LayoutRewriter::follow_slice(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !one_output(node) || !may_follow(*found, node.inputs[0])) return false;
  const Source source = *found;
  const size_t rank = source.order.size();
  const bool by_attributes = model_.opset("") < 10;
  std::optional<std::vector<int64_t>> axes;
  size_t count = 0;
  if (by_attributes) {
    count = node.ints("starts").size();
    if (node.has("axes")) axes = from_front(node.ints("axes"), rank);
  } else {
    if (!has_input(node, 1)) return false;
    const Shape* starts = shape_of(node.inputs[1]);
    if (starts == nullptr || starts->size() != 1 || !(*starts)[0].known()) return false;
    count = static_cast<size_t>((*starts)[0].size);
    if (has_input(node, 3)) {
      const auto given = integers_of(plain_constant(graph_, node.inputs[3]));
      if (!given) return false;
      axes = from_front(*given, rank);
    }
  }
  if (by_attributes ? !node.has("axes") : !has_input(node, 3)) {
    axes.emplace();
    for (size_t i = 0; i < count; ++i) axes->push_back(static_cast<int64_t>(i));
  }
  if (!axes || axes->size() != count || count > rank) return false;
  const auto turned = renumbered(*axes, source.order);
  if (by_attributes) {
    node.set("axes", turned);
  } else {
    const auto dtype = graph_.value(node.inputs[1]).type.dtype;
    const std::string name = graph_.value(node.inputs[1]).name;
    if (node.inputs.size() < 4) node.inputs.resize(4, kNoValue);
    if (dtype == DType::I64) {
      node.inputs[3] = values_.integers(name, "_axes", turned);
    } else if (dtype == DType::I32) {
      const std::vector<int32_t> narrow(turned.begin(), turned.end());
      node.inputs[3] = values_.constant(name, "_axes",
                                        Tensor::of<int32_t>(DType::I32, {static_cast<int64_t>(narrow.size())}, narrow));
    } else {
      return false;
    }
  }
  const ValueId was = node.outputs[0];
  node.inputs[0] = source.value;
  for (size_t i = 1; i < node.inputs.size(); ++i) node.inputs[i] = plain(node.inputs[i]);
  emit_as_source(std::move(node), 0, was, source.order, source.image);
  return true;
}

// QuantizeLinear and DequantizeLinear, whose scale may lie along an axis, and DynamicQuantizeLinear, whose second and
// third output are numbers.
bool LayoutRewriter::follow_quantise(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || node.outputs.empty() || node.outputs[0] == kNoValue || !may_follow(*found, node.inputs[0]))
    return false;
  const Source source = *found;
  if (node.op_type != "DynamicQuantizeLinear") {
    if (!one_output(node) || !has_input(node, 1) || node.int_or("block_size", 0) != 0) return false;
    const Shape* scale = shape_of(node.inputs[1]);
    if (scale == nullptr) return false;
    if (!all_ones(*scale)) {
      const auto axis = from_front(std::array{node.int_or("axis", 1)}, source.order.size());
      if (!axis) return false;
      node.set("axis", renumbered(*axis, source.order)[0]);
    }
  }
  const ValueId was = node.outputs[0];
  node.inputs[0] = source.value;
  for (size_t i = 1; i < node.inputs.size(); ++i) node.inputs[i] = plain(node.inputs[i]);
  emit_as_source(std::move(node), 0, was, source.order, source.image);
  return true;
}

// The sizes of a value that is not there are those of its source, reordered.
bool LayoutRewriter::follow_shape(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || node.has("start") || node.has("end")) return false;
  const Source source = *found;
  node.inputs[0] = source.value;
  if (node.op_type == "Size") {
    emit(std::move(node));
    return true;
  }
  const ValueId was = node.outputs[0];
  const std::string name = graph_.value(was).name;
  const ValueId sizes = values_.add(name, "_last", graph_.value(was).type);
  node.outputs[0] = sizes;
  emit(std::move(node));
  Node gather;
  gather.op_type = "Gather";
  gather.set("axis", int64_t{0});
  gather.inputs = {sizes, values_.integers(name, "_order", source.order)};
  gather.outputs = {was};
  emit(std::move(gather));
  return true;
}

// The rows of a constant matrix in the order that its reader's input now has.
bool LayoutRewriter::mix_weights(const Node& reshape, const ReshapeOfSource& how, const Order& order) {
  const ValueId flat = reshape.outputs[0];
  if (!read_once(flat)) return false;
  Node& reader = nodes_[static_cast<size_t>(uses_.consumers[static_cast<size_t>(flat)][0])];
  const bool gemm = reader.domain.empty() && reader.op_type == "Gemm";
  const bool product = reader.op_type == "MatMul" && (reader.domain.empty() || reader.domain == graph::kInternalDomain);
  if ((!gemm && !product) || is_custom(reader) || reader.inputs.size() < 2) return false;
  if (std::ranges::count(reader.inputs, flat) != 1 || reader.inputs[0] != flat) return false;
  if (gemm && (reader.int_or("transA", 0) != 0 || how.shape.size() != 2)) return false;
  const Tensor* w = plain_constant(graph_, reader.inputs[1]);
  if (w == nullptr || w->dtype() != DType::F32 || w->rank() != 2) return false;
  const MixedAxes mixed = mixed_axes(*shape_of(reshape.inputs[0]), *shape_of(flat), order);
  const bool columns = gemm && reader.int_or("transB", 0) != 0;
  int64_t k = 1;
  for (const int64_t size : mixed.sizes)
    if (__builtin_mul_overflow(k, size, &k)) return false;
  if (w->dim(columns ? 1 : 0) != k || w->size() == 0) return false;
  StridedFloats turned = StridedFloats::of(*w);
  const int64_t inner = columns ? 1 : w->dim(1);
  if (!turned.permute(inner, mixed.sizes, mixed.order)) {
    const auto written = w->clone();
    if (!written) return false;
    turned = StridedFloats::of(*written);
    CHECK(turned.permute(inner, mixed.sizes, mixed.order));
  }
  const Dims dims = w->dims();
  const std::string name = graph_.value(reader.inputs[1]).name;
  reader.inputs[1] = values_.constant(name, "_last", Tensor::defer(std::move(turned), dims));
  return true;
}

bool LayoutRewriter::follow_reshape(Node& node) {
  const Source* found = node.inputs[0] != kNoValue ? source_of(node.inputs[0]) : nullptr;
  if (found == nullptr || !may_follow(*found, node.inputs[0]) || model_.opset("") < 5) return false;
  const Source source = *found;
  const Shape *shape = shape_of(node.inputs[0]), *to = shape_of(node.outputs[0]);
  if (shape == nullptr || to == nullptr || to->size() > kMaxRank) return false;
  const auto how = reshape_source(*shape, *to, source.order);
  if (!how || (how->mixed && !mix_weights(node, *how, source.order))) return false;
  const ValueId was = node.outputs[0];
  const std::string name = graph_.value(was).name;
  Node made;
  made.name = node.name;
  made.op_type = "Reshape";
  made.inputs = {source.value, values_.integers(name, "_sizes", how->sizes)};
  made.outputs = {kNoValue};
  emit_as_source(std::move(made), 0, was, how->order, source.image);
  return true;
}

bool LayoutRewriter::follow(Node& node) {
  using Rule = bool (LayoutRewriter::*)(Node&);
  static constexpr std::string_view kFirst[] = {
      "Abs",  "Acos",        "Acosh",      "Asin",     "Asinh",   "Atan",  "Atanh",     "Cast",    "Ceil",
      "Celu", "Clip",        "Cos",        "Cosh",     "Dropout", "Elu",   "Erf",       "Exp",     "Floor",
      "Gelu", "HardSigmoid", "HardSwish",  "Identity", "IsInf",   "IsNaN", "LeakyRelu", "Log",     "Mish",
      "Neg",  "Not",         "Reciprocal", "Relu",     "Round",   "Selu",  "Shrink",    "Sigmoid", "Sign",
      "Sin",  "Sinh",        "Softplus",   "Softsign", "Sqrt",    "Swish", "Tan",       "Tanh",    "ThresholdedRelu"};
  static constexpr std::string_view kElementwise[] = {
      "Add",   "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max",
      "Mean",  "Min", "Mod", "Mul",   "Or",      "PRelu",          "Pow",  "Sub",         "Sum",
      "Where", "Xor"};
  struct Entry {
    std::string_view op_type;
    Rule rule;
  };
  static constexpr Entry kRules[] = {
      {"ArgMax", &LayoutRewriter::follow_axis},
      {"ArgMin", &LayoutRewriter::follow_axis},
      {"Concat", &LayoutRewriter::follow_concat},
      {"DequantizeLinear", &LayoutRewriter::follow_quantise},
      {"DynamicQuantizeLinear", &LayoutRewriter::follow_quantise},
      {"Flatten", &LayoutRewriter::follow_reshape},
      {"Hardmax", &LayoutRewriter::follow_axis},
      {"LogSoftmax", &LayoutRewriter::follow_axis},
      {"Pad", &LayoutRewriter::follow_pad},
      {"QuantizeLinear", &LayoutRewriter::follow_quantise},
      {"ReduceL1", &LayoutRewriter::follow_axes},
      {"ReduceL2", &LayoutRewriter::follow_axes},
      {"ReduceLogSum", &LayoutRewriter::follow_axes},
      {"ReduceLogSumExp", &LayoutRewriter::follow_axes},
      {"ReduceMax", &LayoutRewriter::follow_axes},
      {"ReduceMean", &LayoutRewriter::follow_axes},
      {"ReduceMin", &LayoutRewriter::follow_axes},
      {"ReduceProd", &LayoutRewriter::follow_axes},
      {"ReduceSum", &LayoutRewriter::follow_axes},
      {"ReduceSumSquare", &LayoutRewriter::follow_axes},
      {"Reshape", &LayoutRewriter::follow_reshape},
      {"Resize", &LayoutRewriter::follow_resize},
      {"Shape", &LayoutRewriter::follow_shape},
      {"Size", &LayoutRewriter::follow_shape},
      {"Slice", &LayoutRewriter::follow_slice},
      {"Softmax", &LayoutRewriter::follow_axis},
      {"Split", &LayoutRewriter::follow_axis},
      {"Squeeze", &LayoutRewriter::follow_axes},
      {"Upsample", &LayoutRewriter::follow_resize},
  };
  if (node.domain == graph::kInternalDomain) return node.op_type == "Pointwise" && follow_elementwise(node);
  if (!node.domain.empty()) return false;
  if (std::ranges::find(kFirst, node.op_type) != std::end(kFirst)) return follow_first(node);
  if (std::ranges::find(kElementwise, node.op_type) != std::end(kElementwise)) return follow_elementwise(node);
  const auto* at = std::ranges::find(kRules, node.op_type, &Entry::op_type);
  return at != std::end(kRules) && (this->*at->rule)(node);
}

}  // namespace hearth::passes
