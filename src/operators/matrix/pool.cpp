// AveragePool, MaxPool and LpPool: one output row after the other, taps taken run by run along the last axis.
#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/elementwise/float_loops.h"
#include "operators/matrix/dense_product.h"
#include "operators/matrix/kernels.h"
#include "operators/matrix/multiply.h"
#include "operators/matrix/window.h"

namespace hearth::operators {

namespace {

struct Pool {
  int64_t n, channels;
  Window window;
  std::vector<TapRun> runs;  // those that meet an input

  Dims out_dims() const { return window.out_dims(n, channels); }
  int64_t units() const { return n * channels * window.out_rows(); }
  int64_t unit_cost() const {  // a row's
    const double cost = static_cast<double>(window.outer_taps()) * static_cast<double>(runs.size()) *
                        static_cast<double>(window.last().out);
    return 1 + static_cast<int64_t>(std::min(cost, 1e15));
  }
};

Result<Pool> read_pool(const Call& call, const Dims& x) {
  if (x.rank() < 3) return call.invalid("input; got {}, need [N, C] and spatial axes", to_string(x));
  ASSIGN_OR_RETURN(const Dims kernel, read_kernel(call, x.rank() - 2, Dims()));
  const bool ceil = call.node().int_or("ceil_mode", 0) != 0;
  Pool pool{x[0], x[1], {}, {}};
  ASSIGN_OR_RETURN(pool.window, read_window(call, x, kernel, ceil ? Rounding::Ceil : Rounding::Floor));
  pool.runs = pool.window.tap_runs();
  std::erase_if(pool.runs, [](const TapRun& run) { return run.begin >= run.end; });
  return pool;
}

// add(sum, x) for every input that the windows of an output row meet, the first output's sum at sums[0].
template <class C, class Sum, class Add>
void sum_row(const Pool& pool, const C* plane, int64_t row, Sum* sums, Add add) {
  const WindowAxis& last = pool.window.last();
  pool.window.for_each_row(row, [&](int64_t, int64_t in_row) {
    const C* from = plane + in_row * last.in;
    for (const TapRun& run : pool.runs) {
      const C* source = from + run.offset;
      if (last.stride == 1)
        for (int64_t o = run.begin; o < run.end; ++o) sums[o] = add(sums[o], source[o]);
      else
        for (int64_t o = run.begin; o < run.end; ++o) sums[o] = add(sums[o], source[o * last.stride]);
    }
  });
}

// How many taps of each axis a mean divides by, for all axes' outputs, one axis after the other.
Result<Scratch<double>> count_taps(Call& call, const Window& window, bool with_pads) {
  int64_t total = 0;
  for (int i = 0; i < window.axes; ++i) total += window.axis[i].out;
  ASSIGN_OR_RETURN(auto counts, Scratch<double>::make(call, {total}));
  double* to = counts.data();
  for (int i = 0; i < window.axes; ++i) {
    const WindowAxis& axis = window.axis[i];
    for (int64_t o = 0; o < axis.out; ++o) {
      const auto [first, end] = axis.taps(o);
      *to++ = static_cast<double>(with_pads ? axis.padded_taps(o) : std::max<int64_t>(end - first, 0));
    }
  }
  return counts;
}

template <class C>
Result<> average_pool(Call& call, const Tensor& x, const Pool& pool) {
  const Window& window = pool.window;
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x.dtype(), pool.out_dims()));
  ASSIGN_OR_RETURN(const auto input, Wide<C>::make(call, x));
  ASSIGN_OR_RETURN(const auto counts, count_taps(call, window, call.node().int_or("count_include_pad", 0) != 0));
  const int64_t rows = window.out_rows(), wide = window.last().out;
  const double* last_counts = counts.data();
  for (int i = 0; i + 1 < window.axes; ++i) last_counts += window.axis[i].out;
  TRY(run_units<double>(call, pool.units(), pool.unit_cost(), wide, [&](int64_t begin, int64_t end, double* sums) {
    for (int64_t unit = begin; unit < end; ++unit) {
      std::fill_n(sums, wide, 0.0);
      sum_row(pool, input.data() + unit / rows * window.in_size(), unit % rows, sums,
              [](double sum, C value) { return sum + static_cast<double>(value); });
      double outer = 1;
      const double* axis_counts = last_counts;
      for (int64_t i = window.axes - 2, rest = unit % rows; i >= 0; --i) {
        axis_counts -= window.axis[i].out;
        outer *= axis_counts[rest % window.axis[i].out];
        rest /= window.axis[i].out;
      }
      C* to = y.data() + unit * wide;
      for (int64_t o = 0; o < wide; ++o) {
        const double count = outer * last_counts[o];
        to[o] = static_cast<C>(count > 0 ? sums[o] / count : 0.0);  // a window over pads alone has nothing to average
      }
    }
  }));
  y.finish(call);
  return {};
}

