// Joining tensors along an axis: Concat, ConcatFromSequence.
#pragma once

#include <span>

#include "operators/kernel.h"

namespace hearth::operators {

// Output `index` becomes the tensors (at least one, of one type; sizes equal but along `axis`) one after the other.
// `axis` may be negative.
Result<> concatenate(Call& call, int index, std::span<const Tensor* const> tensors, int64_t axis);

}  // namespace hearth::operators
