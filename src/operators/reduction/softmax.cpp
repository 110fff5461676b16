// Softmax, LogSoftmax, Hardmax. Before opset 13 the tensor counts as a matrix: everything from `axis` on is one row.
#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/elementwise/float_loops.h"
#include "operators/reduction/kernels.h"
#include "ops/cpu/dense.h"

namespace hearth::operators {

namespace {

Result<AxisView> rows_of(const Call& call, const Tensor& x) {
  const bool matrix = call.opset() < 13;
  const int64_t given = call.node().int_or("axis", matrix ? 1 : -1);
  AxisView view;
  if (!matrix || given != x.rank()) {  // a matrix may also be one column: all sizes in front of the axis
    ASSIGN_OR_RETURN(const int axis, normalise_axis(call, given, x.rank()));
    if (!matrix) return around_axis(x.dims(), axis);
    for (int d = 0; d < x.rank(); ++d) (d < axis ? view.outer : view.size) *= x.dim(d);
  } else {
    view.outer = x.size();
  }
  return view;
}

enum class Kind { Softmax, LogSoftmax, Hardmax };

void add_to(float* sums, const float* x, int64_t n) {
  float_loops().add(sums, x, sums, n, true, true);
}
void add_to(double* sums, const double* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sums[i] += x[i];
}
// y = exp(x - shift)
void exp_of(const float* x, const float* shift, float* y, int64_t n, bool shift_moves) {
  float_loops().subtract(x, shift, y, n, true, shift_moves);
  float_loops().exp(nullptr, y, y, n);
}
void exp_of(const double* x, const double* shift, double* y, int64_t n, bool shift_moves) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i] - shift[shift_moves ? i : 0]);
}
double sum_of(const float* x, int64_t n) {
  return float_loops().sum(x, n);
}
double sum_of(const double* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}

// The largest element, NaN when there is one. In lanes: no comparison waits for the one before.
template <class A>
A most_of(const A* x, int64_t n) {
  constexpr int kLanes = 16;
  A lanes[kLanes];
  std::fill_n(lanes, kLanes, -std::numeric_limits<A>::infinity());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const A value = x[i + lane];
      lanes[lane] = value <= lanes[lane] ? lanes[lane] : value;
    }
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] = x[i] <= lanes[lane] ? lanes[lane] : x[i];
  A most = lanes[0];
  for (const A lane : lanes) most = lane <= most ? most : lane;
  return most;
}

// Nothing is subtracted from a row without a finite largest element: inf - inf would hide which element it is.
template <class A>
A shift_for(A most) {
  return std::isfinite(most) ? most : most > 0 ? most : A{0};
}

// One dense row.
template <class A>
void run_row(Kind kind, const A* x, A* y, int64_t n) {
  if (kind == Kind::Hardmax) {
    const auto best = std::max_element(x, x + n) - x;
    std::fill_n(y, n, A{0});
    y[best] = 1;
    return;
  }
  const A most = shift_for(most_of(x, n));
  exp_of(x, &most, y, n, false);
  const double sum = sum_of(y, n);
  if (kind == Kind::LogSoftmax) {
    const A shift = static_cast<A>(static_cast<double>(most) + std::log(sum));
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] - shift;
  } else {
    const A scale = static_cast<A>(1 / sum);
    for (int64_t i = 0; i < n; ++i) y[i] *= scale;
  }
}

