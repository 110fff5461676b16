#include "passes/match.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "graph/internal_operators.h"
#include "passes/rewrite.h"

namespace hearth::passes {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::Uses;
using graph::ValueId;

namespace {

constexpr int kMaxProductDepth = 6;
constexpr int kMaxOriginSteps = 64;
constexpr size_t kMaxSpreadValues = 1024;
// Relative: "1.41421" and "0.044715" are as good as the full digits.
constexpr double kNear = 1e-5;

size_t index(ValueId id) {
  return static_cast<size_t>(id);
}

}  // namespace

bool near(double got, double wanted) {
  return std::abs(got - wanted) <= kNear * std::abs(wanted);
}

Matcher::Matcher(graph::Model& model, Graph& graph, const Options& options)
    : model_(model),
      graph_(graph),
      options_(options),
      uses_(graph::find_uses(graph)),
      dead_(graph.nodes.size(), false),
      overridable_(graph.values.size(), false) {
  for (const ValueId id : graph.inputs) overridable_[index(id)] = true;
}

bool Matcher::is(const Node& node, std::string_view op_type) const {
  if (node.op_type != op_type || !(node.domain.empty() || node.domain == "ai.onnx")) return false;
  return !options_.is_custom || !options_.is_custom(node.domain, node.op_type);
}

bool Matcher::is_internal(const Node& node, std::string_view op_type) {
  return node.op_type == op_type && node.domain == graph::kInternalDomain;
}

bool Matcher::is_binary(const Node& node, std::string_view op_type) const {
  return is(node, op_type) && node.inputs.size() == 2 && !node.has("broadcast") && !node.has("axis");
}

int32_t Matcher::producer(ValueId id) const {
  return id == kNoValue ? Uses::kNone : uses_.producer[index(id)];
}

const Node* Matcher::maker(ValueId id, std::string_view op_type) const {
  const int32_t at = producer(id);
  return at != Uses::kNone && is(node(at), op_type) ? &node(at) : nullptr;
}

bool Matcher::sole(ValueId id) const {
  return id != kNoValue && readers(id).size() == 1 && !is_output(id);
}

const Node* Matcher::sole_maker(ValueId id, std::string_view op_type) const {
  return sole(id) ? maker(id, op_type) : nullptr;
}

bool Matcher::is_float(ValueId id) const {
  if (id == kNoValue) return false;
  const graph::Type& type = graph_.value(id).type;
  return type.kind == graph::TypeKind::Tensor && type.dtype == DType::F32;
}

const Shape* Matcher::shape(ValueId id) const {
  if (id == kNoValue) return nullptr;
  const graph::Type& type = graph_.value(id).type;
  return type.kind == graph::TypeKind::Tensor && type.shape ? &*type.shape : nullptr;
}

std::optional<int64_t> Matcher::last_size(ValueId id) const {
  const Shape* sizes = shape(id);
  if (sizes == nullptr || sizes->empty() || !sizes->back().known()) return std::nullopt;
  return sizes->back().size;
}

const Tensor* Matcher::constant(ValueId id) const {
  if (id == kNoValue || overridable_[index(id)]) return nullptr;
  const Tensor& held = graph_.value(id).constant;
  return held ? &held : nullptr;
}

const Tensor* Matcher::float_constant(ValueId id) const {
  const Tensor* held = constant(id);
  return held != nullptr && held->dtype() == DType::F32 ? held : nullptr;
}

std::optional<double> Matcher::number(ValueId id) const {
  const Tensor* held = constant(id);
  if (held == nullptr || held->size() != 1) return std::nullopt;
  switch (held->dtype()) {
    case DType::F32:
      return *held->data<float>();
    case DType::F64:
      return *held->data<double>();
    case DType::I32:
      return *held->data<int32_t>();
    case DType::I64:
      return static_cast<double>(*held->data<int64_t>());
    default:
      return std::nullopt;
  }
}

std::optional<std::vector<int64_t>> Matcher::integers(ValueId id) const {
  const Tensor* held = constant(id);
  if (held == nullptr || held->dtype() != DType::I64 || held->rank() > 1) return std::nullopt;
  return std::vector<int64_t>(held->data<int64_t>(), held->data<int64_t>() + held->size());
}

const Tensor* Matcher::row_constant(ValueId id, int64_t n, size_t rank) const {
  const Tensor* held = float_constant(id);
  if (held == nullptr || held->size() != n || held->dims().empty() || held->dims().back() != n) return nullptr;
  return held->dims().size() <= rank ? held : nullptr;
}

// A number of rank 1 or more must not give the value more dimensions than it has.
bool Matcher::beside(ValueId number, ValueId value) const {
  const size_t rank = graph_.value(number).constant.dims().size();
  return rank == 0 || (shape(value) != nullptr && shape(value)->size() >= rank);
}

std::optional<Matcher::WithNumber> Matcher::times_number(const Node& node) const {
  if (is_binary(node, "Mul"))
    for (const size_t i : {0, 1})
      if (const auto held = number(node.inputs[i]); held && beside(node.inputs[i], node.inputs[1 - i]))
        return WithNumber{node.inputs[1 - i], *held};
  if (is_binary(node, "Div"))
    if (const auto held = number(node.inputs[1]); held && *held != 0 && beside(node.inputs[1], node.inputs[0]))
      return WithNumber{node.inputs[0], 1 / *held};
  return std::nullopt;
}

std::optional<Matcher::WithNumber> Matcher::plus_number(const Node& node) const {
  if (is_binary(node, "Add"))
    for (const size_t i : {0, 1})
      if (const auto held = number(node.inputs[i]); held && beside(node.inputs[i], node.inputs[1 - i]))
        return WithNumber{node.inputs[1 - i], *held};
  if (is_binary(node, "Sub"))
    if (const auto held = number(node.inputs[1]); held && beside(node.inputs[1], node.inputs[0]))
      return WithNumber{node.inputs[0], -*held};
  return std::nullopt;
}

// False: there are too many factors.
bool Matcher::multiply_in(ValueId id, bool inner, int depth, Product& product) const {
  const int32_t at = producer(id);
  const Node* made = at != Uses::kNone && is_float(id) && (!inner || sole(id)) && depth > 0 ? &node(at) : nullptr;
  if (made != nullptr) {
    if (const auto scaled = times_number(*made)) {
      product.factor *= scaled->number;
      return multiply_in(scaled->value, true, depth - 1, product);
    }
    if (is_binary(*made, "Mul"))
      return multiply_in(made->inputs[0], true, depth - 1, product) &&
             multiply_in(made->inputs[1], true, depth - 1, product);
    if (is_binary(*made, "Pow") && beside(made->inputs[1], made->inputs[0])) {
      const auto exponent = number(made->inputs[1]);
      if (exponent == 2.0 || exponent == 3.0) {
        for (int i = 0; i < static_cast<int>(*exponent); ++i)
          if (!multiply_in(made->inputs[0], true, depth - 1, product)) return false;
        return true;
      }
    }
  }
  product.values.push_back(id);
  return product.values.size() <= kMaxFactors;
}

Matcher::Product Matcher::product(ValueId id) const {
  Product made;
  if (!multiply_in(id, false, kMaxProductDepth, made)) return {1, {id}};
  return made;
}

// The value above that has this dimension as its own, through a node that keeps all dimensions but the last; kNoValue:
// the node is of another kind.
ValueId Matcher::above(ValueId id, size_t axis) const {
  const int32_t at = producer(id);
  const Shape* sizes = shape(id);
  if (at == Uses::kNone || sizes == nullptr || axis + 1 >= sizes->size()) return kNoValue;
  const Node& made = node(at);
  ValueId from = kNoValue;
  if (is_internal(made, "MatMul") || is_internal(made, "Pointwise") || is_internal(made, "LayerNormalization") ||
      is_internal(made, "Attention") || is_internal(made, "QuantisedMatMul") || is(made, "LayerNormalization") ||
      is(made, "DynamicQuantizeLinear") || is(made, "QuantizeLinear") || is(made, "DequantizeLinear")) {
    from = made.inputs[0];
  } else if (is(made, "MatMul") && constant(made.inputs[1]) != nullptr && constant(made.inputs[1])->rank() == 2) {
    from = made.inputs[0];
  } else if (is(made, "Split")) {
    const int64_t along = made.int_or("axis", 0);
    if (along == -1 || along + 1 == static_cast<int64_t>(sizes->size())) from = made.inputs[0];
  } else if (const auto scaled = times_number(made)) {
    from = scaled->value;
  } else if (is_binary(made, "Add") || is_binary(made, "Mul")) {
    for (const size_t i : {0, 1})
      if (const Tensor* row = constant(made.inputs[i]); row != nullptr && row->rank() <= 1) from = made.inputs[1 - i];
  }
  const Shape* own = shape(from);
  return own != nullptr && own->size() == sizes->size() ? from : kNoValue;
}

ValueId Matcher::origin(ValueId id, size_t axis) const {
  for (int step = 0; step < kMaxOriginSteps; ++step) {
    const ValueId next = above(id, axis);
    if (next == kNoValue) break;
    id = next;
  }
  return id;
}

bool Matcher::same_size(ValueId a, size_t axis_a, ValueId b, size_t axis_b) const {
  const Shape *x = shape(a), *y = shape(b);
  if (x == nullptr || y == nullptr || axis_a >= x->size() || axis_b >= y->size()) return false;
  const graph::Dimension &p = (*x)[axis_a], &q = (*y)[axis_b];
  if (p.known() && q.known()) return p.size == q.size;
  if (!p.symbol.empty() && p.symbol == q.symbol) return true;
  return axis_a == axis_b && axis_a + 1 < x->size() && axis_b + 1 < y->size() && origin(a, axis_a) == origin(b, axis_b);
}

// A broadcast changes only what was 1: what a size was anywhere above, it is still, or it was 1.
bool Matcher::spreads_over(ValueId small, size_t axis_small, ValueId large, size_t axis_large) const {
  const Shape* own = shape(small);
  if (own == nullptr || axis_small >= own->size()) return false;
  if ((*own)[axis_small].size == 1) return true;
  std::vector<std::pair<ValueId, size_t>> todo = {{large, axis_large}};
  std::set<std::pair<ValueId, size_t>> seen;
  while (!todo.empty() && seen.size() < kMaxSpreadValues) {
    const auto [id, axis] = todo.back();
    todo.pop_back();
    if (!seen.emplace(id, axis).second) continue;
    if (same_size(small, axis_small, id, axis)) return true;
    const Shape* sizes = shape(id);
    if (sizes == nullptr || axis >= sizes->size()) continue;
    if (const ValueId next = above(id, axis); next != kNoValue) {
      todo.emplace_back(next, axis);
      continue;
    }
    const int32_t at = producer(id);
    if (at == Uses::kNone) continue;
    const Node& made = node(at);
    if (!is_binary(made, "Add") && !is_binary(made, "Sub") && !is_binary(made, "Mul") && !is_binary(made, "Div"))
      continue;
    for (const ValueId input : made.inputs)
      if (const Shape* parts = shape(input); parts != nullptr && axis + parts->size() >= sizes->size())
        todo.emplace_back(input, axis + parts->size() - sizes->size());
  }
  return false;
}

std::string Matcher::unused_name(std::string_view wanted) {
  if (names_.empty())
    for (const graph::ValueInfo& value : graph_.values) names_.insert(value.name);
  std::string name(wanted);
  while (!names_.insert(name).second) name = fmt::format("{}/{}", wanted, ++next_name_);
  return name;
}

// Not Graph::add_value: that looks at every name each time.
ValueId Matcher::add_value(std::string_view name, graph::Type type) {
  graph::ValueInfo& added = graph_.values.emplace_back();
  added.name = unused_name(name);
  added.type = std::move(type);
  uses_.producer.push_back(Uses::kNone);
  uses_.consumers.emplace_back();
  uses_.is_output.push_back(false);
  overridable_.push_back(false);
  return static_cast<ValueId>(graph_.values.size() - 1);
}

ValueId Matcher::add_constant(std::string_view name, Tensor value) {
  Shape sizes(value.dims().begin(), value.dims().end());
  const ValueId id = add_value(name, graph::Type::tensor(value.dtype(), std::move(sizes)));
  graph_.value(id).constant = std::move(value);
  return id;
}

void Matcher::add_reader(ValueId id, int32_t reader) {
  if (id == kNoValue) return;
  auto& all = uses_.consumers[index(id)];
  const auto at = std::ranges::lower_bound(all, reader);
  if (at == all.end() || *at != reader) all.insert(at, reader);
}

void Matcher::drop_reader(ValueId id, int32_t reader) {
  std::vector<std::pair<ValueId, int32_t>> todo = {{id, reader}};
  while (!todo.empty()) {
    const auto [value, from] = todo.back();
    todo.pop_back();
    if (value == kNoValue) continue;
    auto& all = uses_.consumers[index(value)];
    std::erase(all, from);
    const int32_t at = uses_.producer[index(value)];
    if (at == Uses::kNone || dead(at) || has_graphs(node(at))) continue;
    const bool needed = std::ranges::any_of(node(at).outputs, [&](ValueId output) {
      return output != kNoValue && (is_output(output) || !readers(output).empty());
    });
    if (needed) continue;
    dead_[static_cast<size_t>(at)] = true;
    for (const ValueId output : node(at).outputs)
      if (output != kNoValue) uses_.producer[index(output)] = Uses::kNone;
    for (const ValueId input : node(at).inputs) todo.emplace_back(input, at);
  }
}

void Matcher::replace(int32_t at, Node made) {
  if (made.domain == graph::kInternalDomain) model_.opsets[std::string(graph::kInternalDomain)] = graph::kInternalOpset;
  for (const ValueId id : made.inputs) add_reader(id, at);
  const Node old = std::exchange(graph_.nodes[static_cast<size_t>(at)], std::move(made));
  for (const ValueId id : old.outputs)
    if (id != kNoValue) uses_.producer[index(id)] = Uses::kNone;
  for (const ValueId id : node(at).outputs)
    if (id != kNoValue) uses_.producer[index(id)] = at;
  for (const ValueId id : old.inputs)
    if (std::ranges::find(node(at).inputs, id) == node(at).inputs.end()) drop_reader(id, at);
}

void Matcher::make_constant(int32_t at, Tensor value) {
  const Node old = std::exchange(graph_.nodes[static_cast<size_t>(at)], Node());
  dead_[static_cast<size_t>(at)] = true;
  graph::ValueInfo& made = graph_.value(old.outputs[0]);
  made.type = graph::Type::tensor(value.dtype(), Shape(value.dims().begin(), value.dims().end()));
  made.constant = std::move(value);
  uses_.producer[index(old.outputs[0])] = Uses::kNone;
  for (const ValueId id : old.inputs) drop_reader(id, at);
}

void Matcher::set_input(int32_t at, size_t input, ValueId id) {
  Node& changed = graph_.nodes[static_cast<size_t>(at)];
  const ValueId before = std::exchange(changed.inputs[input], id);
  add_reader(id, at);
  if (std::ranges::find(changed.inputs, before) == changed.inputs.end()) drop_reader(before, at);
}

void Matcher::finish() {
  remove_nodes(graph_, dead_);
}

Result<int64_t> match_nodes(graph::Model& model, Graph& graph, const Options& options,
                            Result<bool> (*visit)(Matcher& matcher, int32_t at)) {
  Matcher matcher(model, graph, options);
  int64_t changes = 0;
  for (int32_t at = 0; at < matcher.size(); ++at) {
    if (matcher.dead(at)) continue;
    ASSIGN_OR_RETURN(const bool changed, visit(matcher, at));
    changes += changed ? 1 : 0;
  }
  matcher.finish();
  return changes;
}

Node internal_node(std::string_view op_type, std::string_view name, std::vector<ValueId> inputs, ValueId output) {
  Node made;
  made.name = name;
  made.domain = graph::kInternalDomain;
  made.op_type = op_type;
  while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
  made.inputs = std::move(inputs);
  made.outputs = {output};
  return made;
}

Result<std::optional<Tensor>> float_vector(const std::vector<double>& values) {
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(DType::F32, {static_cast<int64_t>(values.size())}));
  float* to = made.mutable_data<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    to[i] = static_cast<float>(values[i]);
    if (!std::isfinite(to[i])) return std::nullopt;
  }
  return made;
}

}  // namespace hearth::passes
