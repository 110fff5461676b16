#include "runtime/custom_output.h"

namespace hearth::runtime {

namespace {

bool fits(const graph::Type& type, const Tensor& tensor) {
  if (type.dtype && *type.dtype != tensor.dtype()) return false;
  if (!type.shape) return true;
  if (type.shape->size() != tensor.dims().size()) return false;
  for (size_t i = 0; i < type.shape->size(); ++i)
    if ((*type.shape)[i].known() && (*type.shape)[i].size != tensor.dims()[i]) return false;
  return true;
}

}  // namespace

Result<> check_custom_output(size_t index, const graph::ValueInfo& declared, const Value& made) {
  if (declared.type.kind != graph::TypeKind::Tensor) return {};
  const Tensor* tensor = made.tensor();
  if (tensor != nullptr && fits(declared.type, *tensor)) return {};
  return fail(ErrorKind::Invalid, "output {} ('{}'); got {}, need {}", index, declared.name,
              tensor != nullptr ? fmt::format("{}{}", to_string(tensor->dtype()), to_string(tensor->dims()))
              : made.empty()    ? "nothing"
                                : "no tensor",
              graph::to_string(declared.type));
}

}  // namespace hearth::runtime
