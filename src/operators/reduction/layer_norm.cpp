// LayerNormalization and RMSNormalization: everything from `axis` on is one row. The first stage runs in f32 (f64 for
// f64, or as stash_type says) and is rounded to the element type before scale and shift.
#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/type.h"
#include "operators/axes.h"
#include "operators/broadcast.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"
#include "ops/cpu/dense.h"

namespace hearth::operators {

namespace {

struct Rows {
  int64_t count = 1, size = 1;
  Dims statistics;  // the leading sizes, then ones
};

Rows rows_from(const Dims& dims, int axis) {
  Rows rows;
  for (int d = 0; d < dims.rank(); ++d) {
    const int64_t size = dims[static_cast<size_t>(d)];
    (d < axis ? rows.count : rows.size) *= size;
    rows.statistics.push_back(d < axis ? size : 1);
  }
  return rows;
}

template <class A>
struct Statistics {
  A mean, inverse;
};

// Mean (0 for the root mean square) and 1 / deviation of a row.
template <class A>
Statistics<A> statistics_of(const A* x, int64_t n, double epsilon, bool centred) {
  double sum = 0;
  if (centred)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = centred ? sum / static_cast<double>(n) : 0;
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(x[i]) - mean;
    squares += d * d;
  }
  return {static_cast<A>(mean), static_cast<A>(1 / std::sqrt(squares / static_cast<double>(n) + epsilon))};
}

// Scale and shift as the row sees them: a whole row each; those that change from row to row are expanded to all rows.
template <class A>
Result<std::vector<A>> factors(Call& call, int input, const Dims& dims, const Rows& rows, bool& every_row) {
  std::vector<A> made;
  every_row = false;
  if (!call.has(input)) return made;
  ASSIGN_OR_RETURN(const Tensor* given, call.tensor(input));
  if (!broadcasts_to(given->dims(), dims))
    return call.invalid("input {}; got {}, need what broadcasts to {}", input, to_string(given->dims()),
                        to_string(dims));
  const auto load = [&](const Tensor& from, A* to) {
    if constexpr (std::is_same_v<A, double>)
      to_doubles(from.dtype(), from.raw(), to, from.size());
    else
      to_floats(from.dtype(), from.raw(), to, from.size());
  };
  // A whole row: the trailing sizes as they are, with nothing (or ones) in front.
  int64_t same = 1;
  for (int d = given->rank() - 1, e = dims.rank() - 1; d >= 0 && same < rows.size; --d, --e) {
    if (given->dim(d) != dims[static_cast<size_t>(e)]) break;
    same *= given->dim(d);
  }
  if (given->size() == rows.size && same == rows.size) {
    made.resize(static_cast<size_t>(rows.size));
    load(*given, made.data());
    return made;
  }
  every_row = true;
  std::vector<A> small(static_cast<size_t>(given->size()));
  load(*given, small.data());
  made.resize(static_cast<size_t>(rows.count * rows.size));
  const Broadcast<1> walk(dims, {&given->dims()});
  walk.visit(0, walk.size(), [&](int64_t at, int64_t count, const auto& offsets) {
    for (int64_t i = 0; i < count; ++i)
      made[static_cast<size_t>(at + i)] = small[static_cast<size_t>(offsets[0] + (walk.moves(0) ? i : 0))];
  });
  return made;
}

template <class A>
void round_to(DType dtype, A* values, int64_t count, std::byte* scratch) {
  if (dtype == dtype_of_type<A>) return;
  if constexpr (std::is_same_v<A, double>) {
    from_doubles(values, dtype, scratch, count);
    to_doubles(dtype, scratch, values, count);
  } else {
    from_floats(values, dtype, scratch, count);
    to_floats(dtype, scratch, values, count);
  }
}

template <class A>
Result<> normalise(Call& call, const Tensor& x, const Rows& rows, bool centred) {
  const DType dtype = x.dtype();
  const double epsilon = call.node().float_or("epsilon", 1e-5f);
  bool scale_rows = false, shift_rows = false;
  ASSIGN_OR_RETURN(const std::vector<A> scale, factors<A>(call, 1, x.dims(), rows, scale_rows));
  ASSIGN_OR_RETURN(const std::vector<A> shift, factors<A>(call, 2, x.dims(), rows, shift_rows));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, x.dims()));
  const auto stash_type = graph::dtype_from_onnx(call.node().int_or("stash_type", 1));
  if (!stash_type || !is_float(*stash_type))
    return call.invalid("stash_type; got {}, need the number of a float type", call.node().int_or("stash_type", 1));
  const DType stash = *stash_type;
  Tensor *mean = nullptr, *inverse = nullptr;
  if (centred && call.wants(1)) {
    ASSIGN_OR_RETURN(mean, call.output(1, stash, rows.statistics));
  }
  if (centred && call.wants(2)) {
    ASSIGN_OR_RETURN(inverse, call.output(2, stash, rows.statistics));
  }
  const int64_t n = rows.size;
  if (x.size() == 0) {  // rows without elements have no mean
    for (Tensor* statistics : {mean, inverse})
      for (int64_t r = 0; statistics != nullptr && r < statistics->size(); ++r) {
        const double none = std::numeric_limits<double>::quiet_NaN();
        from_doubles(&none, stash, element_at(stash, statistics->mutable_raw(), r), 1);
      }
    return {};
  }
  call.parallel(rows.count, std::max<int64_t>(1, 8192 / std::max<int64_t>(n, 1)), [&](int64_t begin, int64_t end) {
    std::vector<A> line(static_cast<size_t>(n));
    std::vector<std::byte> scratch(dtype == dtype_of_type<A> ? 0 : static_cast<size_t>(bytes_of(dtype, n)));
    for (int64_t r = begin; r < end; ++r) {
      const void* from = element_at(dtype, x.raw(), r * n);
      if constexpr (std::is_same_v<A, double>)
        to_doubles(dtype, from, line.data(), n);
      else
        to_floats(dtype, from, line.data(), n);
      const auto [m, s] = statistics_of(line.data(), n, epsilon, centred);
      A* to = line.data();
      for (int64_t i = 0; i < n; ++i) to[i] = (to[i] - m) * s;
      round_to(dtype, to, n, scratch.data());
      const A* w = scale.data() + (scale_rows ? r * n : 0);
      const A* b = shift.data() + (shift_rows ? r * n : 0);
      if (!scale.empty())
        for (int64_t i = 0; i < n; ++i) to[i] *= w[i];
      if (!shift.empty()) {
        round_to(dtype, to, n, scratch.data());
        for (int64_t i = 0; i < n; ++i) to[i] += b[i];
      }
      if constexpr (std::is_same_v<A, double>)
        from_doubles(to, dtype, element_at(dtype, y->mutable_raw(), r * n), n);
      else
        from_floats(to, dtype, element_at(dtype, y->mutable_raw(), r * n), n);
      const double statistics[] = {static_cast<double>(m), static_cast<double>(s)};
      if (mean != nullptr) from_doubles(&statistics[0], stash, element_at(stash, mean->mutable_raw(), r), 1);
      if (inverse != nullptr) from_doubles(&statistics[1], stash, element_at(stash, inverse->mutable_raw(), r), 1);
    }
  });
  return {};
}

