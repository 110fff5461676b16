#include <algorithm>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"

namespace hearth::operators {

namespace {

template <class A>
A combined(A a, A b, bool product) {
  if constexpr (std::is_integral_v<A>) {
    const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    return static_cast<A>(product ? x * y : x + y);
  } else {
    return product ? a * b : a + b;
  }
}

template <class A>
void load(const Tensor& x, int64_t at, A* to, int64_t count) {
  if constexpr (std::is_same_v<A, double>)
    to_doubles(x.dtype(), element_at(x.dtype(), x.raw(), at), to, count);
  else
    to_int64s(x.dtype(), element_at(x.dtype(), x.raw(), at), to, count);
}
template <class A>
void store(const A* from, Tensor& y, int64_t at, int64_t count) {
  if constexpr (std::is_same_v<A, double>)
    from_doubles(from, y.dtype(), element_at(y.dtype(), y.mutable_raw(), at), count);
  else
    from_int64s(from, is_unsigned(y.dtype()), y.dtype(), element_at(y.dtype(), y.mutable_raw(), at), count);
}

struct Way {
  bool product, exclusive, reverse;
};

// `size` neighbours, a chunk at a time from the end the sum starts at.
template <class A>
void accumulate_row(const Tensor& x, Tensor& y, int64_t at, int64_t size, Way way) {
  A values[kChunk];
  A sum = A(way.product ? 1 : 0);
  for (int64_t done = 0; done < size; done += kChunk) {
    const int64_t n = std::min(kChunk, size - done);
    const int64_t first = at + (way.reverse ? size - done - n : done);
    load(x, first, values, n);
    for (int64_t step = 0; step < n; ++step) {
      A& value = values[way.reverse ? n - 1 - step : step];
      const A before = sum;
      sum = combined(sum, value, way.product);
      value = way.exclusive ? before : sum;
    }
    store(values, y, first, n);
  }
}

// `count` columns (at most kChunk) along the axis.
template <class A>
void accumulate_columns(const Tensor& x, Tensor& y, int64_t at, const AxisView& view, int64_t count, Way way) {
  A values[kChunk], sums[kChunk];
  std::fill_n(sums, count, A(way.product ? 1 : 0));
  for (int64_t step = 0; step < view.size; ++step) {
    const int64_t row = at + (way.reverse ? view.size - 1 - step : step) * view.inner;
    load(x, row, values, count);
    if (way.exclusive) store(sums, y, row, count);
    for (int64_t i = 0; i < count; ++i) sums[i] = combined(sums[i], values[i], way.product);
    if (!way.exclusive) store(sums, y, row, count);
  }
}

template <class A>
void accumulate(const Tensor& x, Tensor& y, const AxisView& view, Way way) {
  for (int64_t outer = 0; outer < view.outer; ++outer) {
    const int64_t at = outer * view.size * view.inner;
    if (view.inner == 1) {
      accumulate_row<A>(x, y, at, view.size, way);
      continue;
    }
    for (int64_t column = 0; column < view.inner; column += kChunk)
      accumulate_columns<A>(x, y, at + column, view, std::min(kChunk, view.inner - column), way);
  }
}

Result<> cumulate(Call& call, bool product) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const int64_t given, one_int(call, 1));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, given, x->rank()));
  const Way way{product, call.node().int_or("exclusive", 0) != 0, call.node().int_or("reverse", 0) != 0};
  if (!is_float(x->dtype()) && !is_integer(x->dtype()))
    return call.unsupported("elements of type {}", to_string(x->dtype()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x->dtype(), x->dims()));
  if (x->size() == 0) return {};
  const AxisView view = around_axis(x->dims(), axis);
  if (is_float(x->dtype()))
    accumulate<double>(*x, *y, view, way);
  else
    accumulate<int64_t>(*x, *y, view, way);
  return {};
}

}  // namespace

Result<> cum_sum(Call& call) {
  return cumulate(call, false);
}
Result<> cum_prod(Call& call) {
  return cumulate(call, true);
}

}  // namespace hearth::operators
