// Reduce*: one walk over the input adds every element to the accumulator of its output element. Sums are held in f64
// (floats) or 64-bit integers, whatever the type.
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

constexpr int64_t kGrain = 32 << 10;  // elements a thread should have at least

enum class Kind { Sum, Mean, Prod, Max, Min, L1, L2, LogSum, LogSumExp, SumSquare };

constexpr std::pair<std::string_view, Kind> kKinds[] = {
    {"ReduceSum", Kind::Sum},
    {"ReduceMean", Kind::Mean},
    {"ReduceProd", Kind::Prod},
    {"ReduceMax", Kind::Max},
    {"ReduceMin", Kind::Min},
    {"ReduceL1", Kind::L1},
    {"ReduceL2", Kind::L2},
    {"ReduceLogSum", Kind::LogSum},
    {"ReduceLogSumExp", Kind::LogSumExp},
    {"ReduceSumSquare", Kind::SumSquare},
};

// Neighbouring dimensions of one fate merged: sizes, and how far the output moves (0: reduced).
struct Plan {
  std::vector<int64_t> sizes, out_strides;
  Dims out_dims;
  int64_t out_count = 1, reduced = 1;
};

Plan plan(const Dims& dims, const AxisSet& axes, bool keep) {
  Plan made;
  std::vector<bool> is_reduced;
  for (int axis = 0; axis < dims.rank(); ++axis) {
    const int64_t size = dims[static_cast<size_t>(axis)];
    if (!axes[axis]) {
      made.out_dims.push_back(size);
      made.out_count *= size;
    } else {
      if (keep) made.out_dims.push_back(1);
      made.reduced *= size;
    }
    if (size == 1) continue;
    if (!made.sizes.empty() && is_reduced.back() == axes[axis]) {
      made.sizes.back() *= size;
    } else {
      made.sizes.push_back(size);
      is_reduced.push_back(axes[axis]);
    }
  }
  if (made.sizes.empty()) {
    made.sizes.push_back(1);
    is_reduced.push_back(false);
  }
  made.out_strides.resize(made.sizes.size());
  int64_t stride = 1;
  for (size_t i = made.sizes.size(); i-- > 0;)
    if (!is_reduced[i]) {
      made.out_strides[i] = stride;
      stride *= made.sizes[i];
    }
  return made;
}

// run(in, out, count, moves): `count` following input elements from `in`; the output element moves with them or stays.
// Of the outermost size, [first, end).
template <class Run>
void walk(const Plan& plan, int64_t first, int64_t end, Run&& run) {
  const size_t last = plan.sizes.size() - 1;
  if (last == 0) {
    if (first < end) run(first, first * plan.out_strides[0], end - first, plan.out_strides[0] != 0);
    return;
  }
  int64_t block = 1;  // input elements of one index of the outermost size
  for (size_t d = 1; d <= last; ++d) block *= plan.sizes[d];
  std::vector<int64_t> index(plan.sizes.size());
  int64_t out = first * plan.out_strides[0];
  for (int64_t in = first * block; in < end * block; in += plan.sizes[last]) {
    run(in, out, plan.sizes[last], plan.out_strides[last] != 0);
    for (size_t d = last; d-- > 0;) {
      out += plan.out_strides[d];
      if (++index[d] < plan.sizes[d] || d == 0) break;
      out -= plan.sizes[d] * plan.out_strides[d];
      index[d] = 0;
    }
  }
}

