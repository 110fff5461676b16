// Picking runs of elements by their places: what the Gather and Scatter operators come down to.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

// Indices (int32 or int64) as places along an axis of `size`, in [0, size - 1]: an I64 tensor of the same shape. An
// index out of range is an error that names it.
Result<Tensor> resolve_indices(Call& call, const Tensor& indices, int64_t size);

// For each element of `indices`, along `axis`, where it stands in a tensor of sizes `dims`: the other coordinates are
// the element's own. An I64 tensor of the indices' shape.
Result<Tensor> places_of_elements(Call& call, const Tensor& indices, const Dims& dims, int axis);

// For each tuple of the last dimension of `indices`, where the slice that it names begins in a tensor of sizes `dims`.
// The first `batch_dims` coordinates of a slice are the tuple's own. An I64 tensor of one dimension; `run` becomes the
// elements of a slice.
Result<Tensor> places_of_slices(Call& call, const Tensor& indices, const Dims& dims, int batch_dims, int64_t& run);

}  // namespace hearth::operators
