#include <algorithm>
#include <cmath>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/compute_copy.h"
#include "operators/convert.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

enum class Mode { Nearest, Linear, Cubic };
enum class Padding { Zeros, Border, Reflection };

constexpr int kMaxAxes = HEARTH_MAX_RANK - 2;
constexpr double kCubicA = -0.75;
constexpr int64_t kGrainPoints = 256;
constexpr int64_t kMaxTaps = 1 << 20;  // found at a time: a cubic point of three axes has 64

struct Rules {
  Mode mode;
  Padding padding;
  bool align_corners;
  int64_t taps_per_axis() const { return mode == Mode::Nearest ? 1 : mode == Mode::Linear ? 2 : 4; }
};

Result<Rules> read_rules(const Call& call) {
  Rules rules;
  const std::string_view mode = call.node().string_or("mode", "linear");
  if (mode == "linear" || mode == "bilinear")  // the longer words are opset 16's
    rules.mode = Mode::Linear;
  else if (mode == "cubic" || mode == "bicubic")
    rules.mode = Mode::Cubic;
  else if (mode == "nearest")
    rules.mode = Mode::Nearest;
  else
    return call.invalid("attribute mode; got '{}', need linear, nearest or cubic", mode);
  const std::string_view padding = call.node().string_or("padding_mode", "zeros");
  if (padding == "zeros")
    rules.padding = Padding::Zeros;
  else if (padding == "border")
    rules.padding = Padding::Border;
  else if (padding == "reflection")
    rules.padding = Padding::Reflection;
  else
    return call.invalid("attribute padding_mode; got '{}', need zeros, border or reflection", padding);
  rules.align_corners = call.node().int_or("align_corners", 0) != 0;
  return rules;
}

// Mirrored at the ends until it lies between them.
template <class C>
C reflect(C x, C low, C high) {
  const C range = high - low;
  if (range <= 0) return low;
  if (x >= low && x <= high) return x;
  const C distance = x < low ? low - x : x - high;
  const C turns = std::floor(distance / range), rest = distance - turns * range;
  const bool from_low = (x < low) == (std::fmod(turns, C(2)) == 0);
  return from_low ? low + rest : high - rest;
}

// The positions along one axis that a point is made of; -1: outside, where zeros are.
struct AxisTaps {
  int64_t positions[4];
  double weights[4];
};

// C: the precision of the grid, in which the point is found.
template <class C>
class AxisSampler {
 public:
  AxisSampler(const Rules& rules, int64_t size) : rules_(rules), size_(size) {
    low_ = rules.align_corners ? C(0) : C(-0.5);
    high_ = static_cast<C>(size) - (rules.align_corners ? C(1) : C(0.5));
  }

  void find(C normalised, AxisTaps& taps) const {
    const C length = static_cast<C>(size_);
    C x = rules_.align_corners ? (normalised + 1) / 2 * (length - 1) : ((normalised + 1) * length - 1) / 2;
    if (!(std::abs(x) < C(1 << 30))) {  // not a number, or too far out for whole numbers beside it
      if (rules_.padding == Padding::Zeros) {
        taps = {{-1, -1, -1, -1}, {0, 0, 0, 0}};
        return;
      }
      x = rules_.padding == Padding::Border && x > 0 ? length - 1 : C(0);
    }
    if (rules_.mode == Mode::Nearest) x = std::nearbyint(x);
    if (x < low_ || x > high_) {
      if (rules_.padding == Padding::Border) x = std::clamp(x, C(0), length - 1);
      if (rules_.padding == Padding::Reflection) x = reflect(x, low_, high_);
    }
    if (rules_.mode == Mode::Nearest) {
      taps.positions[0] = place(static_cast<int64_t>(x));
      taps.weights[0] = 1;
      return;
    }
    const C before = std::floor(x);
    const double part = static_cast<double>(x - before);
    const auto first = static_cast<int64_t>(before);
    if (rules_.mode == Mode::Linear) {
      taps = {{place(first), place(first + 1)}, {1 - part, part}};
      return;
    }
    const auto near = [](double t) { return ((kCubicA + 2) * t - (kCubicA + 3)) * t * t + 1; };
    const auto far = [](double t) { return ((kCubicA * t - 5 * kCubicA) * t + 8 * kCubicA) * t - 4 * kCubicA; };
    taps = {{place(first - 1), place(first), place(first + 1), place(first + 2)},
            {far(part + 1), near(part), near(1 - part), far(2 - part)}};
  }

