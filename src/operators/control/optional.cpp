// An optional is its element, or an empty value.
#include "operators/control/control_kernels.h"

namespace hearth::operators {

Result<> run_optional(Call& call) {
  if (!call.has(0) && !call.node().has("type"))
    return call.invalid("input and attribute type; got neither, need one of them");
  call.set_output(0, call.has(0) ? call.value(0) : Value());
  return {};
}

Result<> run_optional_get_element(Call& call) {
  if (!call.has(0)) return call.invalid("input; got an empty optional, need one with an element");
  call.set_output(0, call.value(0));
  return {};
}

Result<> run_optional_has_element(Call& call) {
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::Bool, {}));
  *output->mutable_data<bool>() = call.has(0);
  return {};
}

}  // namespace hearth::operators