// f32 rows with one scale and shift for all, and no statistics asked for: over the dense kernel. False otherwise.
Result<bool> normalise_dense(Call& call, const Tensor& x, const Rows& rows) {
  if (x.dtype() != DType::F32 || call.wants(1) || call.wants(2) || call.node().int_or("stash_type", 1) != 1 ||
      x.size() == 0 || !call.has(1))
    return false;
  const float* factors[2] = {};
  for (int i = 1; i <= 2 && call.has(i); ++i) {
    const Tensor* given = call.value(i).tensor();
    if (given == nullptr || given->dtype() != DType::F32 || given->size() != rows.size ||
        !broadcasts_to(given->dims(), x.dims()))
      return false;
    // As many elements as a row has, but not the row's: the leading sizes of x may hold them as well.
    int64_t trailing = 1;
    for (int d = given->rank() - 1, e = x.rank() - 1; d >= 0 && given->dim(d) == x.dim(e); --d, --e)
      trailing *= given->dim(d);
    if (trailing < rows.size) return false;
    factors[i - 1] = given->data<float>();
  }
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, x.dims()));
  ops::cpu::dense_kernels().layer_norm(x.data<float>(), factors[0], factors[1], call.node().float_or("epsilon", 1e-5f),
                                       y->mutable_data<float>(), rows.count, rows.size, call.pool());
  return true;
}

Result<> normalise(Call& call, bool centred) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", -1), x->rank()));
  if (!is_float(x->dtype())) return call.unsupported("elements of type {}", to_string(x->dtype()));
  const Rows rows = rows_from(x->dims(), axis);
  if (centred) {
    ASSIGN_OR_RETURN(const bool done, normalise_dense(call, *x, rows));
    if (done) return {};
  }
  return x->dtype() == DType::F64 ? normalise<double>(call, *x, rows, centred)
                                  : normalise<float>(call, *x, rows, centred);
}

}  // namespace

Result<> layer_normalization(Call& call) {
  return normalise(call, true);
}
Result<> rms_normalization(Call& call) {
  return normalise(call, false);
}

}  // namespace hearth::operators
