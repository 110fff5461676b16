// Gemm: alpha * A' * B' + beta * C, with C broadcast to the result.
#include <cmath>

#include "operators/matrix/dense_product.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"

namespace hearth::operators {

namespace {

// Multiplies by an attribute. Integers by a whole number are exact; by another number they go through double and drop
// the fraction, as the conversion of an integer array does.
template <class C>
struct Scale {
  double factor;
  DType dtype;
  C whole = 0;
  bool is_one, is_whole;

  Scale(float value, DType type)
      : factor(static_cast<double>(value)),
        dtype(type),
        is_one(value == 1.0f),
        is_whole(std::trunc(factor) == factor && std::abs(factor) < 0x1p53) {
    if constexpr (std::is_integral_v<C>)
      if (is_whole) whole = static_cast<C>(static_cast<int64_t>(factor));
  }
  C operator()(C x) const {
    if (is_one) return x;
    if constexpr (std::is_floating_point_v<C>) {
      return x * static_cast<C>(factor);
    } else {
      if (is_whole) return x * whole;
      const bool is_signed = dtype == DType::I64 || dtype == DType::I32 || dtype == DType::I16 || dtype == DType::I8;
      const double number =
          is_signed ? static_cast<double>(static_cast<std::make_signed_t<C>>(x)) : static_cast<double>(x);
      const double product = number * factor;
      // Out of range only after an overflow that no exact result has either.
      if (!(std::abs(product) < 0x1p63)) return 0;
      return static_cast<C>(static_cast<int64_t>(product));
    }
  }
};

struct Sizes {
  int64_t rows, depth, columns;
  bool transpose_a, transpose_b;
};

Result<Sizes> read_sizes(const Call& call, const Dims& a, const Dims& b) {
  if (a.rank() != 2 || b.rank() != 2)
    return call.invalid("factors; got {} and {}, need two matrices", to_string(a), to_string(b));
  const bool ta = call.node().int_or("transA", 0) != 0, tb = call.node().int_or("transB", 0) != 0;
  const Sizes sizes{a[ta ? 1 : 0], a[ta ? 0 : 1], b[tb ? 0 : 1], ta, tb};
  if (b[tb ? 1 : 0] != sizes.depth)
    return call.invalid("factors; got {}{} times {}{}, need equal inner sizes", to_string(a), ta ? " transposed" : "",
                        to_string(b), tb ? " transposed" : "");
  return sizes;
}

template <class C>
Factor<C> right_factor(const C* data, const Sizes& sizes) {
  return sizes.transpose_b ? Factor<C>{data, 1, sizes.depth} : Factor<C>{data, sizes.columns, 1};
}

template <class C>
Result<> add_bias(Call& call, const Tensor& bias, const Sizes& sizes, const Scale<C>& beta, C* y) {
  const Dims& dims = bias.dims();
  const int64_t high = dims.rank() == 2 ? dims[0] : 1, wide = dims.rank() > 0 ? dims.back() : 1;
  if (dims.rank() > 2 || (high != 1 && high != sizes.rows) || (wide != 1 && wide != sizes.columns))
    return call.invalid("C; got {}, need sizes that broadcast to [{}, {}]", to_string(dims), sizes.rows, sizes.columns);
  ASSIGN_OR_RETURN(const auto values, Wide<C>::make(call, bias));
  const int64_t row_step = high == 1 ? 0 : wide, step = wide == 1 ? 0 : 1;
  call.parallel(sizes.rows, 1 + (1 << 16) / (sizes.columns + 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const C* from = values.data() + i * row_step;
      C* to = y + i * sizes.columns;
      for (int64_t j = 0; j < sizes.columns; ++j) to[j] += beta(from[j * step]);
    }
  });
  return {};
}

// What follows the product, but for what `done` says it did.
template <class C>
Result<> finish(Call& call, DType dtype, const Sizes& sizes, bool alpha_done, bool bias_done, C* y) {
  const Scale<C> alpha(call.node().float_or("alpha", 1.0f), dtype);
  if (!alpha_done && !alpha.is_one)
    for (int64_t i = 0; i < sizes.rows * sizes.columns; ++i) y[i] = alpha(y[i]);
  const Scale<C> beta(call.node().float_or("beta", 1.0f), dtype);
  // beta = 0 asks for no C at all: its NaN and infinities must not show.
  if (bias_done || !call.has(2) || beta.factor == 0.0) return {};
  ASSIGN_OR_RETURN(const Tensor* bias, call.tensor(2));
  if (bias->dtype() != dtype)
    return call.invalid("C's element type; got {}, need {}", to_string(bias->dtype()), to_string(dtype));
  return add_bias<C>(call, *bias, sizes, beta, y);
}

// Over the dense kernels; B is packed or given. m, n and k are at least 1.
Result<> gemm_dense(Call& call, const Tensor& a, const Sizes& sizes, const PackedMatrix* packed, const Tensor* b) {
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, {sizes.rows, sizes.columns}));
  ops::cpu::MatmulJob job{.m = sizes.rows,
                          .n = sizes.columns,
                          .k = sizes.depth,
                          .a = a.data<float>(),
                          .lda = sizes.depth,
                          .c = y->mutable_data<float>(),
                          .ldc = sizes.columns};
  Scratch<float> rows;
  if (sizes.transpose_a && sizes.rows > 1 && sizes.depth > 1) {
    ASSIGN_OR_RETURN(rows, Scratch<float>::make(call, {sizes.rows, sizes.depth}));
    ops::cpu::dense_kernels().transpose(job.a, rows.data(), 1, sizes.depth, sizes.rows, call.pool());
    job.a = rows.data();
  }
  Tensor made;
  if (packed == nullptr) {
    const bool tb = sizes.transpose_b;
    ASSIGN_OR_RETURN(made, pack_matrix(b->data<float>(), tb ? 1 : sizes.columns, tb ? sizes.depth : 1, sizes.depth,
                                       sizes.columns, call.memory()));
  }
  job.b = packed != nullptr ? packed->panels.raw() : made.raw();
  const float alpha = call.node().float_or("alpha", 1.0f);
  const ops::cpu::Operand operand{.data = &alpha, .spread = ops::cpu::Spread::Number};
  const ops::cpu::PointwiseStep step{.op = ops::cpu::Pointwise::Mul, .operand = 0};
  if (alpha != 1.0f) job.program = {std::span(&step, 1), std::span(&operand, 1)};
  bool bias_done = false;
  if (call.has(2) && alpha == 1.0f && call.node().float_or("beta", 1.0f) == 1.0f)
    if (const Tensor* bias = call.value(2).tensor(); bias != nullptr && bias->dtype() == DType::F32 &&
                                                     bias->size() == sizes.columns && bias->rank() >= 1 &&
                                                     bias->rank() <= 2 && bias->dims().back() == sizes.columns) {
      job.bias = bias->data<float>();
      bias_done = true;
    }
  TRY(run_matmul_job(call, job));
  return finish<float>(call, DType::F32, sizes, true, bias_done, y->mutable_data<float>());
}

