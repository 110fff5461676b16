// Cutting a tensor into parts along an axis: Split, SplitToSequence.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

// Copies positions [begin, begin + part.dim(axis)) of `tensor` along `axis` into `part`, which has the tensor's type
// and its sizes but along `axis`.
void copy_part(Call& call, const Tensor& tensor, int axis, int64_t begin, Tensor& part);

}  // namespace hearth::operators