// |x|^p and its inverse for a sum of them.
double power(double x, int64_t p) {
  x = std::abs(x);
  return p == 1 ? x : p == 2 ? x * x : std::pow(x, static_cast<double>(p));
}
double root(double sum, int64_t p) {
  return p == 1 ? sum : p == 2 ? std::sqrt(sum) : std::pow(sum, 1.0 / static_cast<double>(p));
}

Result<int64_t> read_p(const Call& call) {
  const int64_t p = call.node().int_or("p", 2);
  if (p < 1) return call.invalid("attribute 'p'; got {}, need at least 1", p);
  return p;
}

template <class C>
Result<> lp_pool(Call& call, const Tensor& x, const Pool& pool, int64_t p) {
  const Window& window = pool.window;
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x.dtype(), pool.out_dims()));
  ASSIGN_OR_RETURN(const auto input, Wide<C>::make(call, x));
  const int64_t rows = window.out_rows(), wide = window.last().out;
  TRY(run_units<double>(call, pool.units(), pool.unit_cost(), wide, [&](int64_t begin, int64_t end, double* sums) {
    for (int64_t unit = begin; unit < end; ++unit) {
      std::fill_n(sums, wide, 0.0);
      sum_row(pool, input.data() + unit / rows * window.in_size(), unit % rows, sums,
              [p](double sum, C value) { return sum + power(static_cast<double>(value), p); });
      C* to = y.data() + unit * wide;
      for (int64_t o = 0; o < wide; ++o) to[o] = static_cast<C>(root(sums[o], p));
    }
  }));
  y.finish(call);
  return {};
}

// The number that stands for input `element` of a plane in MaxPool's second output: its place in the plane, row-major
// or (storage_order 1) column-major.
int64_t column_major(const Window& window, int64_t element) {
  int64_t place[kMaxSpatialAxes];
  for (int i = window.axes - 1; i >= 0; --i) {
    place[i] = element % window.axis[i].in;
    element /= window.axis[i].in;
  }
  int64_t number = 0;
  for (int i = window.axes - 1; i >= 0; --i) number = number * window.axis[i].in + place[i];
  return number;
}

// The largest input of each window; the first of equals, and a NaN before all numbers, is the one whose place counts.
template <class C>
void max_row_with_places(const Pool& pool, const C* plane, int64_t row, C* largest, int64_t* places) {
  const WindowAxis& last = pool.window.last();
  std::fill_n(places, last.out, int64_t{-1});
  pool.window.for_each_row(row, [&](int64_t, int64_t in_row) {
    for (const TapRun& run : pool.runs)
      for (int64_t o = run.begin; o < run.end; ++o) {
        const int64_t place = in_row * last.in + o * last.stride + run.offset;
        const C value = plane[place];
        if (places[o] < 0 || value > largest[o] || (value != value && largest[o] == largest[o])) {
          largest[o] = value;
          places[o] = place;
        }
      }
  });
}

template <class C>
Result<> max_pool(Call& call, const Tensor& x, const Pool& pool) {
  const Window& window = pool.window;
  ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x.dtype(), pool.out_dims()));
  int64_t* places = nullptr;
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(Tensor * indices, call.output(1, DType::I64, pool.out_dims()));
    places = indices->mutable_data<int64_t>();
  }
  ASSIGN_OR_RETURN(const auto input, Wide<C>::make(call, x));
  const bool by_column = call.node().int_or("storage_order", 0) != 0;
  const int64_t rows = window.out_rows(), wide = window.last().out, plane_size = window.in_size();
  call.parallel(pool.units(), 1 + (1 << 16) / pool.unit_cost(), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t plane = unit / rows;
      C* const to = y.data() + unit * wide;
      std::fill_n(to, wide, -std::numeric_limits<C>::infinity());  // what a window over pads alone keeps
      if (places == nullptr) {
        sum_row(pool, input.data() + plane * plane_size, unit % rows, to,
                [](C largest, C value) { return value > largest || value != value ? value : largest; });
        continue;
      }
      int64_t* const at = places + unit * wide;
      max_row_with_places(pool, input.data() + plane * plane_size, unit % rows, to, at);
      for (int64_t o = 0; o < wide; ++o)
        if (at[o] >= 0) at[o] = plane * plane_size + (by_column ? column_major(window, at[o]) : at[o]);
    }
  });
  y.finish(call);
  return {};
}