 private:
  int64_t place(int64_t at) const {
    if (at >= 0 && at < size_) return at;
    if (rules_.padding == Padding::Zeros) return -1;
    if (rules_.padding == Padding::Border) return std::clamp<int64_t>(at, 0, size_ - 1);
    const C inside = reflect(static_cast<C>(at), low_, high_);
    return std::clamp<int64_t>(static_cast<int64_t>(inside), 0, size_ - 1);
  }

  Rules rules_;
  int64_t size_;
  C low_, high_;
};

// The elements that points are made of: a row of places in a channel (-1: zero) and a row of weights for each point.
struct PointTaps {
  int64_t count = 1;
  Tensor places, weights;  // I64 and F64 [points, count]
};

template <class C>
Result<PointTaps> find_points(Call& call, const Rules& rules, const Tensor& grid, std::span<const int64_t> sizes) {
  const auto axes = static_cast<int>(sizes.size());
  PointTaps taps;
  for (int i = 0; i < axes; ++i) taps.count *= rules.taps_per_axis();
  const int64_t points = grid.size() / axes;
  ASSIGN_OR_RETURN(taps.places, Tensor::allocate(DType::I64, {points, taps.count}, call.memory()));
  ASSIGN_OR_RETURN(taps.weights, Tensor::allocate(DType::F64, {points, taps.count}, call.memory()));
  std::vector<AxisSampler<C>> samplers;
  for (const int64_t size : sizes) samplers.emplace_back(rules, size);
  auto* all_places = taps.places.mutable_data<int64_t>();
  auto* all_weights = taps.weights.mutable_data<double>();
  const int64_t per_axis = rules.taps_per_axis();
  call.parallel(points, kGrainPoints, [&](int64_t begin, int64_t end) {
    for (int64_t point = begin; point < end; ++point) {
      int64_t* places = all_places + point * taps.count;
      double* weights = all_weights + point * taps.count;
      places[0] = 0, weights[0] = 1;
      int64_t filled = 1;
      for (int i = 0; i < axes; ++i) {
        AxisTaps axis;
        // The grid names the innermost axis first.
        samplers[static_cast<size_t>(i)].find(grid.data<C>()[point * axes + axes - 1 - i], axis);
        // From the back, so that what is still to be read is not yet overwritten.
        for (int64_t old = filled - 1; old >= 0; --old)
          for (int64_t k = per_axis - 1; k >= 0; --k) {
            const bool inside = places[old] >= 0 && axis.positions[k] >= 0;
            places[old * per_axis + k] = inside ? places[old] * sizes[static_cast<size_t>(i)] + axis.positions[k] : -1;
            weights[old * per_axis + k] = weights[old] * axis.weights[k];
          }
        filled *= per_axis;
      }
    }
  });
  return taps;
}

// [channels, from_size] → [channels, points], of which the taps are those from `first` on.
struct Channels {
  int64_t count, from_size, points;
};

template <class T>
void sample(Call& call, const Channels& channels, const PointTaps& taps, const T* from, T* to) {
  const auto* all_places = taps.places.data<int64_t>();
  const auto* all_weights = taps.weights.data<double>();
  using Weight =
      std::conditional_t<std::is_same_v<T, double> || std::is_same_v<T, std::complex<double>>, double, float>;
  call.parallel(taps.places.dim(0), kGrainPoints, [&](int64_t begin, int64_t end) {
    for (int64_t c = 0; c < channels.count; ++c)
      for (int64_t point = begin; point < end; ++point) {
        const int64_t* places = all_places + point * taps.count;
        const double* weights = all_weights + point * taps.count;
        T sum{};
        for (int64_t k = 0; k < taps.count; ++k)
          if (places[k] >= 0) sum += static_cast<Weight>(weights[k]) * from[c * channels.from_size + places[k]];
        to[c * channels.points + point] = sum;
      }
  });
}

template <class T>
void pick(const Channels& channels, const PointTaps& taps, const T* from, T* to) {
  const auto* places = taps.places.data<int64_t>();
  for (int64_t c = 0; c < channels.count; ++c)
    for (int64_t point = 0; point < taps.places.dim(0); ++point)
      to[c * channels.points + point] = places[point] >= 0 ? from[c * channels.from_size + places[point]] : T{};
}

struct Problem {
  const Tensor* input;
  Tensor grid;  // F32 or F64
  Rules rules;
  std::vector<int64_t> sizes;  // spatial, of the input
  Dims dims;                   // of the output
  Channels channels;
};

