// MatMul: numpy.matmul for every element type that is computed with.
#include "operators/matrix/dense_product.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/matmul_shape.h"
#include "operators/matrix/multiply.h"

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
  const bool tall = b.rank() <= 2;  // one right factor for all: the stack is one tall matrix
  if constexpr (std::is_same_v<C, float>)
    if (const int64_t rows = tall ? shape.count * shape.rows : shape.rows;
        rows >= kPackedRows && depth > 0 && columns > 1) {
      TRY(multiply_stack(
          call, {.count = tall ? 1 : shape.count, .m = rows, .n = columns, .k = depth, .c = y.data()},
          [&](int64_t i) { return left.data() + (tall ? 0 : shape.a_matrix(i) * rows * depth); },
          [&](int64_t i) { return right.data() + (tall ? 0 : shape.b_matrix(i) * depth * columns); }));
      y.finish(call);
      return {};
    }
  if (tall) {
    const Product<C> one{{left.data(), depth, 1}, {right.data(), columns, 1}, y.data()};
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

Result<> multiply_packed(Call& call, const Tensor& a, const PackedMatrix& b) {
  if (a.dtype() != DType::F32) return call.invalid("element types; got {} and f32, need one", to_string(a.dtype()));
  if (a.rank() < 1 || a.dims().back() != b.k)
    return call.invalid("operands; got {} times [{}, {}], need equal inner sizes", to_string(a.dims()), b.k, b.n);
  Dims dims = a.dims();
  dims[dims.size() - 1] = b.n;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, dims));
  if (y->size() == 0) return {};
  return run_matmul_job(call, {.m = y->size() / b.n,
                               .n = b.n,
                               .k = b.k,
                               .a = a.data<float>(),
                               .lda = b.k,
                               .b = b.panels.raw(),
                               .c = y->mutable_data<float>(),
                               .ldc = b.n});
}

}  // namespace

Result<> run_matmul(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  if (const auto* packed = static_cast<const PackedMatrix*>(call.prepared()); packed != nullptr)
    return multiply_packed(call, *a, *packed);
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  if (a->dtype() != b->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(a->dtype()), to_string(b->dtype()));
  return in_working_type(call, a->dtype(), [&]<class C>() { return multiply_tensors<C>(call, *a, *b); });
}

Result<std::unique_ptr<Prepared>> prepare_matmul(const graph::Node&, int64_t,
                                                 std::span<const Tensor* const> constants) {
  const Tensor* b = constants.size() > 1 ? constants[1] : nullptr;
  if (b == nullptr || b->rank() != 2) return nullptr;
  return pack_right_factor(*b, false, b->dim(0), b->dim(1));
}

}  // namespace hearth::operators
