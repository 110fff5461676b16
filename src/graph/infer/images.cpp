// Resizing, sampling by grids, regions of images.
#include <algorithm>
#include <cmath>

#include "base/quote_bytes.h"
#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

// A size of a resized axis: counted in 32-bit floats, as the scales are.
Dimension scaled(const Dimension& size, double scale) {
  if (!size.known()) return scale == 1 ? size : Dimension();
  const float result = std::floor(static_cast<float>(size.size) * static_cast<float>(scale));
  return result >= 0 && result < 0x1p62f ? Dimension(static_cast<int64_t>(result)) : Dimension();
}

Result<> scale_all(InferContext& c, const std::vector<size_t>& axes, const std::vector<double>& scales) {
  const Shape& x = *c.shape(0);
  if (scales.size() != axes.size()) return c.invalid("scales; got {}, need {}", scales.size(), axes.size());
  Shape result = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!(scales[i] > 0)) return c.invalid("scale of axis {}; got {}, need more than 0", axes[i], scales[i]);
    result[axes[i]] = scaled(x[axes[i]], scales[i]);
  }
  c.set_shape(0, std::move(result));
  return {};
}

std::vector<size_t> all_axes(const Shape& shape) {
  std::vector<size_t> axes(shape.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = i;
  return axes;
}

Result<> upsample(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  if (c.opset() < 7) {
    TRY(c.need_rank(0, 4));
    return scale_all(c, {2, 3}, {c.node().float_or("height_scale", 1), c.node().float_or("width_scale", 1)});
  }
  if (c.opset() < 9) {
    const auto given = c.node().floats("scales");
    return scale_all(c, all_axes(*x), std::vector<double>(given.begin(), given.end()));
  }
  c.set_shape(0, unknown_shape(x->size()));
  const KnownValue* known = c.known(1);
  const auto scales = known != nullptr ? known->numbers() : std::nullopt;
  return scales ? scale_all(c, all_axes(*x), *scales) : Result<>();
}

// Sizes that keep the aspect ratio: one scale for all axes, the smallest or the largest of those asked for.
Shape keep_ratio(const Shape& x, const std::vector<size_t>& axes, const Shape& wanted, bool smallest) {
  Shape result = x;
  double scale = 0;
  bool told = true;
  for (size_t i = 0; i < axes.size(); ++i) {
    told = told && x[axes[i]].size > 0 && wanted[i].known();
    if (!told) break;
    const double one = static_cast<double>(wanted[i].size) / static_cast<double>(x[axes[i]].size);
    scale = i == 0 ? one : smallest ? std::min(scale, one) : std::max(scale, one);
  }
  for (const size_t axis : axes)
    result[axis] = told ? Dimension(static_cast<int64_t>(std::floor(scale * static_cast<double>(x[axis].size) + 0.5)))
                        : Dimension();
  return result;
}

Result<> resize_to(InferContext& c, const std::vector<size_t>& axes, const Shape& wanted) {
  const Shape& x = *c.shape(0);
  if (wanted.size() != axes.size()) return c.invalid("sizes; got {}, need {}", wanted.size(), axes.size());
  const std::string_view policy = c.node().string_or("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") {
    Shape result = x;
    for (size_t i = 0; i < axes.size(); ++i) result[axes[i]] = wanted[i];
    c.set_shape(0, std::move(result));
  } else if (policy == "not_larger" || policy == "not_smaller") {
    c.set_shape(0, keep_ratio(x, axes, wanted, policy == "not_larger"));
  } else {
    return c.invalid("attribute 'keep_aspect_ratio_policy'; got {}, need stretch, not_larger or not_smaller",
                     quote_bytes(policy, 20));
  }
  return {};
}

Result<> resize(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  c.set_shape(0, unknown_shape(x->size()));
  std::vector<size_t> axes = all_axes(*x);
  if (c.node().has("axes")) {
    ASSIGN_OR_RETURN(axes, c.axes(c.node().ints("axes"), x->size()));
    Shape partly = *x;
    for (const size_t axis : axes) partly[axis] = Dimension();
    c.set_shape(0, std::move(partly));
  }
  const size_t scales_at = c.opset() < 11 ? 1 : 2;
  if (c.has(3)) {
    ASSIGN_OR_RETURN(const auto wanted, c.sizes(3));
    return wanted ? resize_to(c, axes, *wanted) : Result<>();
  }
  const KnownValue* known = c.known(scales_at);
  auto scales = known != nullptr ? known->numbers() : std::nullopt;
  if (!scales || scales->empty()) return {};  // a model of opset 11 may give empty scales beside sizes
  if (c.node().string_or("coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    const KnownValue* roi = c.known(1);
    const auto bounds = roi != nullptr ? roi->numbers() : std::nullopt;
    if (!bounds || bounds->size() != 2 * scales->size()) return {};
    for (size_t i = 0; i < scales->size(); ++i) (*scales)[i] *= (*bounds)[scales->size() + i] - (*bounds)[i];
  }
  return scale_all(c, axes, *scales);
}

Result<> grid_sample(InferContext& c) {
  const Shape *x = c.shape(0), *grid = c.shape(1);
  const size_t rank = x != nullptr ? x->size() : grid != nullptr ? grid->size() : 0;
  if (rank == 0) return {};
  if (rank < 3) return c.invalid("dimensions; need at least 3, got {}", c.describe_inputs());
  TRY(c.need_rank(1, rank));
  Shape result = unknown_shape(rank);
  if (grid != nullptr) {
    if (!same_size(grid->back(), Dimension(static_cast<int64_t>(rank) - 2)))
      return c.invalid("last size of grid {}; need {}", c.describe(1), rank - 2);
    std::copy(grid->begin() + 1, grid->end() - 1, result.begin() + 2);
    result[0] = (*grid)[0];
  }
  if (x != nullptr) {
    auto batch = same_size((*x)[0], result[0]);
    if (!batch) return c.invalid("batches differ; got {}", c.describe_inputs());
    result[0] = std::move(*batch);
    result[1] = (*x)[1];
  }
  c.set_shape(0, std::move(result));
  return {};
}

Result<> affine_grid(InferContext& c) {
  TRY(c.need_rank(0, 3));
  ASSIGN_OR_RETURN(const auto size, c.sizes(1));
  if (!size) return {};
  if (size->size() != 4 && size->size() != 5) return c.invalid("size; got {} sizes, need 4 or 5", size->size());
  Shape result = {(*size)[0]};
  result.insert(result.end(), size->begin() + 2, size->end());
  result.emplace_back(static_cast<int64_t>(size->size()) - 2);
  c.set_shape(0, std::move(result));
  return {};
}

Dimension positive(int64_t size) {
  return size > 0 ? Dimension(size) : Dimension();
}

Result<> roi_align(InferContext& c) {
  TRY(c.need_rank(0, 4));
  TRY(c.need_rank(1, 2));
  const Shape *x = c.shape(0), *rois = c.shape(1), *batches = c.shape(2);
  Dimension count = rois != nullptr ? (*rois)[0] : Dimension();
  if (batches != nullptr && batches->size() == 1) {
    auto same = same_size(count, (*batches)[0]);
    if (!same) return c.invalid("regions; got {}", c.describe_inputs());
    count = std::move(*same);
  }
  c.set_shape(0, {count, x != nullptr ? (*x)[1] : Dimension(), positive(c.node().int_or("output_height", 1)),
                  positive(c.node().int_or("output_width", 1))});
  return {};
}

Result<> max_roi_pool(InferContext& c) {
  TRY(c.need_rank(0, 4));
  TRY(c.need_rank(1, 2));
  const Shape *x = c.shape(0), *rois = c.shape(1);
  const auto pooled = c.node().ints("pooled_shape");
  if (pooled.size() != 2) return c.invalid("attribute 'pooled_shape'; got {} sizes, need 2", pooled.size());
  c.set_shape(0, {rois != nullptr ? (*rois)[0] : Dimension(), x != nullptr ? (*x)[1] : Dimension(), positive(pooled[0]),
                  positive(pooled[1])});
  return {};
}

Result<> image_decoder(InferContext& c) {
  TRY(c.need_rank(0, 1));
  c.set_shape(0, unknown_shape(3));  // an image that cannot be decoded is empty in every dimension
  return {};
}

constexpr InferEntry kTable[] = {
    {"AffineGrid", affine_grid},  {"GridSample", grid_sample}, {"ImageDecoder", image_decoder},
    {"MaxRoiPool", max_roi_pool}, {"Resize", resize},          {"RoiAlign", roi_align},
    {"Upsample", upsample},
};

}  // namespace

std::span<const InferEntry> image_inference() {
  return kTable;
}

}  // namespace hearth::graph::infer
