#include "graph/verify_node.h"

#include <algorithm>
#include <climits>

#include "base/nearest_word.h"
#include "graph/attribute_type.h"
#include "graph/label.h"
#include "graph/schema.h"

namespace hearth::graph {

namespace {

template <class... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorKind::Invalid, text, std::forward<Args>(args)...);
}

std::string_view canonical(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}
std::string shown_domain(std::string_view domain) {
  return canonical(domain).empty() ? "ai.onnx" : std::string(domain);
}

constexpr std::string_view kDomains[] = {"ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training"};

// "ai.onnx 1 to 27, ai.onnx.ml 1 to 5 …"
std::string supported_opsets() {
  std::string text;
  for (const std::string_view domain : kDomains)
    text += fmt::format("{}{} 1 to {}", text.empty() ? "" : ", ", domain, newest_opset(domain));
  return text;
}

int64_t opset_of(const NodeContext& context, std::string_view domain) {
  if (context.function == nullptr) return context.model.opset(domain);
  for (const auto& [name, version] : context.function->opsets)
    if (canonical(name) == canonical(domain)) return version;
  return 0;
}

// What is wrong with an operator that has no schema: its domain, its opset or its name.
std::unexpected<Error> unknown_operator(const Node& node, int64_t opset) {
  if (!known_domain(node.domain))
    return fail(ErrorKind::Unsupported,
                "operator of an unknown domain {}{}; supported: {}, and registered custom operators",
                quoted_name(node.domain), suggestion(node.domain, kDomains), supported_opsets());
  std::vector<std::string_view> names;  // of the domain, in this opset
  int first = 0;
  std::string_view elsewhere;
  for (const OperatorSchema& schema : all_schemas()) {
    const bool here = schema.domain == canonical(node.domain);
    if (here && schema.since_version <= opset && (names.empty() || names.back() != schema.name))
      names.push_back(schema.name);
    if (schema.name == node.op_type && here && first == 0) first = schema.since_version;
    if (schema.name == node.op_type && !here) elsewhere = schema.domain;
  }
  if (first > 0)
    return fail(ErrorKind::Unsupported, "operator is new in opset {} of {}; got opset {}", first,
                shown_domain(node.domain), opset);
  std::string hint = suggestion(node.op_type, names);
  if (known_domain(elsewhere) && (!elsewhere.empty() || find_schema("", node.op_type, newest_opset("")) != nullptr))
    hint = fmt::format("; {} has one of this name", shown_domain(elsewhere));
  return fail(ErrorKind::Unsupported, "unknown operator; opset {} of {} has {} operators{}; supported: {}", opset,
              shown_domain(node.domain), names.size(), hint, supported_opsets());
}

Result<> check_held(const Attribute& attribute) {
  const bool hollow = std::visit(
      [](const auto& data) {
        using Held = std::decay_t<decltype(data)>;
        if constexpr (std::is_same_v<Held, Tensor> || std::is_same_v<Held, std::unique_ptr<Graph>>)
          return !data;
        else if constexpr (std::is_same_v<Held, SparseTensor>)
          return !data.values || !data.indices;
        else if constexpr (std::is_same_v<Held, std::vector<Tensor>> ||
                           std::is_same_v<Held, std::vector<std::unique_ptr<Graph>>>)
          return std::ranges::any_of(data, [](const auto& one) { return !one; });
        else
          return false;
      },
      attribute.data);
  if (hollow && attribute.reference.empty()) return invalid("attribute {} holds nothing", quoted_name(attribute.name));
  return {};
}

