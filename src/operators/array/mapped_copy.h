// Copying by a table for each axis: padding with what is there, nearest neighbours.
#pragma once

#include <span>

#include "operators/kernel.h"

namespace hearth::operators {

// output[o0, o1, …] = input[maps[0][o0], maps[1][o1], …]. A place with a negative number in one of the maps becomes
// `*outside` (an element; may be null when there is none). Input and output have elements, the same type and rank, at
// least 1; each map has a number for each position of the output's axis.
void copy_mapped(Call& call, const Tensor& input, std::span<const int64_t* const> maps, const void* outside,
                 Tensor& output);

}  // namespace hearth::operators
