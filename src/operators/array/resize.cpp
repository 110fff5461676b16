#include <algorithm>
#include <cmath>
#include <numeric>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/compute_copy.h"
#include "operators/array/mapped_copy.h"
#include "operators/array/resample.h"
#include "tensor/element.h"

namespace hearth::operators {

namespace {

constexpr int64_t kGrainProducts = 1 << 15;

struct Request {
  ResampleRules rules;
  std::vector<ResampleAxis> axes;  // one a dimension
  float extrapolation = 0;

  bool is_identity() const {
    return std::ranges::all_of(axes, [&](const ResampleAxis& axis) { return axis.is_identity(rules); });
  }
};

template <class Enum>
struct Named {
  std::string_view name;
  Enum value;
};

template <class Enum, size_t kCount>
Result<Enum> read_choice(const Call& call, std::string_view attribute, const Named<Enum> (&choices)[kCount]) {
  const std::string_view name = call.node().string_or(attribute, choices[0].name);
  for (const auto& choice : choices)
    if (choice.name == name) return choice.value;
  std::string known;
  for (const auto& choice : choices) known += fmt::format("{}{}", known.empty() ? "" : ", ", choice.name);
  return call.invalid("attribute {}; got '{}', need one of {}", attribute, name, known);
}

constexpr Named<Interpolation> kInterpolations[] = {
    {"nearest", Interpolation::Nearest}, {"linear", Interpolation::Linear}, {"cubic", Interpolation::Cubic}};
constexpr Named<Coordinates> kCoordinates[] = {{"half_pixel", Coordinates::HalfPixel},
                                               {"half_pixel_symmetric", Coordinates::HalfPixelSymmetric},
                                               {"pytorch_half_pixel", Coordinates::PytorchHalfPixel},
                                               {"align_corners", Coordinates::AlignCorners},
                                               {"asymmetric", Coordinates::Asymmetric},
                                               {"tf_half_pixel_for_nn", Coordinates::TfHalfPixelForNn},
                                               {"tf_crop_and_resize", Coordinates::TfCropAndResize}};
constexpr Named<NearestMode> kNearestModes[] = {{"round_prefer_floor", NearestMode::RoundPreferFloor},
                                                {"round_prefer_ceil", NearestMode::RoundPreferCeil},
                                                {"floor", NearestMode::Floor},
                                                {"ceil", NearestMode::Ceil}};
enum class AspectRatio { Stretch, NotLarger, NotSmaller };
constexpr Named<AspectRatio> kAspectRatios[] = {{"stretch", AspectRatio::Stretch},
                                                {"not_larger", AspectRatio::NotLarger},
                                                {"not_smaller", AspectRatio::NotSmaller}};

Result<ResampleRules> read_rules(const Call& call) {
  ResampleRules rules;
  ASSIGN_OR_RETURN(rules.interpolation, read_choice(call, "mode", kInterpolations));
  ASSIGN_OR_RETURN(rules.coordinates, read_choice(call, "coordinate_transformation_mode", kCoordinates));
  ASSIGN_OR_RETURN(rules.nearest, read_choice(call, "nearest_mode", kNearestModes));
  rules.cubic_a = call.node().float_or("cubic_coeff_a", -0.75f);
  rules.antialias = call.node().int_or("antialias", 0) != 0;
  rules.exclude_outside = call.node().int_or("exclude_outside", 0) != 0;
  if (rules.antialias && rules.interpolation == Interpolation::Nearest)
    return call.invalid("attribute antialias; got 1 for mode nearest, need mode linear or cubic");
  return rules;
}

// floor(size × scale). In single precision, as the scales are: 10 × 0.7 is 7.
Result<int64_t> scaled_size(const Call& call, int64_t size, float scale, double part) {
  if (!(scale > 0) || !std::isfinite(scale)) return call.invalid("scale; got {}, need a number greater than 0", scale);
  if (scale == 1.0f && part == 1) return size;
  const double exact = static_cast<double>(size) * part * scale;
  const double scaled =
      size < 1 << 24 ? static_cast<double>(static_cast<float>(size) * static_cast<float>(part) * scale) : exact;
  if (!(scaled <= static_cast<double>(kMaxTensorElements)))
    return call.invalid("size {} scaled by {}; need at most {}", size, scale, kMaxTensorElements);
  return static_cast<int64_t>(std::max(0.0, std::floor(scaled)));
}

Result<> apply_scales(const Call& call, std::span<const float> scales, std::span<const int> axes, Request& request) {
  if (scales.size() != axes.size())
    return call.invalid("scales; got {} of them, need {}, one for each axis", scales.size(), axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    ResampleAxis& axis = request.axes[static_cast<size_t>(axes[i])];
    const bool crops = request.rules.coordinates == Coordinates::TfCropAndResize;
    const double part = crops ? axis.crop_end - axis.crop_begin : 1;
    axis.scale = scales[i];
    ASSIGN_OR_RETURN(axis.output, scaled_size(call, axis.input, scales[i], part));
    const double exact = static_cast<double>(axis.input) * part * scales[i];
    if (std::abs(exact - static_cast<double>(axis.output)) > 1e-6 * exact) axis.exact_output = exact;
  }
  return {};
}

Result<> apply_sizes(const Call& call, std::span<const int64_t> sizes, std::span<const int> axes, Request& request) {
  ASSIGN_OR_RETURN(const AspectRatio policy, read_choice(call, "keep_aspect_ratio_policy", kAspectRatios));
  if (sizes.size() != axes.size())
    return call.invalid("sizes; got {} of them, need {}, one for each axis", sizes.size(), axes.size());
  double common = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    ResampleAxis& axis = request.axes[static_cast<size_t>(axes[i])];
    if (sizes[i] < 0 || sizes[i] > kMaxTensorElements)
      return call.invalid("size; got {}, need 0 to {}", sizes[i], kMaxTensorElements);
    axis.output = sizes[i];
    axis.scale = static_cast<double>(sizes[i]) / static_cast<double>(std::max<int64_t>(axis.input, 1));
    if (i == 0 || (policy == AspectRatio::NotLarger ? axis.scale < common : axis.scale > common)) common = axis.scale;
  }
  if (policy == AspectRatio::Stretch) return {};
  for (const int i : axes) {
    ResampleAxis& axis = request.axes[static_cast<size_t>(i)];
    axis.scale = common;
    axis.exact_output = common * static_cast<double>(axis.input);
    axis.output = static_cast<int64_t>(std::floor(axis.exact_output + 0.5));
  }
  return {};
}

Result<> read_crop(const Call& call, std::span<const int> axes, Request& request) {
  ASSIGN_OR_RETURN(const Tensor* roi, call.tensor(1));
  if (roi->size() != 2 * static_cast<int64_t>(axes.size()))
    return call.invalid("roi; got {} numbers, need {}, two for each axis", roi->size(), 2 * axes.size());
  if (!with_type(TypeList<float, double, Half>{}, roi->dtype(), [&]<class T>() {
        for (size_t i = 0; i < axes.size(); ++i) {
          ResampleAxis& axis = request.axes[static_cast<size_t>(axes[i])];
          axis.crop_begin = static_cast<double>(static_cast<ComputeType<T>>(roi->data<T>()[i]));
          axis.crop_end = static_cast<double>(static_cast<ComputeType<T>>(roi->data<T>()[axes.size() + i]));
        }
      }))
    return call.invalid("roi; got {}, need floats", to_string(roi->dtype()));
  for (const ResampleAxis& axis : request.axes)
    if (!std::isfinite(axis.crop_begin) || !std::isfinite(axis.crop_end))
      return call.invalid("roi; got {} to {}, need finite numbers", axis.crop_begin, axis.crop_end);
  return {};
}

Result<std::vector<float>> read_scales(const Call& call, int i) {
  ASSIGN_OR_RETURN(const Tensor* scales, call.tensor(i));
  if (scales->dtype() != DType::F32) return call.invalid("scales; got {}, need float", to_string(scales->dtype()));
  return std::vector<float>(scales->data<float>(), scales->data<float>() + scales->size());
}

std::vector<ResampleAxis> unchanged_axes(const Tensor& input) {
  std::vector<ResampleAxis> axes;
  for (const int64_t size : input.dims()) axes.push_back({.input = size, .output = size});
  return axes;
}

Result<Request> read_request(const Call& call, const Tensor& input) {
  Request request;
  request.axes = unchanged_axes(input);
  std::vector<int> axes(request.axes.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (call.opset() < 11) {  // of what follows it knows `mode` and `scales` only
    ASSIGN_OR_RETURN(request.rules.interpolation, read_choice(call, "mode", kInterpolations));
    request.rules.coordinates = Coordinates::Asymmetric;
    request.rules.nearest = NearestMode::CeilWhenShrinking;
    ASSIGN_OR_RETURN(const auto scales, read_scales(call, 1));
    TRY(apply_scales(call, scales, axes, request));
    return request;
  }
  ASSIGN_OR_RETURN(request.rules, read_rules(call));
  request.extrapolation = call.node().float_or("extrapolation_value", 0);
  if (call.node().has("axes")) {
    ASSIGN_OR_RETURN(axes, resolve_axes(call, call.node().ints("axes"), input.rank()));
  }
  if (request.rules.coordinates == Coordinates::TfCropAndResize) TRY(read_crop(call, axes, request));
  // An empty tensor stands for an absent one: before opset 13 neither could be left out.
  const auto given = [&](int i) {
    return call.has(i) && call.value(i).tensor() != nullptr && call.input(i).size() > 0;
  };
  if (given(2) == given(3) && !axes.empty())
    return call.invalid("scales and sizes; got {}, need one of them", given(2) ? "both" : "neither");
  if (given(2)) {
    ASSIGN_OR_RETURN(const auto scales, read_scales(call, 2));
    TRY(apply_scales(call, scales, axes, request));
  } else if (given(3)) {
    ASSIGN_OR_RETURN(const auto sizes, int_list(call, 3));
    TRY(apply_sizes(call, sizes, axes, request));
  }
  return request;
}

// One axis of a tensor seen as [outer, axis, inner].
struct Pass {
  int64_t outer, input, output, inner;
};

template <class C>
void resample(Call& call, const Pass& pass, const Taps& taps, C extrapolation, const C* from, C* to) {
  const auto* positions = taps.positions.data<int64_t>();
  const auto* weights = taps.weights.data<double>();
  const int64_t grain = std::max<int64_t>(1, kGrainProducts / (pass.inner * taps.count));
  call.parallel(pass.outer * pass.output, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t o = row % pass.output;
      const C* source = from + row / pass.output * pass.input * pass.inner;
      C* target = to + row * pass.inner;
      const int64_t* position = positions + o * taps.count;
      const double* weight = weights + o * taps.count;
      if (position[0] < 0) {
        std::fill_n(target, pass.inner, extrapolation);
      } else if (pass.inner == 1) {
        C sum = 0;
        for (int64_t k = 0; k < taps.count; ++k)  // an infinity that has no part in the sum stays out of it
          if (weight[k] != 0) sum += static_cast<C>(weight[k]) * source[position[k]];
        *target = sum;
      } else {
        std::fill_n(target, pass.inner, C(0));
        for (int64_t k = 0; k < taps.count; ++k) {
          const C part = static_cast<C>(weight[k]);
          const C* line = source + position[k] * pass.inner;
          if (part == 0) continue;
          for (int64_t i = 0; i < pass.inner; ++i) target[i] += part * line[i];
        }
      }
    }
  });
}

