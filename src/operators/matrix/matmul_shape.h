// How numpy.matmul sees its operands: stacks of matrices whose stack dimensions broadcast, a vector as one row or
// column.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators {

struct MatMulShape {
  int64_t rows = 1, depth = 0, columns = 1;
  int64_t count = 1;      // products; 0 when the result is empty
  Dims stack;             // the broadcast stack dimensions
  Dims a_steps, b_steps;  // matrices of the operand from one to the next along a stack dimension
  Dims result;            // without the dimension that a vector operand lacks

  // Which matrix of the operand product i takes. Worked out, not looked up: a small model can ask for many products.
  int64_t a_matrix(int64_t i) const { return matrix(i, a_steps); }
  int64_t b_matrix(int64_t i) const { return matrix(i, b_steps); }

 private:
  int64_t matrix(int64_t i, const Dims& steps) const {
    int64_t at = 0;
    for (size_t axis = stack.size(); axis-- > 0; i /= stack[axis]) at += i % stack[axis] * steps[axis];
    return at;
  }
};

// Invalid when the operands do not fit: scalars, unequal depths, stacks that do not broadcast.
Result<MatMulShape> matmul_shape(const Call& call, const Dims& a, const Dims& b);

}  // namespace hearth::operators
