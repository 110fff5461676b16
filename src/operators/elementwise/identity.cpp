#include "operators/elementwise/kernels.h"

namespace hearth::operators::elementwise {

Result<> identity(Call& call) {
  if (call.input_count() < 1) return call.invalid("input 0 is absent; it is required");
  call.set_output(0, call.has(0) ? call.value(0) : Value());  // since opset 16 also sequences and optionals
  return {};
}

}  // namespace hearth::operators::elementwise