Result<> check_attributes(const NodeContext& context, const Node& node) {
  std::vector<std::string_view> names;
  for (const Attribute& attribute : node.attributes) names.push_back(attribute.name);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
    return invalid("attribute {}; got it twice", quoted_name(*twice));
  for (const Attribute& attribute : node.attributes) {
    TRY(check_held(attribute));
    if (attribute.reference.empty()) continue;
    if (context.function == nullptr)
      return invalid("attribute {} refers to {} of a function; got it outside of one", quoted_name(attribute.name),
                     quoted_name(attribute.reference));
    const Function& function = *context.function;
    if (std::ranges::find(function.attributes, attribute.reference) == function.attributes.end() &&
        std::ranges::find(function.defaults, attribute.reference, &Attribute::name) == function.defaults.end())
      return invalid("attribute {} refers to {}, which the function does not have", quoted_name(attribute.name),
                     quoted_name(attribute.reference));
  }
  return {};
}

Result<> check_schema_attributes(const Node& node, const OperatorSchema& schema) {
  for (const Attribute& attribute : node.attributes) {
    if (attribute.name.starts_with("__")) continue;  // an exporter's own note, by convention
    const auto at = std::ranges::find(schema.attributes, attribute.name, &AttributeSchema::name);
    if (at == schema.attributes.end()) {
      std::vector<std::string_view> names;
      for (const AttributeSchema& known : schema.attributes) names.push_back(known.name);
      if (names.empty()) return invalid("attribute {}; need none", quoted_name(attribute.name));
      return invalid("unknown attribute {}{}; need one of {}", quoted_name(attribute.name),
                     suggestion(attribute.name, names), fmt::join(names, ", "));
    }
    if (type_of(attribute.data) != at->type)
      return invalid("attribute {}; got {}, need {}", quoted_name(attribute.name), to_string(type_of(attribute.data)),
                     to_string(at->type));
  }
  for (const AttributeSchema& known : schema.attributes)
    if (known.required && !node.has(known.name))
      return invalid("attribute '{}' is missing; it is required", known.name);
  return {};
}

std::string count_text(int least, int most) {
  if (most == INT_MAX) return fmt::format("at least {}", least);
  return least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
}

// The parameter that the i-th input or output belongs to: the last one takes all that is left.
const ParameterSchema& parameter_of(std::span<const ParameterSchema> parameters, size_t i) {
  return parameters[std::min(i, parameters.size() - 1)];
}

Result<> check_counts(const Node& node, const OperatorSchema& schema) {
  const auto check = [](const char* what, size_t got, int least, int most) -> Result<> {
    if (got >= static_cast<size_t>(least) && got <= static_cast<size_t>(most)) return {};
    return invalid("{}; got {}, need {}", what, got, count_text(least, most));
  };
  TRY(check("inputs", node.inputs.size(), schema.min_inputs, schema.max_inputs));
  TRY(check("outputs", node.outputs.size(), schema.min_outputs, schema.max_outputs));
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ParameterSchema& parameter = parameter_of(schema.inputs, i);
    if (node.inputs[i] == kNoValue && parameter.occurrence == Occurrence::Required)
      return invalid("input {} ({}) is absent; it is required", i, parameter.name);
  }
  return {};
}

bool is_complete(const Type& type) {
  switch (type.kind) {
    case TypeKind::Unknown:
      return false;
    case TypeKind::Tensor:
    case TypeKind::SparseTensor:
      return type.dtype.has_value();
    case TypeKind::Sequence:
    case TypeKind::Optional:
      return type.inner != nullptr && is_complete(*type.inner);
    case TypeKind::Map:
      return type.dtype.has_value() && type.inner != nullptr && is_complete(*type.inner);
  }
  return false;
}

// What a constraint stands for in this node, and the value that said so.
struct Binding {
  std::string_view constraint;
  std::string type;
  std::string source;
};