// Interpolation is separable: one axis after the other, each in the precision of the elements.
Result<> interpolate(Call& call, const Tensor& input, const Request& request) {
  ASSIGN_OR_RETURN(Tensor current, widen(call, input));
  const bool is_complex = info(input.dtype()).kind == DTypeClass::Complex;
  const bool is_double = current.dtype() == DType::F64 || current.dtype() == DType::C128;
  for (int i = 0; i < input.rank(); ++i) {
    const ResampleAxis& axis = request.axes[static_cast<size_t>(i)];
    if (axis.is_identity(request.rules)) continue;
    TRY(call.check_cancelled());
    ASSIGN_OR_RETURN(const Taps taps, make_taps(call, request.rules, axis));
    Dims dims = current.dims();
    dims[static_cast<size_t>(i)] = axis.output;
    ASSIGN_OR_RETURN(Tensor next, Tensor::allocate(current.dtype(), dims, call.memory()));
    Pass pass{1, axis.input, axis.output, is_complex ? 2 : 1};  // a complex number is two that go the same way
    for (int k = 0; k < i; ++k) pass.outer *= dims[static_cast<size_t>(k)];
    for (int k = i + 1; k < input.rank(); ++k) pass.inner *= dims[static_cast<size_t>(k)];
    if (is_double)
      resample(call, pass, taps, static_cast<double>(request.extrapolation), static_cast<const double*>(current.raw()),
               static_cast<double*>(next.mutable_raw()));
    else
      resample(call, pass, taps, request.extrapolation, static_cast<const float*>(current.raw()),
               static_cast<float*>(next.mutable_raw()));
    current = std::move(next);
  }
  return narrow(call, current, Rounding::Nearest, 0, input.dtype());
}

