#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::rope(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &positions = call.inputs[1], &inv_freq = call.inputs[2], &y = call.outputs[0];
  const auto& a = ref::attributes<RopeAttributes>(call);
  const int64_t heads = x.dims[1], d = x.dims[2], pairs = inv_freq.dims[0];
  for (int64_t i = 0; i < x.dims[0]; ++i)
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t base = h * d;
      for (int64_t j = 0; j < pairs; ++j) {
        const double angle = double{static_cast<float>(ref::int_at(positions, i))} * ref::at(inv_freq, j);
        const double c = std::cos(angle) * double{a.attention_factor}, s = std::sin(angle) * double{a.attention_factor};
        const int64_t first = base + (a.interleaved != 0 ? 2 * j : j),
                      second = base + (a.interleaved != 0 ? 2 * j + 1 : j + pairs);
        const double u = ref::at(x, i, first), v = ref::at(x, i, second);
        ref::put(y, i, first, u * c - v * s);
        ref::put(y, i, second, u * s + v * c);
      }
      for (int64_t j = base + 2 * pairs; j < base + d; ++j) ref::put(y, i, j, ref::at(x, i, j));
    }
  return HEARTH_OK;
}