template <class C>
Result<> gemm(Call& call, const Tensor& a, const Tensor& b) {
  ASSIGN_OR_RETURN(const Sizes sizes, read_sizes(call, a.dims(), b.dims()));
  if (a.dtype() == DType::F32 && sizes.rows >= kPackedRows && sizes.depth > 0 && sizes.columns > 1)
    return gemm_dense(call, a, sizes, nullptr, &b);
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, a.dtype(), {sizes.rows, sizes.columns}));
  ASSIGN_OR_RETURN(const auto left, Wide<C>::make(call, a));
  ASSIGN_OR_RETURN(const auto right, Wide<C>::make(call, b));
  const Factor<C> a_factor =
      sizes.transpose_a ? Factor<C>{left.data(), 1, sizes.rows} : Factor<C>{left.data(), sizes.depth, 1};
  const Product<C> one{a_factor, right_factor(right.data(), sizes), y.data()};
  TRY(multiply_all<C>(call, 1, sizes.rows, sizes.columns, sizes.depth, [&](int64_t) { return one; }));
  TRY(finish<C>(call, a.dtype(), sizes, false, false, y.data()));
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_gemm(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  if (const auto* packed = static_cast<const PackedMatrix*>(call.prepared()); packed != nullptr) {
    if (a->dtype() != DType::F32) return call.invalid("element types; got {} and f32, need one", to_string(a->dtype()));
    const bool tb = call.node().int_or("transB", 0) != 0;
    ASSIGN_OR_RETURN(const Sizes sizes,
                     read_sizes(call, a->dims(), tb ? Dims{packed->n, packed->k} : Dims{packed->k, packed->n}));
    if (sizes.rows > 0) return gemm_dense(call, *a, sizes, packed, nullptr);
    TRY(call.output(0, DType::F32, {0, sizes.columns}));
    return {};
  }
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  if (a->dtype() != b->dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(a->dtype()), to_string(b->dtype()));
  return in_working_type(call, a->dtype(), [&]<class C>() { return gemm<C>(call, *a, *b); });
}

Result<std::unique_ptr<Prepared>> prepare_gemm(const graph::Node& node, int64_t,
                                               std::span<const Tensor* const> constants) {
  const Tensor* b = constants.size() > 1 ? constants[1] : nullptr;
  if (b == nullptr || b->rank() != 2) return nullptr;
  const bool transposed = node.int_or("transB", 0) != 0;
  const int64_t k = b->dim(transposed ? 1 : 0), n = b->dim(transposed ? 0 : 1);
  return pack_right_factor(*b, transposed, k, n);
}

}  // namespace hearth::operators
