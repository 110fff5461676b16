#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

// How many of a window's positions start, start + dilation, … lie before `edge`.
int64_t before(int64_t edge, int64_t start, int64_t kernel, int64_t dilation) {
  return edge <= start ? 0 : std::min(kernel, (edge - start - 1) / dilation + 1);
}

}  // namespace

int hearth::ops::ref::pool2d(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &y = call.outputs[0];
  if (element_count(y) == 0) return HEARTH_OK;
  const auto& a = ref::attributes<Pool2dAttributes>(call);
  const bool average = a.kind != 0, with_pads = a.kind == 2;
  for (int64_t b = 0; b < y.dims[0]; ++b)
    for (int64_t oy = 0; oy < y.dims[1]; ++oy)
      for (int64_t ox = 0; ox < y.dims[2]; ++ox) {
        const int64_t top = oy * a.stride_height - a.pad_top, left = ox * a.stride_width - a.pad_left;
        const int64_t first_row = before(0, top, a.kernel_height, a.dilation_height),
                      last_row = before(x.dims[1], top, a.kernel_height, a.dilation_height),
                      first_column = before(0, left, a.kernel_width, a.dilation_width),
                      last_column = before(x.dims[2], left, a.kernel_width, a.dilation_width);
        const int64_t inside =
            std::max<int64_t>(0, last_row - first_row) * std::max<int64_t>(0, last_column - first_column);
        const int64_t counted = before(x.dims[1] + a.pad_bottom, top, a.kernel_height, a.dilation_height) *
                                before(x.dims[2] + a.pad_right, left, a.kernel_width, a.dilation_width);
        for (int64_t c = 0; c < x.dims[3]; ++c) {
          double most = -std::numeric_limits<double>::infinity(), sum = 0;
          for (int64_t ky = first_row; ky < last_row; ++ky)
            for (int64_t kx = first_column; kx < last_column; ++kx) {
              const double v = ref::load(
                  DType::F32, ref::address(x, {b, top + ky * a.dilation_height, left + kx * a.dilation_width}), c);
              most = std::isnan(v) || v > most ? v : most;  // what is NaN stays: no number is larger
              sum += v;
            }
          const double count = static_cast<double>(std::max<int64_t>(1, with_pads ? counted : inside));
          ref::store(DType::F32, ref::address(y, {b, oy, ox}), c, average ? sum / count : most);
        }
      }
  return HEARTH_OK;
}
