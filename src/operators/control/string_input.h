// Tensors of strings as inputs.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

// Input i; Invalid when it is absent or holds something else.
Result<const Tensor*> string_input(const Call& call, int i);

}  // namespace hearth::operators
