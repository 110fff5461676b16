#include <algorithm>
#include <cmath>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/compute_copy.h"

namespace hearth::operators {

namespace {

// Samples of one bin and of all bins along one axis. An adaptive count follows from the regions, which are anybody's
// numbers.
constexpr int64_t kMaxSamples = 1 << 12, kMaxSamplesOfAxis = 1 << 20;

struct Rules {
  int64_t height, width, sampling_ratio;
  double scale;
  bool half_pixel, average;
};

Result<Rules> read_rules(const Call& call) {
  const graph::Node& node = call.node();
  Rules rules;
  rules.height = node.int_or("output_height", 1), rules.width = node.int_or("output_width", 1);
  rules.sampling_ratio = node.int_or("sampling_ratio", 0);
  rules.scale = node.float_or("spatial_scale", 1.0f);
  if (rules.height < 1 || rules.width < 1 || rules.height > kMaxTensorElements || rules.width > kMaxTensorElements)
    return call.invalid("output_height and output_width; got {} and {}, need 1 to {}", rules.height, rules.width,
                        kMaxTensorElements);
  if (rules.sampling_ratio < 0 || rules.sampling_ratio > kMaxSamples)
    return call.invalid("attribute sampling_ratio; got {}, need 0 to {}", rules.sampling_ratio, kMaxSamples);
  const std::string_view mode = node.string_or("mode", "avg");
  if (mode != "avg" && mode != "max") return call.invalid("attribute mode; got '{}', need avg or max", mode);
  rules.average = mode == "avg";
  // Opset 10 had no choice: it did not shift.
  const std::string_view transformation =
      node.string_or("coordinate_transformation_mode", call.opset() < 16 ? "output_half_pixel" : "half_pixel");
  if (transformation != "half_pixel" && transformation != "output_half_pixel")
    return call.invalid("attribute coordinate_transformation_mode; got '{}', need half_pixel or output_half_pixel",
                        transformation);
  rules.half_pixel = transformation == "half_pixel";
  return rules;
}

// Where a sample lies along one axis: between two positions.
template <class C>
struct Sample {
  int64_t low, high;
  C low_weight, high_weight;  // both 0: outside
};

// `samples[bin · per_bin + i]` for the bins of one axis; returns per_bin.
template <class C>
Result<int64_t> place_samples(const Call& call, const Rules& rules, C begin, C end, int64_t size, int64_t bins,
                              std::vector<Sample<C>>& samples) {
  const C scale = static_cast<C>(rules.scale), shift = rules.half_pixel ? C(0.5) : C(0);
  const C start = begin * scale - shift;
  C length = (end * scale - shift) - start;
  if (!std::isfinite(start) || !std::isfinite(length))
    return call.invalid("region; got {} to {}, need finite numbers", begin, end);
  if (!rules.half_pixel) length = std::max(length, C(1));  // as it was before the shift: no region is empty
  const C bin = length / static_cast<C>(bins);
  const C adaptive = std::max(C(0), std::ceil(bin));
  if (rules.sampling_ratio == 0 && !(adaptive <= static_cast<C>(kMaxSamples)))
    return call.invalid("region; got {} to {}, which asks for {} samples a bin, need at most {}", begin, end, adaptive,
                        kMaxSamples);
  const int64_t per_bin = rules.sampling_ratio > 0 ? rules.sampling_ratio : static_cast<int64_t>(adaptive);
  ASSIGN_OR_RETURN(const int64_t all, multiply_sizes(call, bins, per_bin));
  if (all > kMaxSamplesOfAxis)
    return call.invalid("samples along an axis; got {}, need at most {}", all, kMaxSamplesOfAxis);
  samples.resize(static_cast<size_t>(all));
  const C last = static_cast<C>(size - 1);
  for (int64_t i = 0; i < all; ++i) {
    const C within = (static_cast<C>(i % per_bin) + C(0.5)) * bin / static_cast<C>(per_bin);
    C at = start + static_cast<C>(i / per_bin) * bin + within;
    Sample<C>& sample = samples[static_cast<size_t>(i)];
    if (!(at >= -1 && at <= static_cast<C>(size))) {
      sample = {0, 0, 0, 0};
      continue;
    }
    at = std::clamp(at, C(0), last);
    const auto low = static_cast<int64_t>(at);
    const C part = at - static_cast<C>(low);
    sample = {low, std::min(low + 1, size - 1), 1 - part, part};
  }
  return per_bin;
}

template <class C>
C pool_bin(bool average, const Sample<C>* rows, int64_t row_count, const Sample<C>* columns, int64_t column_count,
           const C* image, int64_t width) {
  C pooled = 0;
  bool first = true;
  for (int64_t y = 0; y < row_count; ++y)
    for (int64_t x = 0; x < column_count; ++x) {
      const Sample<C>&row = rows[y], &column = columns[x];
      const C* low = image + row.low * width;
      const C* high = image + row.high * width;
      const C parts[] = {row.low_weight * column.low_weight * low[column.low],
                         row.low_weight * column.high_weight * low[column.high],
                         row.high_weight * column.low_weight * high[column.low],
                         row.high_weight * column.high_weight * high[column.high]};
      if (average) {
        pooled += parts[0] + parts[1] + parts[2] + parts[3];
      } else {
        // The greatest weighted corner, not the greatest interpolated value: so the operator is defined by its tests.
        const C value = std::max(std::max(parts[0], parts[1]), std::max(parts[2], parts[3]));
        pooled = first ? value : std::max(pooled, value);
      }
      first = false;
    }
  return average ? pooled / static_cast<C>(std::max<int64_t>(row_count * column_count, 1)) : pooled;
}

template <class C>
Result<> align(Call& call, const Rules& rules, const Tensor& images, const Tensor& regions,
               std::span<const int64_t> batch_indices, Tensor& output) {
  const int64_t channels = images.dim(1), height = images.dim(2), width = images.dim(3);
  std::vector<Sample<C>> rows, columns;
  for (size_t r = 0; r < batch_indices.size(); ++r) {
    TRY(call.check_cancelled());
    const C* box = regions.data<C>() + r * 4;
    ASSIGN_OR_RETURN(const int64_t column_count,
                     place_samples(call, rules, box[0], box[2], width, rules.width, columns));
    ASSIGN_OR_RETURN(const int64_t row_count, place_samples(call, rules, box[1], box[3], height, rules.height, rows));
    const C* image = images.data<C>() + batch_indices[r] * channels * height * width;
    C* to = output.mutable_data<C>() + static_cast<int64_t>(r) * channels * rules.height * rules.width;
    call.parallel(channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        for (int64_t y = 0; y < rules.height; ++y)
          for (int64_t x = 0; x < rules.width; ++x)
            to[(c * rules.height + y) * rules.width + x] =
                pool_bin(rules.average, rows.data() + y * row_count, row_count, columns.data() + x * column_count,
                         column_count, image + c * height * width, width);
    });
  }
  return {};
}

}  // namespace