Result<Problem> read_problem(Call& call) {
  Problem problem;
  ASSIGN_OR_RETURN(problem.input, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* grid, call.tensor(1));
  ASSIGN_OR_RETURN(problem.rules, read_rules(call));
  const Tensor& input = *problem.input;
  const int axes = input.rank() - 2;
  if (axes < 1 || grid->rank() != input.rank() || grid->dims().back() != axes || grid->dim(0) != input.dim(0))
    return call.invalid("input and grid; got shapes {} and {}, need [N, C, D1, …, Dr] and [N, …, r]",
                        to_string(input.dims()), to_string(grid->dims()));
  if (info(grid->dtype()).kind != DTypeClass::Float)
    return call.invalid("grid; got {}, need floats", to_string(grid->dtype()));
  ASSIGN_OR_RETURN(problem.grid, widen(call, *grid));
  problem.dims = {input.dim(0), input.dim(1)};
  problem.channels = {input.dim(1), 1, 1};
  for (int i = 0; i < axes; ++i) {
    if (input.dim(i + 2) < 1)
      return call.invalid("input; got shape {}, need elements to sample", to_string(input.dims()));
    problem.sizes.push_back(input.dim(i + 2));
    problem.dims.push_back(grid->dim(i + 1));
    ASSIGN_OR_RETURN(problem.channels.from_size, multiply_sizes(call, problem.channels.from_size, input.dim(i + 2)));
    ASSIGN_OR_RETURN(problem.channels.points, multiply_sizes(call, problem.channels.points, grid->dim(i + 1)));
  }
  return problem;
}

// Calls function(taps, from, to) for some points after the others, until all of the batch had their turn; `from` and
// `to` are the places in input and output, of channel 0, where these points begin.
template <class Function>
Result<> each_chunk(Call& call, const Problem& problem, Function&& function) {
  const Channels& channels = problem.channels;
  const auto axes = static_cast<int64_t>(problem.sizes.size());
  int64_t taps_per_point = 1;
  for (int64_t i = 0; i < axes; ++i) taps_per_point *= problem.rules.taps_per_axis();
  const int64_t chunk = std::max<int64_t>(1, kMaxTaps / taps_per_point);
  for (int64_t n = 0; n < problem.input->dim(0); ++n)
    for (int64_t first = 0; first < channels.points; first += chunk) {
      TRY(call.check_cancelled());
      const int64_t count = std::min(chunk, channels.points - first);
      const Tensor& all = problem.grid;
      const Tensor grid = Tensor::borrow(element_at(all.dtype(), all.raw(), (n * channels.points + first) * axes),
                                         all.dtype(), {count * axes}, all.owner());
      auto taps = grid.dtype() == DType::F64 ? find_points<double>(call, problem.rules, grid, problem.sizes)
                                             : find_points<float>(call, problem.rules, grid, problem.sizes);
      if (!taps) return std::unexpected(std::move(taps).error());
      function(*taps, n * channels.count * channels.from_size, n * channels.count * channels.points + first);
    }
  return {};
}

}  // namespace

Result<> run_grid_sample(Call& call) {
  ASSIGN_OR_RETURN(const Problem problem, read_problem(call));
  const Tensor& input = *problem.input;
  const Channels& channels = problem.channels;
  if (problem.rules.mode == Mode::Nearest) {  // no arithmetic: every type, exactly
    ASSIGN_OR_RETURN(Tensor * output, call.output(0, input.dtype(), problem.dims));
    if (output->size() == 0) return {};
    return each_chunk(call, problem, [&](const PointTaps& taps, int64_t from, int64_t to) {
      with_storage(input.dtype(),
                   [&]<class T>() { pick(channels, taps, input.data<T>() + from, output->mutable_data<T>() + to); });
    });
  }
  ASSIGN_OR_RETURN(const Tensor wide, widen(call, input));
  ASSIGN_OR_RETURN(Tensor sampled, Tensor::allocate(wide.dtype(), problem.dims, call.memory()));
  if (sampled.size() > 0)
    TRY(each_chunk(call, problem, [&](const PointTaps& taps, int64_t from, int64_t to) {
      with_type(TypeList<float, double, std::complex<float>, std::complex<double>>{}, wide.dtype(), [&]<class T>() {
        sample(call, channels, taps, wide.data<T>() + from, sampled.mutable_data<T>() + to);
      });
    }));
  return narrow(call, sampled, Rounding::TowardsZero, 0, input.dtype());
}

}  // namespace hearth::operators