template <class T>
bool unordered(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

// Integers wrap, as they do everywhere else: sums and products are formed without signs.
template <class A>
A plus(A a, A b) {
  if constexpr (std::is_integral_v<A>)
    return static_cast<A>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}
template <class A>
A times(A a, A b) {
  if constexpr (std::is_integral_v<A>)
    return static_cast<A>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}
template <class A>
A magnitude(A a) {
  if constexpr (std::is_unsigned_v<A>)
    return a;
  else if constexpr (std::is_integral_v<A>)
    return a < 0 ? static_cast<A>(uint64_t{0} - static_cast<uint64_t>(a)) : a;
  else
    return std::abs(a);
}

template <Kind kind, class A>
A step(A sum, A x) {
  if constexpr (kind == Kind::Prod)
    return times(sum, x);
  else if constexpr (kind == Kind::Max)
    return x > sum || unordered(x) ? x : sum;
  else if constexpr (kind == Kind::Min)
    return x < sum || unordered(x) ? x : sum;
  else if constexpr (kind == Kind::L1)
    return plus(sum, magnitude(x));
  else if constexpr (kind == Kind::SumSquare)
    return plus(sum, times(x, x));
  else
    return plus(sum, x);
}

template <class A>
A start_of(Kind kind) {
  using Limits = std::numeric_limits<A>;
  if (kind == Kind::Prod) return A{1};
  if (kind == Kind::Max) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
  if (kind == Kind::Min) return Limits::has_infinity ? Limits::infinity() : Limits::max();
  return A{0};
}

// Joins what two ranges came to.
template <Kind kind, class A>
A join(A a, A b) {
  if constexpr (kind == Kind::Prod)
    return times(a, b);
  else if constexpr (kind == Kind::Max || kind == Kind::Min)
    return step<kind>(a, b);
  else
    return plus(a, b);
}

// `count` neighbours into one accumulator: in lanes, so that no addition waits for the one before.
template <Kind kind, class A, class S>
A fold(A sum, const S* x, int64_t count) {
  constexpr int kLanes = 8;
  A lanes[kLanes];
  std::fill_n(lanes, kLanes, start_of<A>(kind));
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = step<kind>(lanes[lane], static_cast<A>(x[i + lane]));
  for (int lane = 0; i < count; ++i, ++lane) lanes[lane] = step<kind>(lanes[lane], static_cast<A>(x[i]));
  for (const A lane : lanes) sum = join<kind>(sum, lane);
  return sum;
}

// Calls run(elements, offset, n) for pieces of `count` elements from `at`: f32 as it lies, other types converted.
template <class A, class Run>
void for_each_piece(const Tensor& x, int64_t at, int64_t count, Run&& run) {
  if constexpr (std::is_same_v<A, double>)
    if (x.dtype() == DType::F32) return run(x.data<float>() + at, int64_t{0}, count);
  if (x.dtype() == dtype_of_type<A>) return run(x.data<A>() + at, int64_t{0}, count);
  A buffer[kChunk];
  for (int64_t i = 0; i < count; i += kChunk) {
    const int64_t n = std::min(kChunk, count - i);
    const void* from = element_at(x.dtype(), x.raw(), at + i);
    if constexpr (std::is_same_v<A, double>)
      to_doubles(x.dtype(), from, buffer, n);
    else
      to_int64s(x.dtype(), from, reinterpret_cast<int64_t*>(buffer), n);
    run(static_cast<const A*>(buffer), i, n);
  }
}

// What is summed: x itself, or exp(x - shift[out]).
template <Kind kind, class A>
void accumulate(const Plan& plan, const Tensor& x, A* sums, const double* shifts, int64_t first, int64_t end) {
  walk(plan, first, end, [&](int64_t in, int64_t out, int64_t count, bool moves) {
    for_each_piece<A>(x, in, count, [&](const auto* piece, int64_t at, int64_t n) {
      if (shifts != nullptr) {
        const double* shift = shifts + out + (moves ? at : 0);
        for (int64_t i = 0; i < n; ++i) {
          const double shifted = std::exp(static_cast<double>(piece[i]) - shift[moves ? i : 0]);
          A& sum = sums[out + (moves ? at + i : 0)];
          sum = step<kind>(sum, static_cast<A>(shifted));
        }
      } else if (moves) {
        A* to = sums + out + at;
        for (int64_t i = 0; i < n; ++i) to[i] = step<kind>(to[i], static_cast<A>(piece[i]));
      } else {
        sums[out] = fold<kind>(sums[out], piece, n);
      }
    });
  });
}

template <class A>
void accumulate(Call& call, Kind kind, const Plan& plan, const Tensor& x, A* sums, const double* shifts = nullptr) {
  if (x.size() == 0) return;
  const auto run = [&](int64_t first, int64_t end) {
    switch (kind) {
      case Kind::Prod:
        return accumulate<Kind::Prod>(plan, x, sums, shifts, first, end);
      case Kind::Max:
        return accumulate<Kind::Max>(plan, x, sums, shifts, first, end);
      case Kind::Min:
        return accumulate<Kind::Min>(plan, x, sums, shifts, first, end);
      case Kind::L1:
        return accumulate<Kind::L1>(plan, x, sums, shifts, first, end);
      case Kind::L2:
      case Kind::SumSquare:
        return accumulate<Kind::SumSquare>(plan, x, sums, shifts, first, end);
      default:
        return accumulate<Kind::Sum>(plan, x, sums, shifts, first, end);
    }
  };
  // Ranges of a size that stays write different sums; a reduced one belongs to one thread.
  const int64_t outermost = plan.sizes[0], block = x.size() / outermost;
  if (plan.out_strides[0] != 0 && x.size() >= 2 * kGrain)
    call.parallel(outermost, std::max<int64_t>(1, kGrain / block), run);
  else
    run(0, outermost);
}

// Sums for every output element, against the session's memory.
template <class A>
Result<Tensor> sums_of(Call& call, const Plan& plan, A start) {
  ASSIGN_OR_RETURN(Tensor sums, Tensor::allocate(dtype_of_type<A>, plan.out_dims, call.memory()));
  std::fill_n(sums.template mutable_data<A>(), sums.size(), start);
  return sums;
}

void finish(Kind kind, double* sums, int64_t count, int64_t reduced) {
  for (int64_t i = 0; i < count; ++i) {
    if (kind == Kind::Mean) sums[i] /= static_cast<double>(reduced);
    if (kind == Kind::L2) sums[i] = std::sqrt(sums[i]);
    if (kind == Kind::LogSum) sums[i] = std::log(sums[i]);
  }
}

// Sums and means of f32 over neighbouring dimensions: the last ones row by row, those before the last as means of
// columns. False when the plan is another.
Result<bool> reduce_dense(Call& call, Kind kind, const Plan& plan, const Tensor& x) {
  const size_t rank = plan.sizes.size();
  if (x.dtype() != DType::F32 || (kind != Kind::Mean && kind != Kind::Sum) || x.size() == 0) return false;
  const bool last = rank <= 2 && plan.out_strides.back() == 0 && plan.reduced > 1;
  const bool columns =
      kind == Kind::Mean && rank >= 2 && rank <= 3 && plan.out_strides.back() != 0 && plan.out_strides[rank - 2] == 0;
  if (!last && !columns) return false;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, plan.out_dims));
  const float* from = x.data<float>();
  float* to = y->mutable_data<float>();
  const int64_t n = plan.reduced;
  if (columns) {
    ops::cpu::dense_kernels().column_means(from, to, rank == 3 ? plan.sizes[0] : 1, n, plan.sizes.back(), call.pool());
    return true;
  }
  const double divisor = kind == Kind::Mean ? static_cast<double>(n) : 1.0;
  call.parallel(plan.out_count, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = static_cast<float>(float_loops().sum(from + i * n, n) / divisor);
  });
  return true;
}