Result<> run_roi_align(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* images, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* regions, call.tensor(1));
  ASSIGN_OR_RETURN(const auto batch_indices, int_list(call, 2));
  ASSIGN_OR_RETURN(const Rules rules, read_rules(call));
  const auto count = static_cast<int64_t>(batch_indices.size());
  if (images->rank() != 4) return call.invalid("input; got shape {}, need 4 dimensions", to_string(images->dims()));
  if (!(regions->dims() == Dims{count, 4}))
    return call.invalid("rois; got shape {}, need [{}, 4], one for each batch index", to_string(regions->dims()),
                        count);
  if (info(images->dtype()).kind != DTypeClass::Float || regions->dtype() != images->dtype())
    return call.invalid("input and rois; got {} and {}, need one float type", to_string(images->dtype()),
                        to_string(regions->dtype()));
  for (const int64_t index : batch_indices)
    if (index < 0 || index >= images->dim(0))
      return call.invalid("batch index; got {}, need 0 to {}", index, images->dim(0) - 1);
  ASSIGN_OR_RETURN(const Tensor wide, widen(call, *images));
  ASSIGN_OR_RETURN(const Tensor wide_regions, widen(call, *regions));
  ASSIGN_OR_RETURN(Tensor output,
                   Tensor::allocate(wide.dtype(), {count, images->dim(1), rules.height, rules.width}, call.memory()));
  if (output.size() > 0) {
    if (images->size() == 0)
      return call.invalid("input; got shape {}, need elements to pool", to_string(images->dims()));
    TRY(wide.dtype() == DType::F64 ? align<double>(call, rules, wide, wide_regions, batch_indices, output)
                                   : align<float>(call, rules, wide, wide_regions, batch_indices, output));
  }
  return narrow(call, output, Rounding::Nearest, 0, images->dtype());
}

}  // namespace hearth::operators
