// Operators that run graphs of their own.
#include <algorithm>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

// Below this many loops within each other a body is inferred a second and third time, to tell what stays the same from
// one iteration to the next; each level multiplies the work.
constexpr int kMaxRefinedDepth = 4;

Result<> if_else(InferContext& c) {
  const auto condition = c.integer(0);
  std::optional<std::vector<ValueFacts>> all;
  for (const std::string_view branch : {"then_branch", "else_branch"}) {
    // A branch that is never taken may contradict what is known: exporters write such models.
    if (condition && (*condition != 0) != (branch == "then_branch")) continue;
    ASSIGN_OR_RETURN(auto made, c.run_graph(branch, {}));
    if (made.size() != c.output_count())
      return c.invalid("outputs of '{}'; got {}, need {}", branch, made.size(), c.output_count());
    if (!all) {
      all = std::move(made);
      continue;
    }
    for (size_t i = 0; i < made.size(); ++i) {
      const Type &a = (*all)[i].type, &b = made[i].type;
      if (a.kind != TypeKind::Unknown && b.kind != TypeKind::Unknown &&
          (a.kind != b.kind || (a.dtype && b.dtype && a.dtype != b.dtype)))
        return c.invalid("output {} of the branches differs; got {} and {}", i, to_string(a), to_string(b));
      (*all)[i].type = common_type(a, b);
      (*all)[i].known = nullptr;
    }
  }
  for (size_t i = 0; i < all->size(); ++i) {
    if ((*all)[i].type.kind != TypeKind::Unknown) c.set_type(i, (*all)[i].type);
    if ((*all)[i].known != nullptr) c.set_known(i, *(*all)[i].known);
  }
  return {};
}

// A type without its sizes: what an iteration cannot change.
Type without_shape(Type type) {
  type.shape.reset();
  if (type.inner != nullptr) type.inner = std::make_shared<const Type>(without_shape(*type.inner));
  return type;
}

// A state may begin as an optional and go on as what is in it.
bool unwraps(const Type& before, const Type& after) {
  return before.kind == TypeKind::Optional && before.inner != nullptr && before.inner->kind == after.kind;
}

// Runs a body until its first `count` states come out as they went in: `inputs` holds them at `first`. What an
// iteration changes is forgotten. Leaves in `inputs` what holds before every iteration.
Result<std::vector<ValueFacts>> run_states(InferContext& c, std::string_view body, std::vector<ValueFacts>& inputs,
                                           size_t first, size_t count, size_t first_output) {
  for (size_t i = 0; i < count; ++i) inputs[first + i].known = nullptr;
  if (c.depth() >= kMaxRefinedDepth)
    for (size_t i = 0; i < count; ++i) inputs[first + i].type = without_shape(inputs[first + i].type);
  for (;;) {
    ASSIGN_OR_RETURN(auto made, c.run_graph(body, inputs));
    if (made.size() < first_output + count)
      return c.invalid("outputs of '{}'; got {}, need at least {}", body, made.size(), first_output + count);
    bool stable = true;
    for (size_t i = 0; i < count; ++i) {
      const Type &before = inputs[first + i].type, &after = made[first_output + i].type;
      if (before.kind == TypeKind::Unknown || after.kind == TypeKind::Unknown || unwraps(before, after)) continue;
      // A state may come as an optional and stay as what it holds.
      if (before.kind == TypeKind::Optional && before.inner != nullptr && before.inner->kind == after.kind) continue;
      if (before.kind != after.kind || (before.dtype && after.dtype && before.dtype != after.dtype))
        return c.invalid("state {} changes its type; got {} and then {}", i, to_string(before), to_string(after));
      Type common = common_type(before, after);
      if (common == before || c.depth() >= kMaxRefinedDepth) continue;
      inputs[first + i].type = std::move(common);
      stable = false;
    }
    // Every round forgets a size or a rank: there are few of them.
    if (stable) return made;
    c.forget_graph(body);
  }
}

Result<> loop(InferContext& c) {
  const size_t states = c.input_count() >= 2 ? c.input_count() - 2 : 0;
  if (c.output_count() < states) return c.invalid("outputs; got {}, need at least {}", c.output_count(), states);
  static const KnownValue kTrue{DType::Bool, {}, {int64_t{1}}};
  std::vector<ValueFacts> inputs(states + 2);
  inputs[0].type = Type::tensor(DType::I64, Shape());
  inputs[1].type = Type::tensor(DType::Bool, Shape());
  inputs[1].known = &kTrue;  // or the body would not run
  for (size_t i = 0; i < states; ++i) inputs[i + 2].type = c.input(i + 2);
  ASSIGN_OR_RETURN(const auto made, run_states(c, "body", inputs, 2, states, 1));
  if (made.size() != c.output_count() + 1)
    return c.invalid("outputs of 'body'; got {}, need {}", made.size(), c.output_count() + 1);

  // The number of rounds is known when only the trip count ends them.
  Dimension rounds;
  const bool goes_on = made[0].known != nullptr && made[0].known->integers() == std::vector<int64_t>{1};
  const auto trips = c.integer(0), condition = c.integer(1);
  if (condition == 0)
    rounds = 0;
  else if (trips && (goes_on || *trips <= 0) && (!c.has(1) || condition))
    rounds = std::max<int64_t>(*trips, 0);
  for (size_t i = 0; i < c.output_count(); ++i) {
    const Type& type = made[i + 1].type;
    if (i < states) {
      const Type& before = inputs[i + 2].type;
      const bool alone = type.kind == TypeKind::Unknown || before.kind == TypeKind::Unknown || unwraps(before, type);
      c.set_type(i, alone ? type : common_type(before, type));
      continue;
    }
    if (type.kind != TypeKind::Tensor && type.kind != TypeKind::Unknown)
      return c.invalid("output {} of 'body' is collected; got {}, need a tensor", i + 1, to_string(type));
    if (type.dtype) c.set_dtype(i, *type.dtype);
    if (!type.shape) continue;
    Shape collected = *type.shape;
    collected.insert(collected.begin(), rounds);
    c.set_shape(i, std::move(collected));
  }
  return {};
}