Result<> reduce_floats(Call& call, Kind kind, const Plan& plan, const Tensor& x, DType dtype) {
  ASSIGN_OR_RETURN(Tensor held, sums_of(call, plan, start_of<double>(kind)));
  auto* sums = held.mutable_data<double>();
  if (kind == Kind::LogSumExp) {
    ASSIGN_OR_RETURN(Tensor most, sums_of(call, plan, start_of<double>(Kind::Max)));
    auto* shifts = most.mutable_data<double>();
    accumulate(call, Kind::Max, plan, x, shifts);
    for (int64_t i = 0; i < plan.out_count; ++i)
      if (!std::isfinite(shifts[i])) shifts[i] = 0;  // exp(inf - inf) is no number; exp(inf) is inf
    accumulate(call, Kind::Sum, plan, x, sums, shifts);
    for (int64_t i = 0; i < plan.out_count; ++i) sums[i] = std::log(sums[i]) + shifts[i];
  } else {
    accumulate(call, kind, plan, x, sums);
    finish(kind, sums, plan.out_count, plan.reduced);
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, plan.out_dims));
  from_doubles(sums, dtype, y->mutable_raw(), plan.out_count);
  return {};
}

template <class A>
Result<> reduce_integers(Call& call, Kind kind, const Plan& plan, const Tensor& x) {
  A start = start_of<A>(kind);
  if (plan.reduced == 0 && (kind == Kind::Max || kind == Kind::Min)) {
    // Nothing to choose from: the least (greatest) value of the type itself.
    const int bits = x.dtype() == DType::Bool ? 1 : static_cast<int>(info(x.dtype()).block_bytes) * 8;
    const bool is_signed = !is_unsigned(x.dtype()) && x.dtype() != DType::Bool;
    const uint64_t all = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
    const A most = static_cast<A>(is_signed ? all >> 1 : all);
    start = kind == Kind::Min ? most : is_signed ? static_cast<A>(~static_cast<uint64_t>(most)) : A{0};
  }
  ASSIGN_OR_RETURN(Tensor held, sums_of(call, plan, start));
  auto* sums = held.mutable_data<A>();
  accumulate(call, kind, plan, x, sums);
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, x.dtype(), plan.out_dims));
  from_int64s(reinterpret_cast<const int64_t*>(sums), std::is_unsigned_v<A>, x.dtype(), y->mutable_raw(),
              plan.out_count);
  return {};
}

