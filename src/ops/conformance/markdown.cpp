#include "ops/conformance/markdown.h"

#include <fmt/ranges.h>

#include "ops/conformance/op_case.h"

namespace hearth::ops::conformance {
namespace {

std::string types_text(const OpInfo& op, TypeSet types) {
  if (types == kSame0) return fmt::format("as `{}`", op.inputs[0].name);
  if (types == kWeight) return "any weight type";
  std::vector<std::string_view> names;
  for (int i = 0; i < kDTypeCount; ++i)
    if ((types & bit(static_cast<DType>(i))) != 0) names.push_back(to_string(static_cast<DType>(i)));
  return fmt::format("{}", fmt::join(names, ", "));
}

// In a table a bar ends the cell.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? "\\|" : std::string(1, c);
  return escaped;
}

void add_tensor(std::string& out, const OpInfo& op, const TensorInfo& t, std::string_view role) {
  out += fmt::format("| `{}` | {} | {} | `[{}]` |\n", t.name, role, types_text(op, t.types), cell(t.dims));
}

std::string attribute_text(const AttributeInfo& a) {
  if (a.choices.empty())
    return fmt::format("`{}` ({}, {})", a.name, a.is_float ? "float" : "int32",
                       a.is_float ? static_cast<double>(static_cast<float>(a.value)) : a.value);
  if (a.choices == kActivations) return fmt::format("`{}` (int32, 0; 0 none, else an activation below)", a.name);
  if (a.choices == kPointwiseSteps) return fmt::format("`{}` (int32, 0; a step below)", a.name);
  std::vector<std::string> words;
  for (int i = 0; !choice_word(a.choices, i).empty(); ++i)
    words.push_back(fmt::format("{} {}", i, choice_word(a.choices, i)));
  return fmt::format("`{}` (int32, 0; {})", a.name, fmt::join(words, ", "));
}

// The numbers that `step` and `activation` have.
void add_steps(std::string& out) {
  out +=
      "\n## Steps\n\n`v` is the value so far, `o` the operand, `a` and `b` the numbers of the step. NaN goes through "
      "every "
      "step.\n\n| step | activation | | |\n|---|---|---|---|\n";
  const auto add = [&](std::string_view name, std::string_view formula) {
    const int32_t activation = choice_number(kActivations, name);
    out += fmt::format("| {} | {} | {} | `{}` |\n", choice_number(kPointwiseSteps, name),
                       activation < 0 ? "" : fmt::format("{}", activation), name, cell(formula));
  };
#define HEARTH_POINTWISE_OPERAND(Name, name, formula) add(#name, formula);
#define HEARTH_POINTWISE(Name, name, numbers, formula) add(#name, formula);
#include "ops/pointwise.inc"
}

void add_op(std::string& out, const OpInfo& op) {
  out += fmt::format("\n## {}\n\n{}\n\n| tensor | | types | dimensions |\n|---|---|---|---|\n", op.name, op.doc);
  for (const TensorInfo& t : op.inputs) add_tensor(out, op, t, t.optional ? "input, may be absent" : "input");
  for (const TensorInfo& t : op.outputs) add_tensor(out, op, t, t.in_out ? "in and out" : "output");
  out += '\n';
  if (!op.attributes.empty()) {
    std::vector<std::string> attributes;
    for (const AttributeInfo& a : op.attributes) attributes.push_back(attribute_text(a));
    out += fmt::format("Attributes (type, default): {}.\n", fmt::join(attributes, ", "));
  }
  if (op.tolerance_f32 == 0)
    out += "Tolerance: equal to the bit.\n";
  else if (op.tolerance_f32 == op.tolerance_bf16)  // all its tensors are f32
    out += fmt::format("Tolerance: {}.\n", op.tolerance_f32);
  else
    out += fmt::format("Tolerance: {} in f32, {} in 16-bit types.\n", op.tolerance_f32, op.tolerance_bf16);
  std::vector<std::string> cases, parameters;
  for (const NamedCase& c : cases_of(op.op).cases) cases.push_back(fmt::format("`{}`", c.name));
  for (const Parameter& p : cases_of(op.op).defaults) parameters.push_back(fmt::format("`{}`", p.name));
  out +=
      fmt::format("Cases: {}. Parameters: {}, `row_padding`.\n", fmt::join(cases, ", "), fmt::join(parameters, ", "));
}

}  // namespace

std::string inventory_markdown() {
  std::string out =
      "# Ops\n\n"
      "Made from `src/ops/ops.inc` by `op_protocol_tests --markdown`; a test holds it up to date.\n\n"
      "One letter in a dimension list is one size over all tensors of a call; `n2` is twice `n`, `s1` one more than "
      "`s`, `h?`\nmay be left out and is 1 then, `n|1` is n or 1, for all n.\n"
      "A call that breaks types or dimensions is refused before a kernel sees it. Rows of the first dimension may be\n"
      "strided, what lies within a row is dense; with a comma, as in `b h w, c`, the dimensions before it may be.\n"
      "Tolerances are against `ref`: |got - want| <= tolerance * (1 + "
      "|want|).\n";
  std::vector<std::string_view> weights;
  for (int i = 0; i < kDTypeCount; ++i)
    if ((kWeight & bit(static_cast<DType>(i))) != 0) weights.push_back(to_string(static_cast<DType>(i)));
  out += fmt::format("Weight types: {}.\n", fmt::join(weights, ", "));
  for (const OpInfo& op : inventory()) add_op(out, op);
  add_steps(out);
  return out;
}

}  // namespace hearth::ops::conformance
