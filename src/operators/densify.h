// Sparse tensors as dense ones.
#pragma once

#include "graph/graph.h"
#include "tensor/value.h"

namespace hearth::operators {

// Zeros (empty strings) with the values at their places. Invalid when the indices do not fit the values or the sizes.
Result<Tensor> densify(const graph::SparseTensor& sparse, TensorMemory& memory);

}  // namespace hearth::operators