Result<AxisSet> axes_of(const Call& call, int rank) {
  std::vector<int64_t> axes(call.node().ints("axes").begin(), call.node().ints("axes").end());
  if (call.has(1)) {
    ASSIGN_OR_RETURN(axes, int_list(call, 1));
  }
  if (!axes.empty()) return normalise_axes(call, axes, rank);
  AxisSet all;
  if (call.node().int_or("noop_with_empty_axes", 0) != 0) return all;
  for (int axis = 0; axis < rank; ++axis) all.bits |= 1u << axis;
  all.count = rank;
  return all;
}

}  // namespace

Result<> reduce(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const auto* known =
      std::ranges::find(kKinds, std::string_view(call.node().op_type), &std::pair<std::string_view, Kind>::first);
  CHECK(known != std::end(kKinds));
  const Kind kind = known->second;
  ASSIGN_OR_RETURN(const AxisSet axes, axes_of(call, x->rank()));
  const Plan made = plan(x->dims(), axes, call.node().int_or("keepdims", 1) != 0);
  const DType dtype = x->dtype();
  const bool whole = is_integer(dtype) || dtype == DType::Bool;
  if (!whole && !is_float(dtype)) return call.unsupported("elements of type {}", to_string(dtype));
  const bool fractions = kind == Kind::L2 || kind == Kind::LogSum || kind == Kind::LogSumExp || kind == Kind::Mean;
  ASSIGN_OR_RETURN(const bool done, reduce_dense(call, kind, made, *x));
  if (done) return {};
  if (!whole || fractions) return reduce_floats(call, kind, made, *x, dtype);
  return is_unsigned(dtype) ? reduce_integers<uint64_t>(call, kind, made, *x)
                            : reduce_integers<int64_t>(call, kind, made, *x);
}

}  // namespace hearth::operators
