#include "graph/infer/context.h"

#include <algorithm>

#include "graph/label.h"

namespace hearth::graph::infer {

const Type& InferContext::input(size_t i) const {
  static const Type kUnknown;
  return i < inputs_.size() ? inputs_[i].type : kUnknown;
}

const Shape* InferContext::shape(size_t i) const {
  const Type& type = input(i);
  return type.kind == TypeKind::Tensor && type.shape ? &*type.shape : nullptr;
}

const KnownValue* InferContext::known(size_t i) const {
  return i < inputs_.size() ? inputs_[i].known : nullptr;
}

const Tensor* InferContext::constant(size_t i) const {
  return i < inputs_.size() ? inputs_[i].constant : nullptr;
}

std::optional<std::vector<int64_t>> InferContext::integers(size_t i) const {
  const KnownValue* value = known(i);
  return value != nullptr && !value->is_float() ? value->integers() : std::nullopt;
}

std::optional<int64_t> InferContext::integer(size_t i) const {
  const auto all = integers(i);
  return all && all->size() == 1 ? std::optional(all->front()) : std::nullopt;
}

Result<std::optional<Shape>> InferContext::sizes(size_t i) const {
  if (const KnownValue* value = known(i); value != nullptr && value->dims.size() <= 1) {
    Shape made;
    for (const Element& element : value->elements) {
      if (const auto* size = std::get_if<int64_t>(&element); size != nullptr && *size < 0)
        return invalid("size in input {}; got {}, need at least 0", describe(i), *size);
      made.push_back(size_of(element));
    }
    return made;
  }
  const Shape* own = shape(i);
  if (own == nullptr || own->size() != 1 || !(*own)[0].known() || (*own)[0].size > kMaxKnownElements)
    return std::nullopt;
  return unknown_shape(static_cast<size_t>((*own)[0].size));
}

void InferContext::set_type(size_t i, Type type) {
  if (i < outputs_.size()) outputs_[i].type = std::move(type);
}

void InferContext::set_dtype(size_t i, DType dtype) {
  if (i >= outputs_.size()) return;
  outputs_[i].type.kind = TypeKind::Tensor;
  outputs_[i].type.dtype = dtype;
}

void InferContext::set_shape(size_t i, Shape shape) {
  if (i >= outputs_.size()) return;
  outputs_[i].type.kind = TypeKind::Tensor;
  outputs_[i].type.shape = std::move(shape);
}

void InferContext::set_known(size_t i, KnownValue value) {
  // An empty tensor of several dimensions tells nothing worth the care that its other sizes need.
  if (value.elements.empty() && value.dims.size() > 1) return;
  if (i < outputs_.size() && value.any_known()) outputs_[i].known = std::move(value);
}

void InferContext::same_shape(size_t from, size_t to) {
  if (const Shape* known = shape(from)) set_shape(to, *known);
}

Result<size_t> InferContext::axis(int64_t given, size_t rank, std::string_view name) const {
  const auto count = static_cast<int64_t>(rank);
  if (given < -count || given >= count)
    return invalid("{}; got {}, need {}..{} for {} dimensions", name, given, -count, count - 1, count);
  return static_cast<size_t>(given < 0 ? given + count : given);
}

Result<std::vector<size_t>> InferContext::axes(std::span<const int64_t> given, size_t rank) const {
  std::vector<size_t> all;
  for (const int64_t one : given) {
    ASSIGN_OR_RETURN(const size_t place, axis(one, rank, "axes"));
    if (std::ranges::find(all, place) != all.end()) return invalid("axes; got {} twice", one);
    all.push_back(place);
  }
  return all;
}

Result<> InferContext::need_rank(size_t i, size_t rank) const {
  const Shape* known = shape(i);
  if (known == nullptr || known->size() == rank) return {};
  return invalid("dimensions of input {}; need {}", describe(i), rank);
}

Result<std::optional<DType>> InferContext::dtype_attribute(std::string_view name) const {
  if (!node_->has(name)) return std::nullopt;
  const int64_t number = node_->int_or(name, 0);
  const auto dtype = dtype_from_onnx(number);
  if (!dtype) return invalid("attribute '{}'; got {}, need the number of an element type", name, number);
  return dtype;
}

std::string InferContext::describe(size_t i) const {
  return fmt::format("{} {}", label(node_->inputs[i], *graph_), to_string(input(i)));
}

std::string InferContext::describe_inputs() const {
  std::string text;
  for (size_t i = 0; i < inputs_.size() && i < 8; ++i)
    if (has(i)) text += fmt::format("{}{}", text.empty() ? "" : i + 1 == inputs_.size() ? " and " : ", ", describe(i));
  return inputs_.size() > 8 ? text + " …" : text;
}

}  // namespace hearth::graph::infer
