#include "ops/ref/access.h"
#include "ops/ref/kernels.h"
#include "ops/ref/step.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

// w[o i p q] as [p][q][i][o]: the outputs of one input number lie side by side.
std::vector<double> weights_by_output(const HearthTensor& w, int32_t factors) {
  const int64_t outputs = w.dims[0], row = w.dims[1] * w.dims[2] * w.dims[3], taps = w.dims[2] * w.dims[3];
  std::vector<double> all(static_cast<size_t>(outputs * row));
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < row; ++i)
      all[static_cast<size_t>((i % taps * w.dims[1] + i / taps) * outputs + o)] =
          ref::factor(ref::at(w, o, i), factors);
  return all;
}

}  // namespace

int hearth::ops::ref::conv2d(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &w = call.inputs[1], &bias = call.inputs[2], &residual = call.inputs[3];
  const HearthTensor& y = call.outputs[0];
  if (element_count(y) == 0) return HEARTH_OK;
  const auto& a = ref::attributes<Conv2dAttributes>(call);
  const int64_t outputs = w.dims[0], channels = w.dims[1], columns = outputs / a.groups;
  const std::vector<double> weights = weights_by_output(w, a.factors);
  std::vector<double> sums(static_cast<size_t>(outputs));
  for (int64_t b = 0; b < y.dims[0]; ++b)
    for (int64_t oy = 0; oy < y.dims[1]; ++oy)
      for (int64_t ox = 0; ox < y.dims[2]; ++ox) {
        for (int64_t o = 0; o < outputs; ++o) sums[static_cast<size_t>(o)] = ref::present(bias) ? ref::at(bias, o) : 0;
        for (int64_t ky = 0; ky < w.dims[2]; ++ky)
          for (int64_t kx = 0; kx < w.dims[3]; ++kx) {
            const int64_t iy = oy * a.stride_height - a.pad_top + ky * a.dilation_height;
            const int64_t ix = ox * a.stride_width - a.pad_left + kx * a.dilation_width;
            if (iy < 0 || iy >= x.dims[1] || ix < 0 || ix >= x.dims[2]) continue;
            const char* pixel = ref::address(x, {b, iy, ix});
            for (int64_t g = 0; g < a.groups; ++g)
              for (int64_t c = 0; c < channels; ++c) {
                const double value = ref::factor(ref::load(DType::F32, pixel, g * channels + c), a.factors);
                const double* row = weights.data() + ((ky * w.dims[3] + kx) * channels + c) * outputs + g * columns;
                double* sum = sums.data() + g * columns;
                for (int64_t o = 0; o < columns; ++o) sum[o] += value * row[o];
              }
          }
        for (int64_t o = 0; o < outputs; ++o) {
          const double rest =
              ref::present(residual) ? ref::load(DType::F32, ref::address(residual, {b, oy, ox}), o) : 0;
          ref::store(DType::F32, ref::address(y, {b, oy, ox}), o,
                     ref::activation(a, sums[static_cast<size_t>(o)] + rest));
        }
      }
  return HEARTH_OK;
}
