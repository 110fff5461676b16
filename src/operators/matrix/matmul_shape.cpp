#include "operators/matrix/matmul_shape.h"

#include <algorithm>

namespace hearth::operators {

Result<MatMulShape> matmul_shape(const Call& call, const Dims& a, const Dims& b) {
  if (a.empty() || b.empty())
    return call.invalid("operands; got {} and {}, need at least one dimension each", to_string(a), to_string(b));
  MatMulShape shape;
  const bool a_vector = a.rank() == 1, b_vector = b.rank() == 1;
  shape.depth = a.back();
  if (!a_vector) shape.rows = a[a.size() - 2];
  if (!b_vector) shape.columns = b.back();
  const int64_t b_depth = b_vector ? b[0] : b[b.size() - 2];
  if (b_depth != shape.depth)
    return call.invalid("operands; got {} times {}, need equal inner sizes", to_string(a), to_string(b));

  const int a_stack = std::max(a.rank() - 2, 0), b_stack = std::max(b.rank() - 2, 0);
  const int rank = std::max(a_stack, b_stack);
  const Dims& longer = rank == a_stack ? a : b;
  Dims stack(std::span(longer.begin(), static_cast<size_t>(rank)));
  shape.a_steps = shape.b_steps = stack;
  int64_t a_stride = 1, b_stride = 1;
  for (int i = rank - 1; i >= 0; --i) {
    const auto at = static_cast<size_t>(i);
    const int a_axis = i - (rank - a_stack), b_axis = i - (rank - b_stack);
    const int64_t a_size = a_axis >= 0 ? a[static_cast<size_t>(a_axis)] : 1;
    const int64_t b_size = b_axis >= 0 ? b[static_cast<size_t>(b_axis)] : 1;
    if (a_size != b_size && a_size != 1 && b_size != 1)
      return call.invalid("operands; got {} times {}, need leading sizes that are equal or 1", to_string(a),
                          to_string(b));
    stack[at] = a_size == 1 ? b_size : a_size;
    shape.a_steps[at] = a_size == 1 ? 0 : a_stride;
    shape.b_steps[at] = b_size == 1 ? 0 : b_stride;
    a_stride *= a_size;
    b_stride *= b_size;
  }
  shape.stack = stack;
  shape.result = stack;
  if (!a_vector) shape.result.push_back(shape.rows);
  if (!b_vector) shape.result.push_back(shape.columns);
  ASSIGN_OR_RETURN(const int64_t elements, count_elements(shape.result));
  ASSIGN_OR_RETURN(shape.count, count_elements(stack));
  if (elements == 0) shape.count = 0;
  return shape;
}

}  // namespace hearth::operators
