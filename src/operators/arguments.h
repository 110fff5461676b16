// Numbers that a call is given, beside those of axes.h. Checked here once, with the words of the error.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "operators/axes.h"
#include "operators/kernel.h"

namespace hearth::operators {

// Input i, of one element of any numeric type, as a double.
Result<double> read_number(const Call& call, int i);

// Several axes, in their order, none twice; negative ones counted from the end.
Result<std::vector<int>> resolve_axes(const Call& call, std::span<const int64_t> axes, int rank);

// An index in [-size, size - 1] as one in [0, size - 1].
Result<int64_t> resolve_index(const Call& call, int64_t index, int64_t size);

// A size computed from a model's numbers: an error when it does not fit.
Result<int64_t> multiply_sizes(const Call& call, int64_t a, int64_t b);
Result<int64_t> add_sizes(const Call& call, int64_t a, int64_t b);
// Sizes as dimensions: none negative, no more than a tensor may have.
Result<Dims> to_dims(const Call& call, std::span<const int64_t> sizes);

// The element type an integer attribute names, as ONNX numbers them.
Result<DType> read_dtype(const Call& call, std::string_view attribute, DType otherwise);

}  // namespace hearth::operators
