#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"

namespace hearth::operators {

namespace {

// Before: larger (or smaller), of equals the lower index. NaN counts as larger than every number, so that the order is
// one.
template <class A>
struct Before {
  const A* values;
  bool largest;
  bool operator()(int64_t i, int64_t j) const {
    const A a = values[i], b = values[j];
    if constexpr (std::is_floating_point_v<A>) {
      const bool x = std::isnan(a), y = std::isnan(b);
      if (x != y) return largest ? x : y;
      if (x) return i < j;
    }
    if (a != b) return largest ? a > b : a < b;
    return i < j;
  }
};

template <class A>
void load(const Tensor& x, int64_t at, A* to, int64_t count) {
  const void* from = element_at(x.dtype(), x.raw(), at);
  if constexpr (std::is_same_v<A, double>)
    to_doubles(x.dtype(), from, to, count);
  else
    to_int64s(x.dtype(), from, reinterpret_cast<int64_t*>(to), count);
}

template <class A>
void choose(Call& call, const Tensor& x, const AxisView& view, int64_t k, bool largest, Tensor* values,
            Tensor* indices) {
  const DType dtype = x.dtype();
  const auto width = static_cast<size_t>(info(dtype).block_bytes);
  call.parallel(view.outer * view.inner, std::max<int64_t>(1, 4096 / view.size), [&](int64_t begin, int64_t end) {
    std::vector<A> line(static_cast<size_t>(view.size));
    std::vector<int64_t> order(line.size());
    for (int64_t row = begin; row < end; ++row) {
      const int64_t outer = row / view.inner, inner = row % view.inner;
      const int64_t from = outer * view.size * view.inner + inner, to = outer * k * view.inner + inner;
      if (view.inner == 1)
        load(x, from, line.data(), view.size);
      else
        for (int64_t i = 0; i < view.size; ++i) load(x, from + i * view.inner, &line[static_cast<size_t>(i)], 1);
      std::iota(order.begin(), order.end(), int64_t{0});
      const Before<A> before{line.data(), largest};
      // A heap of k walks the row once; for many of them choosing first and sorting the chosen is less work.
      if (k > view.size / 16 && k < view.size) std::nth_element(order.begin(), order.begin() + k, order.end(), before);
      std::partial_sort(order.begin(), order.begin() + k, k > view.size / 16 ? order.begin() + k : order.end(), before);
      for (int64_t j = 0; j < k; ++j) {
        const int64_t chosen = order[static_cast<size_t>(j)];
        if (values != nullptr)
          std::memcpy(element_at(dtype, values->mutable_raw(), to + j * view.inner),
                      element_at(dtype, x.raw(), from + chosen * view.inner), width);
        if (indices != nullptr) indices->mutable_data<int64_t>()[to + j * view.inner] = chosen;
      }
    }
  });
}

}  // namespace

Result<> top_k(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", -1), x->rank()));
  int64_t k = call.node().int_or("k", -1);
  if (call.opset() >= 10) {
    ASSIGN_OR_RETURN(k, one_int(call, 1));
  }
  const AxisView view = around_axis(x->dims(), axis);
  if (k < 0 || k > view.size)
    return call.invalid("k; got {}, need 0 to {} (axis {} of {})", k, view.size, axis, to_string(x->dims()));
  const bool largest = call.node().int_or("largest", 1) != 0;
  Dims dims = x->dims();
  dims[static_cast<size_t>(axis)] = k;
  if (!is_float(x->dtype()) && !is_integer(x->dtype()))
    return call.unsupported("elements of type {}", to_string(x->dtype()));
  Tensor *values = nullptr, *indices = nullptr;
  if (call.wants(0)) {
    ASSIGN_OR_RETURN(values, call.output(0, x->dtype(), dims));
  }
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(indices, call.output(1, DType::I64, dims));
  }
  if (x->size() == 0 || k == 0) return {};
  // `sorted` = 0 leaves the order open: sorted is one of the orders.
  if (is_float(x->dtype()))
    choose<double>(call, *x, view, k, largest, values, indices);
  else if (is_unsigned(x->dtype()))
    choose<uint64_t>(call, *x, view, k, largest, values, indices);
  else
    choose<int64_t>(call, *x, view, k, largest, values, indices);
  return {};
}

}  // namespace hearth::operators
