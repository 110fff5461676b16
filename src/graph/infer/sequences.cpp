// Sequences and optionals.
#include <algorithm>

#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

// The element of a sequence or an optional, Unknown when nothing is known of it.
Type inner_of(const Type& type) {
  return type.inner != nullptr ? *type.inner : Type();
}

Result<> sequence_construct(InferContext& c) {
  Type element = c.input(0);
  for (size_t i = 1; i < c.input_count(); ++i) element = common_type(element, c.input(i));
  if (element.kind != TypeKind::Unknown) c.set_type(0, Type::sequence(std::move(element)));
  return {};
}

Result<> sequence_empty(InferContext& c) {
  ASSIGN_OR_RETURN(const auto dtype, c.dtype_attribute("dtype"));
  c.set_type(0, Type::sequence(Type::tensor(dtype.value_or(DType::F32))));
  return {};
}

Result<> sequence_at(InferContext& c) {
  if (c.input(0).inner != nullptr) c.set_type(0, *c.input(0).inner);
  return {};
}

Result<> sequence_insert(InferContext& c) {
  if (c.input(0).kind == TypeKind::Sequence && c.input(1).kind != TypeKind::Unknown)
    c.set_type(0, Type::sequence(common_type(inner_of(c.input(0)), c.input(1))));
  return {};
}

Result<> sequence_erase(InferContext& c) {
  if (c.input(0).kind == TypeKind::Sequence) c.set_type(0, c.input(0));
  return {};
}

Result<> scalar(InferContext& c) {
  c.set_shape(0, {});
  return {};
}

Result<> split_to_sequence(InferContext& c) {
  const Type& input = c.input(0);
  if (input.kind != TypeKind::Tensor) return {};
  Type element = input;
  if (const Shape* shape = c.shape(0)) {
    ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", 0), shape->size()));
    Shape part = *shape;
    if (!c.has(1)) {
      // One element each, its axis dropped unless it is to stay.
      if (c.node().int_or("keepdims", 1) != 0)
        part[axis] = 1;
      else
        part.erase(part.begin() + static_cast<std::ptrdiff_t>(axis));
    } else {
      part[axis] = Dimension();
      const auto parts = c.integers(1);
      const Shape* form = c.shape(1);
      if (parts && !parts->empty()) {
        const int64_t size = parts->front();
        if (std::ranges::any_of(*parts, [](int64_t one) { return one < 0; }) ||
            (form != nullptr && form->empty() && size == 0))
          return c.invalid("parts; got {}, need positive sizes", c.describe(1));
        const Dimension& whole = (*shape)[axis];
        const bool single = form != nullptr && form->empty();
        if (single ? whole.known() && whole.size % size == 0
                   : std::ranges::all_of(*parts, [size](int64_t one) { return one == size; }))
          part[axis] = size;
      }
    }
    element.shape = std::move(part);
  }
  c.set_type(0, Type::sequence(std::move(element)));
  return {};
}

Result<> concat_from_sequence(InferContext& c) {
  const Type element = inner_of(c.input(0));
  if (element.dtype) c.set_dtype(0, *element.dtype);
  if (!element.shape) return {};
  Shape result = *element.shape;
  const bool stack = c.node().int_or("new_axis", 0) != 0;
  ASSIGN_OR_RETURN(const size_t axis, c.axis(c.node().int_or("axis", 0), result.size() + (stack ? 1 : 0)));
  if (stack)
    result.insert(result.begin() + static_cast<std::ptrdiff_t>(axis), Dimension());
  else
    result[axis] = Dimension();
  c.set_shape(0, std::move(result));
  return {};
}

Result<> optional(InferContext& c) {
  if (c.has(0)) {
    if (c.input(0).kind != TypeKind::Unknown) c.set_type(0, Type::optional(c.input(0)));
    return {};
  }
  const Attribute* type = c.node().find("type");
  const Type* held = type != nullptr ? std::get_if<Type>(&type->data) : nullptr;
  if (held == nullptr) return c.invalid("an input or attribute 'type' is needed; got neither");
  c.set_type(0, Type::optional(*held));
  return {};
}

Result<> optional_get_element(InferContext& c) {
  const Type& input = c.input(0);
  if (input.kind == TypeKind::Optional) {
    if (input.inner != nullptr) c.set_type(0, *input.inner);
  } else if (input.kind != TypeKind::Unknown) {
    c.set_type(0, input);  // what is no optional is its own element
  }
  return {};
}

constexpr InferEntry kTable[] = {
    {"ConcatFromSequence", concat_from_sequence},
    {"Optional", optional},
    {"OptionalGetElement", optional_get_element},
    {"OptionalHasElement", scalar},
    {"SequenceAt", sequence_at},
    {"SequenceConstruct", sequence_construct},
    {"SequenceEmpty", sequence_empty},
    {"SequenceErase", sequence_erase},
    {"SequenceInsert", sequence_insert},
    {"SequenceLength", scalar},
    {"SplitToSequence", split_to_sequence},
};

}  // namespace

std::span<const InferEntry> sequence_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
