#include "import/onnx/scope.h"

namespace hearth::import::onnx {

using graph::kNoValue;
using graph::ValueId;

Result<ValueId> Scope::declare(std::string_view name) {
  if (name.empty()) return fail(ErrorKind::Invalid, "[onnx] name of a value; got none, need one");
  TRY(check_text("name of a value", name, reading_.limits.max_name_bytes, "max_name_bytes"));
  const auto [at, added] = ids_.try_emplace(name, static_cast<ValueId>(graph_.values.size()));
  if (!added) return kNoValue;
  if (++reading_.values > reading_.limits.max_values)
    return fail(ErrorKind::Limit, "[onnx] max_values; got more, need at most {}", reading_.limits.max_values);
  graph_.values.emplace_back().name = name;
  return at->second;
}

ValueId Scope::find(std::string_view name) const {
  const auto at = ids_.find(name);
  return at != ids_.end() ? at->second : kNoValue;
}

Result<ValueId> Scope::resolve(std::string_view name) {
  if (const ValueId own = find(name); own != kNoValue || outer_ == nullptr) return own;
  ASSIGN_OR_RETURN(const ValueId outside, outer_->resolve(name));
  if (outside == kNoValue) return kNoValue;
  ASSIGN_OR_RETURN(const ValueId captured, declare(name));
  graph_.value(captured).captured = outside;
  // Without the shape: it may be long, and many subgraphs may capture one value. Inference copies it.
  const graph::Type& type = outer_->graph_.value(outside).type;
  graph_.value(captured).type = {.kind = type.kind, .dtype = type.dtype, .shape = std::nullopt, .inner = type.inner};
  return captured;
}

}  // namespace hearth::import::onnx
