// MatMul: numpy.matmul for every element type that is computed with.
#include "operators/matrix/kernels.h"
#include "operators/matrix/matmul_shape.h"
#include "operators/matrix/packed_factor.h"

namespace hearth::operators {

namespace {

template <class C>
Result<> multiply_tensors(Call& call, const Tensor& a, const Tensor& b) {
  ASSIGN_OR_RETURN(const MatMulShape shape, matmul_shape(call, a.dims(), b.dims()));
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, a.dtype(), shape.result));
  if (shape.count == 0) return {};
  ASSIGN_OR_RETURN(const auto left, Wide<C>::make(call, a));
  ASSIGN_OR_RETURN(const auto right, Wide<C>::make(call, b));
  const int64_t depth = shape.depth, columns = shape.columns;
  const Factor<C> whole_right = packed_right<C>(call, {right.data(), columns, 1}, columns);
  if (b.rank() <= 2) {  // one right factor for all: the stack is one tall matrix
    const Product<C> one{{left.data(), depth, 1}, whole_right, y.data()};
    TRY(multiply_all<C>(call, 1, shape.count * shape.rows, columns, depth, [&](int64_t) { return one; }));
  } else {
    const int64_t rows = shape.rows;
    TRY(multiply_all<C>(call, shape.count, rows, columns, depth, [&](int64_t i) {
      Factor<C> b_factor{right.data() + shape.b_matrix(i) * depth * columns, columns, 1};
      return Product<C>{
          {left.data() + shape.a_matrix(i) * rows * depth, depth, 1}, b_factor, y.data() + i * rows * columns};
    }));
  }
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_matmul(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  if (a->dtype() != b->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(a->dtype()), to_string(b->dtype()));
  return in_working_type(call, a->dtype(), [&]<class C>() { return multiply_tensors<C>(call, *a, *b); });
}

Result<std::unique_ptr<Prepared>> prepare_matmul(const graph::Node&, int64_t,
                                                 std::span<const Tensor* const> constants) {
  const Tensor* b = constants.size() > 1 ? constants[1] : nullptr;
  if (b == nullptr || b->rank() != 2) return nullptr;
  return pack_constant_right(*b, {b->data<float>(), b->dim(1), 1}, b->dim(0), b->dim(1));
}

}  // namespace hearth::operators