// The extrapolation value as an element.
Result<Tensor> extrapolated_element(Call& call, const Tensor& input, float value) {
  ASSIGN_OR_RETURN(Tensor element, Tensor::allocate(input.dtype(), {}, call.memory()));
  using Types = TypeList<float, double, Half, BFloat16, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                         uint64_t, bool, std::complex<float>, std::complex<double>>;
  const bool known = with_type(Types{}, input.dtype(),
                               [&]<class T>() { *element.mutable_data<T>() = narrow_to<T>(value, Rounding::Nearest); });
  if (!known && value != 0)
    return call.invalid("attribute extrapolation_value; got {} for elements of {}", value, to_string(input.dtype()));
  return element;
}

Result<> pick_nearest(Call& call, const Tensor& input, const Request& request, const Dims& dims) {
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input.dtype(), dims));
  std::vector<Taps> taps(request.axes.size());
  std::vector<const int64_t*> maps;
  bool extrapolates = false;
  for (size_t i = 0; i < taps.size(); ++i) {
    ASSIGN_OR_RETURN(taps[i], make_taps(call, request.rules, request.axes[i]));
    const auto* map = taps[i].positions.data<int64_t>();
    extrapolates |= std::any_of(map, map + request.axes[i].output, [](int64_t at) { return at < 0; });
    maps.push_back(map);
  }
  ASSIGN_OR_RETURN(const Tensor outside, extrapolated_element(call, input, request.extrapolation));
  copy_mapped(call, input, maps, extrapolates ? outside.raw() : nullptr, *output);
  return {};
}

