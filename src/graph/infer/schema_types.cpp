#include "graph/infer/schema_types.h"

#include <algorithm>

namespace hearth::graph::infer {

namespace {

// kind(inside) → inside
std::optional<std::string_view> inside(std::string_view text, std::string_view kind) {
  if (!text.starts_with(kind) || !text.substr(kind.size()).starts_with('(') || !text.ends_with(')'))
    return std::nullopt;
  return text.substr(kind.size() + 1, text.size() - kind.size() - 2);
}

Type without_shapes(Type type) {
  type.shape.reset();
  if (type.inner != nullptr) type.inner = std::make_shared<const Type>(without_shapes(*type.inner));
  return type;
}

const ParameterSchema* parameter_of(std::span<const ParameterSchema> parameters, size_t i) {
  return parameters.empty() ? nullptr : &parameters[std::min(i, parameters.size() - 1)];
}
bool is_bound(const ParameterSchema& parameter) {
  return parameter.occurrence != Occurrence::Variadic || parameter.homogeneous;
}

}  // namespace

Type parse_ort_type(std::string_view text) {
  if (const auto element = inside(text, "tensor")) {
    const auto dtype = parse_onnx_name(*element);
    return dtype ? Type::tensor(*dtype) : Type();
  }
  if (const auto element = inside(text, "seq")) return Type::sequence(parse_ort_type(*element));
  if (const auto element = inside(text, "optional")) return Type::optional(parse_ort_type(*element));
  if (const auto both = inside(text, "map")) {
    const size_t comma = both->find(',');
    if (comma == std::string_view::npos) return {};
    Type type;
    type.kind = TypeKind::Map;
    type.dtype = parse_onnx_name(both->substr(0, comma));
    type.inner = std::make_shared<const Type>(parse_ort_type(both->substr(comma + 1)));
    return type;
  }
  return {};
}

Type output_type(const OperatorSchema& schema, size_t i, const std::function<const Type&(size_t)>& input,
                 size_t input_count) {
  const ParameterSchema* output = parameter_of(schema.outputs, i);
  if (output == nullptr || !is_bound(*output)) return {};
  const auto constraint = std::ranges::find(schema.constraints, output->types, &TypeConstraint::name);
  if (constraint == schema.constraints.end()) return parse_ort_type(output->types);
  if (constraint->allowed.size() == 1) return parse_ort_type(constraint->allowed[0]);
  for (size_t k = 0; k < input_count; ++k) {
    const ParameterSchema* parameter = parameter_of(schema.inputs, k);
    if (parameter == nullptr || parameter->types != output->types || !is_bound(*parameter)) continue;
    if (input(k).kind != TypeKind::Unknown) return without_shapes(input(k));
  }
  // Which element type is open, but all that are allowed may be of one kind.
  const Type first = parse_ort_type(constraint->allowed[0]);
  const bool tensors =
      std::ranges::all_of(constraint->allowed, [](std::string_view one) { return one.starts_with("tensor("); });
  if (!tensors) return {};
  Type open;
  open.kind = first.kind;
  return open;
}

}  // namespace hearth::graph::infer
