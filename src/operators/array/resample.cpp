#include "operators/array/resample.h"

#include <algorithm>
#include <cmath>

namespace hearth::operators {

namespace {

double source_of(const ResampleRules& rules, const ResampleAxis& axis, int64_t position) {
  const double x = static_cast<double>(position), last = static_cast<double>(axis.input - 1);
  const double exact = axis.exact_output > 0 ? axis.exact_output : static_cast<double>(axis.output);
  switch (rules.coordinates) {
    case Coordinates::HalfPixel:
      return (x + 0.5) / axis.scale - 0.5;
    case Coordinates::HalfPixelSymmetric: {
      const double adjustment = static_cast<double>(axis.output) / exact;
      return static_cast<double>(axis.input) / 2 * (1 - adjustment) + (x + 0.5) / axis.scale - 0.5;
    }
    case Coordinates::PytorchHalfPixel:
      return axis.output > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
    case Coordinates::AlignCorners:
      return axis.output > 1 ? x * last / (exact - 1) : 0;
    case Coordinates::Asymmetric:
      return x / axis.scale;
    case Coordinates::TfHalfPixelForNn:
      return (x + 0.5) / axis.scale;
    case Coordinates::TfCropAndResize:
      return axis.output > 1 ? axis.crop_begin * last + x * (axis.crop_end - axis.crop_begin) * last / (exact - 1)
                             : 0.5 * (axis.crop_begin + axis.crop_end) * last;
  }
  return 0;
}

int64_t nearest_to(const ResampleRules& rules, const ResampleAxis& axis, double source) {
  double whole = source;
  switch (rules.nearest) {
    case NearestMode::RoundPreferFloor:
      whole = std::ceil(source - 0.5);
      break;
    case NearestMode::RoundPreferCeil:
      whole = std::floor(source + 0.5);
      break;
    case NearestMode::Floor:
      whole = std::floor(source);
      break;
    case NearestMode::Ceil:
      whole = std::ceil(source);
      break;
    case NearestMode::CeilWhenShrinking:
      whole = axis.scale < 1 ? std::ceil(source) : std::floor(source);
      break;
  }
  return static_cast<int64_t>(std::clamp(whole, 0.0, static_cast<double>(axis.input - 1)));
}

double kernel_at(const ResampleRules& rules, double distance) {
  const double x = std::abs(distance), a = rules.cubic_a;
  if (rules.interpolation == Interpolation::Linear) return std::max(0.0, 1 - x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

// Positions around `source` and their weights. `first`: of the leftmost, relative to the position before `source`.
void fill_row(const ResampleRules& rules, const ResampleAxis& axis, double source, double stretch, int64_t first,
              std::span<int64_t> positions, std::span<double> weights) {
  const double before = std::ceil(source) - 1;
  double sum = 0;
  for (size_t k = 0; k < positions.size(); ++k) {
    const double position = before + static_cast<double>(first) + static_cast<double>(k);
    const bool outside = position < 0 || position > static_cast<double>(axis.input - 1);
    weights[k] = rules.exclude_outside && outside ? 0 : kernel_at(rules, (position - source) * stretch);
    positions[k] = static_cast<int64_t>(std::clamp(position, 0.0, static_cast<double>(axis.input - 1)));
    sum += weights[k];
  }
  if ((rules.exclude_outside || rules.antialias) && sum != 0)
    for (double& weight : weights) weight /= sum;
}

}  // namespace

bool ResampleAxis::is_identity(const ResampleRules& rules) const {
  return input == output && std::abs(scale - 1) < 1e-9 && crop_begin == 0 && crop_end == 1 &&
         rules.coordinates != Coordinates::TfHalfPixelForNn;
}

Result<Taps> make_taps(Call& call, const ResampleRules& rules, const ResampleAxis& axis) {
  const bool nearest = rules.interpolation == Interpolation::Nearest;
  // A shrinking axis stretches the kernel, so that every position of the input counts.
  const double stretch = rules.antialias ? std::min(axis.scale, 1.0) : 1.0;
  const double reach = (rules.interpolation == Interpolation::Cubic ? 2 : 1) / stretch;
  if (!(reach <= 4 * static_cast<double>(axis.input) + 16))
    return call.invalid("scale; got {} for a size of {}, which stretches the filter beyond it", axis.scale, axis.input);
  const auto first = static_cast<int64_t>(std::floor(-reach)) + 1;
  Taps taps;
  taps.count = nearest ? 1 : 2 - 2 * first;
  ASSIGN_OR_RETURN(taps.positions, Tensor::allocate(DType::I64, {axis.output, taps.count}, call.memory()));
  if (!nearest) {
    ASSIGN_OR_RETURN(taps.weights, Tensor::allocate(DType::F64, {axis.output, taps.count}, call.memory()));
  }
  auto* positions = taps.positions.mutable_data<int64_t>();
  const auto width = static_cast<size_t>(taps.count);
  for (int64_t o = 0; o < axis.output; ++o, positions += taps.count) {
    const double source = axis.is_identity(rules) ? static_cast<double>(o) : source_of(rules, axis, o);
    if (!std::isfinite(source)) return call.invalid("position {}; got {} as its place in the input", o, source);
    const bool extrapolated = rules.coordinates == Coordinates::TfCropAndResize &&
                              (source < 0 || source > static_cast<double>(axis.input - 1));
    if (extrapolated)
      std::fill_n(positions, taps.count, -1);
    else if (nearest)
      *positions = nearest_to(rules, axis, source);
    else
      fill_row(rules, axis, source, stretch, first, {positions, width},
               {taps.weights.mutable_data<double>() + o * taps.count, width});
  }
  return taps;
}

}  // namespace hearth::operators
