// The equation of an Einsum against the sizes of its operands.
#pragma once

#include <string_view>
#include <vector>

#include "operators/kernel.h"

namespace hearth::operators {

// Letters and the dimensions of ellipses become small numbers: labels 0 … sizes.size() - 1.
struct EinsumEquation {
  std::vector<std::vector<int>> operands;  // a label for each dimension of each operand
  std::vector<int> result;                 // without repetition
  std::vector<int64_t> sizes;              // by label; a size of 1 gives way to another (numpy's broadcasting)
};

// Invalid for an equation that breaks the grammar, names a letter on the right that is not on the left, or does not fit
// the operands' ranks and sizes. Letters may be upper case; ellipses of different lengths align at their right ends.
Result<EinsumEquation> read_equation(const Call& call, std::string_view text, const std::vector<Dims>& operands);

}  // namespace hearth::operators
