#include <algorithm>
#include <cmath>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/compute_copy.h"

namespace hearth::operators {

namespace {

// Their product, and with it every number below, fits in 63 bits.
constexpr double kMaxCoordinate = 0x1p40;
constexpr int64_t kMaxBins = 1 << 20;

struct Bins {
  int64_t start, length, count;  // in positions of the image; `count` bins share them

  // Positions [first, past) of a bin, as far as they lie in an axis of `size`.
  std::pair<int64_t, int64_t> range(int64_t bin, int64_t size) const {
    const int64_t first = bin * length / count + start;
    const int64_t past = ((bin + 1) * length + count - 1) / count + start;
    return {std::clamp<int64_t>(first, 0, size), std::clamp<int64_t>(past, 0, size)};
  }
};

// Both ends belong to the region; one that ends before it begins has the size 1.
template <class C>
Result<Bins> read_bins(const Call& call, C begin, C end, double scale, int64_t count) {
  const double first = std::round(static_cast<double>(begin) * scale),
               last = std::round(static_cast<double>(end) * scale);
  if (!(std::abs(first) < kMaxCoordinate && std::abs(last) < kMaxCoordinate))
    return call.invalid("region; got {} to {}, need numbers below {}", begin, end, kMaxCoordinate);
  return Bins{static_cast<int64_t>(first), std::max<int64_t>(static_cast<int64_t>(last - first) + 1, 1), count};
}

template <class C>
Result<> pool(Call& call, const Tensor& images, const Tensor& regions, double scale, Tensor& output) {
  const int64_t channels = images.dim(1), height = images.dim(2), width = images.dim(3);
  const int64_t out_height = output.dim(2), out_width = output.dim(3);
  for (int64_t r = 0; r < regions.dim(0); ++r) {
    TRY(call.check_cancelled());
    const C* region = regions.data<C>() + r * 5;
    if (!(region[0] >= 0 && region[0] < static_cast<C>(images.dim(0))))
      return call.invalid("batch index of a region; got {}, need 0 to {}", region[0], images.dim(0) - 1);
    ASSIGN_OR_RETURN(const Bins columns, read_bins(call, region[1], region[3], scale, out_width));
    ASSIGN_OR_RETURN(const Bins rows, read_bins(call, region[2], region[4], scale, out_height));
    const C* image = images.data<C>() + static_cast<int64_t>(region[0]) * channels * height * width;
    C* to = output.mutable_data<C>() + r * channels * out_height * out_width;
    call.parallel(channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        for (int64_t y = 0; y < out_height; ++y)
          for (int64_t x = 0; x < out_width; ++x) {
            const auto [top, bottom] = rows.range(y, height);
            const auto [left, right] = columns.range(x, width);
            const C* plane = image + c * height * width;
            // An empty bin is 0.
            C greatest = top < bottom && left < right ? plane[top * width + left] : C(0);
            for (int64_t v = top; v < bottom; ++v)
              for (int64_t u = left; u < right; ++u) greatest = std::max(greatest, plane[v * width + u]);
            to[(c * out_height + y) * out_width + x] = greatest;
          }
    });
  }
  return {};
}

}  // namespace

Result<> run_max_roi_pool(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* images, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* regions, call.tensor(1));
  const auto shape = call.node().ints("pooled_shape");
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > kMaxBins || shape[1] > kMaxBins)
    return call.invalid("attribute pooled_shape; got [{}], need two numbers of 1 to {}", fmt::join(shape, ", "),
                        kMaxBins);
  if (images->rank() != 4) return call.invalid("input; got shape {}, need 4 dimensions", to_string(images->dims()));
  if (regions->rank() != 2 || regions->dim(1) != 5)
    return call.invalid("rois; got shape {}, need [regions, 5]", to_string(regions->dims()));
  if (info(images->dtype()).kind != DTypeClass::Float || regions->dtype() != images->dtype())
    return call.invalid("input and rois; got {} and {}, need one float type", to_string(images->dtype()),
                        to_string(regions->dtype()));
  ASSIGN_OR_RETURN(const Tensor wide, widen(call, *images));
  ASSIGN_OR_RETURN(const Tensor wide_regions, widen(call, *regions));
  ASSIGN_OR_RETURN(Tensor output, Tensor::allocate(wide.dtype(), {regions->dim(0), images->dim(1), shape[0], shape[1]},
                                                   call.memory()));
  const double scale = call.node().float_or("spatial_scale", 1.0f);
  if (output.size() > 0)
    TRY(wide.dtype() == DType::F64 ? pool<double>(call, wide, wide_regions, scale, output)
                                   : pool<float>(call, wide, wide_regions, scale, output));
  return narrow(call, output, Rounding::Nearest, 0, images->dtype());
}

}  // namespace hearth::operators
