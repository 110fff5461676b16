// The conditions of If and Loop.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

// A tensor of one boolean as a bool.
Result<bool> read_condition(const Call& call, const Value& value);

}  // namespace hearth::operators