// Where a scan cuts its inputs and joins its outputs.
Result<std::vector<size_t>> scan_axes(const InferContext& c, std::string_view name,
                                      std::span<const Shape* const> shapes, size_t extra) {
  const auto given = c.node().ints(name);
  std::vector<size_t> axes(shapes.size(), 0);
  if (given.empty()) return axes;
  if (given.size() != shapes.size())
    return c.invalid("attribute '{}'; got {} axes, need {}", name, given.size(), shapes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    if (shapes[i] == nullptr) continue;
    ASSIGN_OR_RETURN(axes[i], c.axis(given[i], shapes[i]->size() + extra, name));
  }
  return axes;
}

void insert_at(Shape& shape, size_t axis, Dimension size) {
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), std::move(size));
}
void erase_at(Shape& shape, size_t axis) {
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
}

// Until opset 8 a scan had a batch: its first input are the lengths, every value begins with the batch, and scanned
// ones go on with the sequence.
Result<> scan(InferContext& c) {
  const bool batched = c.opset() < 9;
  const size_t first = batched ? 1 : 0, lead = batched ? 1 : 0;
  const int64_t scanned = c.node().int_or("num_scan_inputs", 0);
  if (scanned < 1 || static_cast<size_t>(scanned) + first > c.input_count())
    return c.invalid("attribute 'num_scan_inputs'; got {} for {} inputs", scanned, c.input_count());
  const size_t cut = static_cast<size_t>(scanned), states = c.input_count() - first - cut;
  if (c.output_count() < states) return c.invalid("outputs; got {}, need at least {}", c.output_count(), states);

  std::vector<const Shape*> shapes;
  for (size_t i = 0; i < cut; ++i) shapes.push_back(c.shape(first + states + i));
  ASSIGN_OR_RETURN(auto axes, scan_axes(c, "scan_input_axes", shapes, 0));
  Dimension batch, steps;
  std::vector<ValueFacts> inputs(states + cut);
  const auto take = [&](Shape& shape, size_t axis, Dimension& size) -> Result<> {
    if (axis >= shape.size()) return c.invalid("dimensions of scanned inputs; got {}", c.describe_inputs());
    auto same = same_size(size, shape[axis]);
    if (!same) return c.invalid("sizes of scanned inputs differ; got {}", c.describe_inputs());
    size = std::move(*same);
    erase_at(shape, axis);
    return {};
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i].type = c.input(first + i);
    if (!inputs[i].type.shape) continue;
    Shape& shape = *inputs[i].type.shape;
    if (i >= states) TRY(take(shape, batched ? 1 : axes[i - states], steps));
    if (batched) TRY(take(shape, 0, batch));
  }
  ASSIGN_OR_RETURN(const auto made, run_states(c, "body", inputs, 0, states, 0));
  if (made.size() != c.output_count())
    return c.invalid("outputs of 'body'; got {}, need {}", made.size(), c.output_count());

  std::vector<const Shape*> elements;
  for (size_t i = states; i < made.size(); ++i) elements.push_back(made[i].type.shape ? &*made[i].type.shape : nullptr);
  ASSIGN_OR_RETURN(axes, scan_axes(c, "scan_output_axes", elements, 1));
  for (size_t i = 0; i < made.size(); ++i) {
    Type type = i < states ? common_type(inputs[i].type, made[i].type) : made[i].type;
    if (type.shape && i >= states) insert_at(*type.shape, axes[i - states], steps);
    if (type.shape && lead > 0) insert_at(*type.shape, 0, batch);
    if (type.kind != TypeKind::Unknown) c.set_type(i, std::move(type));
  }
  return {};
}

Result<> sequence_map(InferContext& c) {
  std::vector<ValueFacts> inputs(c.input_count());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Type& given = c.input(i);
    if (given.kind != TypeKind::Sequence)
      inputs[i].type = given;
    else if (given.inner != nullptr)
      inputs[i].type = *given.inner;
  }
  ASSIGN_OR_RETURN(const auto made, c.run_graph("body", inputs));
  if (made.size() != c.output_count())
    return c.invalid("outputs of 'body'; got {}, need {}", made.size(), c.output_count());
  for (size_t i = 0; i < made.size(); ++i) c.set_type(i, Type::sequence(made[i].type));
  return {};
}

constexpr InferEntry kTable[] = {
    {"If", if_else},
    {"Loop", loop},
    {"Scan", scan},
    {"SequenceMap", sequence_map},
};

}  // namespace

std::span<const InferEntry> control_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
