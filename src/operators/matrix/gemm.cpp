// Gemm: alpha * A' * B' + beta * C, with C broadcast to the result.
#include <cmath>

#include "operators/matrix/kernels.h"
#include "operators/matrix/packed_factor.h"

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

Result<Sizes> read_sizes(const Call& call, const Tensor& a, const Tensor& b) {
  if (a.rank() != 2 || b.rank() != 2)
    return call.invalid("factors; got {} and {}, need two matrices", to_string(a.dims()), to_string(b.dims()));
  const bool ta = call.node().int_or("transA", 0) != 0, tb = call.node().int_or("transB", 0) != 0;
  const Sizes sizes{a.dim(ta ? 1 : 0), a.dim(ta ? 0 : 1), b.dim(tb ? 0 : 1), ta, tb};
  if (b.dim(tb ? 1 : 0) != sizes.depth)
    return call.invalid("factors; got {}{} times {}{}, need equal inner sizes", to_string(a.dims()),
                        ta ? " transposed" : "", to_string(b.dims()), tb ? " transposed" : "");
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

template <class C>
Result<> gemm(Call& call, const Tensor& a, const Tensor& b) {
  ASSIGN_OR_RETURN(const Sizes sizes, read_sizes(call, a, b));
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, a.dtype(), {sizes.rows, sizes.columns}));
  ASSIGN_OR_RETURN(const auto left, Wide<C>::make(call, a));
  ASSIGN_OR_RETURN(const auto right, Wide<C>::make(call, b));
  const Factor<C> a_factor =
      sizes.transpose_a ? Factor<C>{left.data(), 1, sizes.rows} : Factor<C>{left.data(), sizes.depth, 1};
  const Product<C> one{a_factor, packed_right<C>(call, right_factor(right.data(), sizes), sizes.columns), y.data()};
  TRY(multiply_all<C>(call, 1, sizes.rows, sizes.columns, sizes.depth, [&](int64_t) { return one; }));

  const Scale<C> alpha(call.node().float_or("alpha", 1.0f), a.dtype());
  if (!alpha.is_one)
    for (int64_t i = 0; i < y.size(); ++i) y.data()[i] = alpha(y.data()[i]);
  const Scale<C> beta(call.node().float_or("beta", 1.0f), a.dtype());
  // beta = 0 asks for no C at all: its NaN and infinities must not show.
  if (call.has(2) && beta.factor != 0.0) {
    ASSIGN_OR_RETURN(const Tensor* bias, call.tensor(2));
    if (bias->dtype() != a.dtype())
      return call.invalid("C's element type; got {}, need {}", to_string(bias->dtype()), to_string(a.dtype()));
    TRY(add_bias<C>(call, *bias, sizes, beta, y.data()));
  }
  y.finish(call);
  return {};
}

}  // namespace

Result<> run_gemm(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
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
  const Sizes sizes{1, b->dim(transposed ? 1 : 0), b->dim(transposed ? 0 : 1), false, transposed};
  return pack_constant_right(*b, right_factor(b->data<float>(), sizes), sizes.depth, sizes.columns);
}

}  // namespace hearth::operators
