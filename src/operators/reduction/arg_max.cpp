#include <algorithm>
#include <cmath>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"

namespace hearth::operators {

namespace {

// Better in the wanted direction; a NaN is better than every number, as NumPy has it.
template <class A>
bool better(A a, A b, bool largest) {
  if constexpr (std::is_floating_point_v<A>) {
    if (std::isnan(b)) return false;
    if (std::isnan(a)) return true;
  }
  return largest ? a > b : a < b;
}

template <class A>
void load(const Tensor& x, int64_t at, A* to, int64_t count) {
  const void* from = element_at(x.dtype(), x.raw(), at);
  if constexpr (std::is_same_v<A, double>)
    to_doubles(x.dtype(), from, to, count);
  else
    to_int64s(x.dtype(), from, reinterpret_cast<int64_t*>(to), count);
}

// The best of `view.size` neighbours.
template <class A>
int64_t choose_in_row(const Tensor& x, int64_t at, int64_t size, bool largest, bool last) {
  A values[kChunk], best{};
  int64_t chosen = -1;
  for (int64_t begin = 0; begin < size; begin += kChunk) {
    const int64_t n = std::min(kChunk, size - begin);
    load(x, at + begin, values, n);
    for (int64_t i = 0; i < n; ++i) {
      if (chosen >= 0 && !better(values[i], best, largest) && !(last && !better(best, values[i], largest))) continue;
      best = values[i];
      chosen = begin + i;
    }
  }
  return chosen;
}

// The best along the axis for `count` columns, chunk by chunk.
template <class A>
void choose_in_columns(const Tensor& x, int64_t at, const AxisView& view, int64_t count, bool largest, bool last,
                       int64_t* to) {
  A values[kChunk], best[kChunk];
  for (int64_t a = 0; a < view.size; ++a) {
    load(x, at + a * view.inner, values, count);
    for (int64_t i = 0; i < count; ++i) {
      if (a > 0 && !better(values[i], best[i], largest) && !(last && !better(best[i], values[i], largest))) continue;
      best[i] = values[i];
      to[i] = a;
    }
  }
}

template <class A>
Result<> choose(Call& call, const Tensor& x, const AxisView& view, const Dims& dims, bool largest) {
  const bool last = call.node().int_or("select_last_index", 0) != 0;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::I64, dims));
  auto* to = y->mutable_data<int64_t>();
  if (y->size() == 0) return {};
  const int64_t strips = (view.inner + kChunk - 1) / kChunk;
  const int64_t work = view.size * std::min(view.inner, kChunk);
  call.parallel(view.outer * strips, std::max<int64_t>(1, 16384 / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (view.inner == 1) {
        to[i] = choose_in_row<A>(x, i * view.size, view.size, largest, last);
        continue;
      }
      const int64_t outer = i / strips, column = i % strips * kChunk;
      choose_in_columns<A>(x, outer * view.size * view.inner + column, view, std::min(kChunk, view.inner - column),
                           largest, last, to + outer * view.inner + column);
    }
  });
  return {};
}

Result<> arg_choose(Call& call, bool largest) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), x->rank()));
  const AxisView view = around_axis(x->dims(), axis);
  if (view.size == 0)
    return call.invalid("axis {} of {} is empty: there is nothing to choose", axis, to_string(x->dims()));
  Dims dims = x->dims();
  if (call.node().int_or("keepdims", 1) != 0)
    dims[static_cast<size_t>(axis)] = 1;
  else
    dims.erase(axis);
  if (is_float(x->dtype())) return choose<double>(call, *x, view, dims, largest);
  if (!is_integer(x->dtype())) return call.unsupported("elements of type {}", to_string(x->dtype()));
  return is_unsigned(x->dtype()) ? choose<uint64_t>(call, *x, view, dims, largest)
                                 : choose<int64_t>(call, *x, view, dims, largest);
}

}  // namespace

Result<> arg_max(Call& call) {
  return arg_choose(call, true);
}
Result<> arg_min(Call& call) {
  return arg_choose(call, false);
}

}  // namespace hearth::operators