Result<> check_type(const Graph& graph, const OperatorSchema& schema, const ParameterSchema& parameter, ValueId id,
                    const std::string& where, std::vector<Binding>& bindings) {
  const ValueInfo& value = graph.value(id);
  const Type type = value.constant || value.sparse_constant ? constant_type(value) : value.type;
  if (!is_complete(type)) return {};
  const std::string got = ort_type_string(type);
  const auto constraint = std::ranges::find(schema.constraints, parameter.types, &TypeConstraint::name);
  if (constraint == schema.constraints.end()) {
    if (got == parameter.types) return {};
    return invalid("{} {}: type; got {}, need {}", where, label(id, graph), got, parameter.types);
  }
  if (std::ranges::find(constraint->allowed, got) == constraint->allowed.end())
    return invalid("{} {}: type; got {}, need one of {}", where, label(id, graph), got,
                   fmt::join(constraint->allowed, ", "));
  if (parameter.occurrence == Occurrence::Variadic && !parameter.homogeneous) return {};
  const auto bound = std::ranges::find(bindings, parameter.types, &Binding::constraint);
  if (bound == bindings.end())
    bindings.push_back({parameter.types, got, fmt::format("{} {}", where, label(id, graph))});
  else if (bound->type != got)
    return invalid("{} {}: type; got {}, need {} as {} has", where, label(id, graph), got, bound->type, bound->source);
  return {};
}

Result<> check_call(const Node& node, const Function& function) {
  const size_t inputs = function.body.inputs.size(), outputs = function.body.outputs.size();
  if (node.inputs.size() > inputs) return invalid("inputs; got {}, need at most {}", node.inputs.size(), inputs);
  if (node.outputs.size() > outputs) return invalid("outputs; got {}, need at most {}", node.outputs.size(), outputs);
  for (const Attribute& attribute : node.attributes) {
    std::vector<std::string_view> names(function.attributes.begin(), function.attributes.end());
    for (const Attribute& known : function.defaults) names.push_back(known.name);
    if (std::ranges::find(names, attribute.name) == names.end())
      return invalid("unknown attribute {}{}; the function has {}", quoted_name(attribute.name),
                     suggestion(attribute.name, names),
                     names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  }
  return {};
}

}  // namespace

Type constant_type(const ValueInfo& value) {
  const Tensor& elements = value.sparse_constant ? value.sparse_constant->values : value.constant;
  const Dims& dims = value.sparse_constant ? value.sparse_constant->dims : value.constant.dims();
  Type type = Type::tensor(elements.dtype(), Shape(dims.begin(), dims.end()));
  return type;
}

Result<> verify_types(const Graph& graph, const Node& node, const OperatorSchema& schema) {
  std::vector<Binding> bindings;
  const auto each = [&](const char* what, const std::vector<ValueId>& ids,
                        std::span<const ParameterSchema> parameters) -> Result<> {
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == kNoValue) continue;
      const ParameterSchema& parameter = parameter_of(parameters, i);
      TRY(check_type(graph, schema, parameter, ids[i], fmt::format("{} {} ({})", what, i, parameter.name), bindings));
    }
    return {};
  };
  TRY(each("input", node.inputs, schema.inputs));
  return each("output", node.outputs, schema.outputs);
}

Result<> verify_node(const NodeContext& context, const Node& node) {
  TRY(check_attributes(context, node));
  if (const auto at = context.functions.find({canonical(node.domain), node.op_type, node.overload});
      at != context.functions.end())
    return check_call(node, *at->second);
  if (context.options.custom && context.options.custom(node.domain, node.op_type)) return {};
  const int64_t opset = opset_of(context, node.domain);
  if (opset == 0 && known_domain(node.domain))
    return invalid("opset of {} is not imported; need one of 1 to {}", shown_domain(node.domain),
                   newest_opset(node.domain));
  const OperatorSchema* schema = find_schema(node.domain, node.op_type, opset);
  if (schema == nullptr) return unknown_operator(node, opset);
  if (!node.overload.empty())
    return invalid("overload {} of an operator; only functions of the model have overloads",
                   quoted_name(node.overload));
  TRY(check_counts(node, *schema));
  TRY(check_schema_attributes(node, *schema));
  if (context.options.types) TRY(verify_types(context.graph, node, *schema));
  return {};
}

}  // namespace hearth::graph
