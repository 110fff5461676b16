// Stacking samples along their first dimension, and taking them apart again.
#pragma once

#include "pyflame_rt/core/tensor.hpp"

namespace pyflame_rt {

// Tensors of one type whose sizes agree but for the first; InvalidArgument otherwise (names `what`).
Tensor stack(const std::vector<const Tensor*>& parts, const std::string& what);
// Parts with these first sizes, in order. Their sum is the tensor's first size, else InvalidArgument.
std::vector<Tensor> unstack(const Tensor& whole, const std::vector<int64_t>& first_sizes, const std::string& what);

}  // namespace pyflame_rt