Result<> resize(Call& call, const Tensor& input, const Request& request) {
  if (request.is_identity()) {
    call.set_output(0, input);
    return {};
  }
  std::vector<int64_t> sizes;
  for (const ResampleAxis& axis : request.axes) sizes.push_back(axis.output);
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  ASSIGN_OR_RETURN(const int64_t count, count_elements(dims));
  if (count > 0 && input.size() == 0)
    return call.invalid("sizes; got {} for an input of shape {}, which has no elements", to_string(dims),
                        to_string(input.dims()));
  if (count == 0) {
    TRY(call.output(0, input.dtype(), dims));
    return {};
  }
  if (request.rules.interpolation == Interpolation::Nearest) return pick_nearest(call, input, request, dims);
  return interpolate(call, input, request);
}

}  // namespace

Result<> run_resize(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const Request request, read_request(call, *input));
  return resize(call, *input, request);
}

Result<> run_upsample(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  Request request;
  request.axes = unchanged_axes(*input);
  request.rules.coordinates = Coordinates::Asymmetric;
  request.rules.nearest = NearestMode::Floor;
  const std::string_view mode = call.node().string_or("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "bilinear")
    return call.invalid("attribute mode; got '{}', need nearest or linear", mode);
  request.rules.interpolation = mode == "nearest" ? Interpolation::Nearest : Interpolation::Linear;
  std::vector<float> scales;
  if (call.opset() >= 9) {
    ASSIGN_OR_RETURN(scales, read_scales(call, 1));
  } else if (call.opset() >= 7) {
    const auto given = call.node().floats("scales");
    scales.assign(given.begin(), given.end());
  } else {
    scales = {1, 1, call.node().float_or("height_scale", 1), call.node().float_or("width_scale", 1)};
  }
  std::vector<int> axes(request.axes.size());
  std::iota(axes.begin(), axes.end(), 0);
  for (const float scale : scales)
    if (scale < 1) return call.invalid("scale; got {}, need at least 1", scale);
  TRY(apply_scales(call, scales, axes, request));
  return resize(call, *input, request);
}

}  // namespace hearth::operators
