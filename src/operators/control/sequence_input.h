// Sequences as inputs.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

// Models may build sequences in loops: no longer ones than this.
inline constexpr size_t kMaxSequenceItems = size_t{1} << 24;

// Input i; Invalid when it is absent or something else.
Result<const Sequence*> sequence_input(const Call& call, int i);

}  // namespace hearth::operators