// `width` columns of a block [n, stride] at once; most and sums are scratch of that width.
template <class A>
void run_columns(Kind kind, const A* x, A* y, int64_t n, int64_t stride, int64_t width, A* most, A* sums) {
  std::copy_n(x, width, most);
  if (kind == Kind::Hardmax) {
    std::fill_n(sums, width, A{0});  // here: which row is the largest
    for (int64_t r = 1; r < n; ++r)
      for (int64_t i = 0; i < width; ++i)
        if (x[r * stride + i] > most[i]) {
          most[i] = x[r * stride + i];
          sums[i] = static_cast<A>(r);
        }
    for (int64_t r = 0; r < n; ++r)
      for (int64_t i = 0; i < width; ++i) y[r * stride + i] = static_cast<A>(r) == sums[i] ? A{1} : A{0};
    return;
  }
  for (int64_t r = 1; r < n; ++r)
    for (int64_t i = 0; i < width; ++i) most[i] = x[r * stride + i] <= most[i] ? most[i] : x[r * stride + i];
  for (int64_t i = 0; i < width; ++i) most[i] = shift_for(most[i]);
  std::fill_n(sums, width, A{0});
  for (int64_t r = 0; r < n; ++r) {
    exp_of(x + r * stride, most, y + r * stride, width, true);
    add_to(sums, y + r * stride, width);
  }
  for (int64_t i = 0; i < width; ++i) sums[i] = kind == Kind::LogSoftmax ? most[i] + std::log(sums[i]) : A{1} / sums[i];
  for (int64_t r = 0; r < n; ++r) {
    const A* from = x + r * stride;
    A* to = y + r * stride;
    if (kind == Kind::LogSoftmax)
      for (int64_t i = 0; i < width; ++i) to[i] = from[i] - sums[i];
    else
      for (int64_t i = 0; i < width; ++i) to[i] *= sums[i];
  }
}

constexpr int64_t kColumns = 256;  // a strip of a block, so that what is read three times stays in a cache
constexpr int64_t kGrain = 8 << 10;

template <class A>
void run_all(Call& call, Kind kind, const A* x, A* y, const AxisView& view) {
  const int64_t n = view.size;
  if (view.inner == 1) {
    call.parallel(view.outer, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) run_row(kind, x + r * n, y + r * n, n);
    });
    return;
  }
  const int64_t strips = (view.inner + kColumns - 1) / kColumns;
  call.parallel(view.outer * strips, std::max<int64_t>(1, kGrain / (n * std::min(view.inner, kColumns))),
                [&](int64_t begin, int64_t end) {
                  A most[kColumns], sums[kColumns];
                  for (int64_t i = begin; i < end; ++i) {
                    const int64_t column = i % strips * kColumns, at = i / strips * n * view.inner + column;
                    run_columns(kind, x + at, y + at, n, view.inner, std::min(kColumns, view.inner - column), most,
                                sums);
                  }
                });
}

Result<> run(Call& call, Kind kind) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const AxisView view, rows_of(call, *x));
  const DType dtype = x->dtype();
  if (!is_float(dtype)) return call.unsupported("elements of type {}", to_string(dtype));
  const bool dense_rows = dtype == DType::F32 && kind == Kind::Softmax && view.inner == 1;
  ASSIGN_OR_RETURN(Tensor * y,
                   dense_rows ? call.output_reusing(0, 0, dtype, x->dims()) : call.output(0, dtype, x->dims()));
  if (x->size() == 0) return {};
  if (dense_rows) {
    ops::cpu::dense_kernels().softmax(x->data<float>(), y->mutable_data<float>(), view.outer, view.size, call.pool());
  } else if (dtype == DType::F64) {
    run_all(call, kind, x->data<double>(), y->mutable_data<double>(), view);
  } else if (dtype == DType::F32) {
    run_all(call, kind, x->data<float>(), y->mutable_data<float>(), view);
  } else {
    ASSIGN_OR_RETURN(const Tensor from, as_floats(call, *x));
    ASSIGN_OR_RETURN(Tensor to, Tensor::allocate(DType::F32, x->dims(), call.memory()));
    run_all(call, kind, from.data<float>(), to.mutable_data<float>(), view);
    from_floats(to.data<float>(), dtype, y->mutable_raw(), y->size());
  }
  return {};
}

}  // namespace

Result<> softmax(Call& call) {
  return run(call, Kind::Softmax);
}
Result<> log_softmax(Call& call) {
  return run(call, Kind::LogSoftmax);
}
Result<> hardmax(Call& call) {
  return run(call, Kind::Hardmax);
}

}  // namespace hearth::operators