// f32 over the dense kernel, by way of channels-last images; false when it does not serve the pool.
Result<bool> pool_dense(Call& call, const Tensor& x, const Pool& pool, bool average) {
  ops::cpu::PoolJob job;
  if (x.dtype() != DType::F32 || call.wants(1) || !dense_shape(pool.window, pool.n, pool.channels, job.shape))
    return false;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, pool.out_dims()));
  if (y->size() == 0) return true;
  const int64_t positions = pool.window.out_size();
  const bool same = pool.channels == 1 || positions == 1;
  Scratch<float> in, out;
  ASSIGN_OR_RETURN(job.x, channels_last(call, x.data<float>(), pool.n, pool.channels, pool.window.in_size(), in));
  if (!same) {
    ASSIGN_OR_RETURN(out, Scratch<float>::make(call, {y->size()}));
  }
  job.y = same ? y->mutable_data<float>() : out.data();
  job.average = average;
  job.count_include_pad = average && call.node().int_or("count_include_pad", 0) != 0;
  job.pad_bottom = pool.window.axes == 2 ? pool.window.axis[0].pad_end : 0;
  job.pad_right = pool.window.last().pad_end;
  const auto& kernels = ops::cpu::dense_kernels();
  kernels.pool(job, call.pool());
  if (!same) kernels.transpose(out.data(), y->mutable_data<float>(), pool.n, positions, pool.channels, call.pool());
  return true;
}

}  // namespace

Result<> run_average_pool(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Pool pool, read_pool(call, x->dims()));
  ASSIGN_OR_RETURN(const bool done, pool_dense(call, *x, pool, true));
  if (done) return {};
  return in_working_float(call, x->dtype(), [&]<class C>() { return average_pool<C>(call, *x, pool); });
}

Result<> run_max_pool(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Pool pool, read_pool(call, x->dims()));
  ASSIGN_OR_RETURN(const bool done, pool_dense(call, *x, pool, false));
  if (done) return {};
  if (x->dtype() == DType::I8 || x->dtype() == DType::U8) return max_pool<float>(call, *x, pool);  // exact in float
  return in_working_float(call, x->dtype(), [&]<class C>() { return max_pool<C>(call, *x, pool); });
}

Result<> run_lp_pool(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const Pool pool, read_pool(call, x->dims()));
  ASSIGN_OR_RETURN(const int64_t p, read_p(call));
  return in_working_float(call, x->dtype(), [&]<class C>() { return lp_pool<C>(call, *x, pool, p); });
}

namespace {

// One number for each plane of [N, C, spatial…].
template <class Reduce>
Result<> reduce_planes(Call& call, Reduce&& reduce) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  if (x->rank() < 2) return call.invalid("input; got {}, need [N, C] and spatial axes", to_string(x->dims()));
  Dims dims{x->dim(0), x->dim(1)};
  for (int i = 2; i < x->rank(); ++i) dims.push_back(1);
  return in_working_float(call, x->dtype(), [&]<class C>() -> Result<> {
    ASSIGN_OR_RETURN(auto y, WideOutput<C>::make(call, 0, x->dtype(), dims));
    ASSIGN_OR_RETURN(const auto input, Wide<C>::make(call, *x));
    const int64_t planes = y.size(), size = planes == 0 ? 0 : x->size() / planes;
    call.parallel(planes, 1 + (1 << 16) / (size + 1), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane)
        y.data()[plane] = static_cast<C>(reduce(input.data() + plane * size, size));
    });
    y.finish(call);
    return {};
  });
}

// In double and in eight interleaved sums: planes can be long.
template <class C, class Map>
double sum_plane(const C* plane, int64_t size, Map map) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= size; i += 8)
    for (int64_t s = 0; s < 8; ++s) sums[s] += map(static_cast<double>(plane[i + s]));
  for (; i < size; ++i) sums[0] += map(static_cast<double>(plane[i]));
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace

Result<> run_global_average_pool(Call& call) {
  return reduce_planes(call, [](const auto* plane, int64_t size) {
    if constexpr (std::is_same_v<decltype(plane), const float*>)
      return float_loops().sum(plane, size) / static_cast<double>(size);
    else
      return sum_plane(plane, size, [](double x) { return x; }) / static_cast<double>(size);
  });
}

Result<> run_global_max_pool(Call& call) {
  return reduce_planes(call, [](const auto* plane, int64_t size) {
    auto largest = -std::numeric_limits<std::decay_t<decltype(*plane)>>::infinity();
    for (int64_t i = 0; i < size; ++i) largest = plane[i] > largest || plane[i] != plane[i] ? plane[i] : largest;
    return largest;
  });
}

Result<> run_global_lp_pool(Call& call) {
  ASSIGN_OR_RETURN(const int64_t p, read_p(call));
  return reduce_planes(call, [p](const auto* plane, int64_t size) {
    return root(sum_plane(plane, size, [p](double x) { return power(x, p); }), p);
  });
}

}  // namespace hearth::operators
