#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/ref/access.h"
#include "ops/ref/descending.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

int32_t draw(const std::vector<double>& x, double temperature, int32_t top_k, double top_p, double min_p,
             double uniform) {
  if (std::any_of(x.begin(), x.end(), [](double v) { return std::isnan(v); })) return -1;
  const std::vector<int32_t> order = ref::descending_order(x);
  if (order.empty() || std::isinf(x[static_cast<size_t>(order[0])])) return -1;
  if (temperature <= 0) return order[0];
  const double peak = x[static_cast<size_t>(order[0])];
  size_t kept = top_k > 0 ? std::min(order.size(), static_cast<size_t>(top_k)) : order.size();
  std::vector<double> mass(kept);
  for (size_t i = 0; i < kept; ++i) mass[i] = std::exp((x[static_cast<size_t>(order[i])] - peak) / temperature);
  while (kept > 1 && (mass[kept - 1] == 0 || (min_p > 0 && mass[kept - 1] < min_p * mass[0]))) --kept;
  double total = std::accumulate(mass.begin(), mass.begin() + static_cast<ptrdiff_t>(kept), 0.0);
  if (top_p < 1) {
    double running = 0;
    for (size_t i = 0; i < kept; ++i) {
      running += mass[i];
      if (running >= top_p * total) {
        kept = i + 1;
        total = running;
        break;
      }
    }
  }
  double running = 0;
  for (size_t i = 0; i < kept; ++i) {
    running += mass[i];
    if (running > uniform * total) return order[i];
  }
  return order[kept - 1];
}

}  // namespace

int hearth::ops::ref::sample(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &token = call.outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i)
    data_of<int32_t>(token)[i * token.strides[0]] =
        draw(ref::row_values(x, i), ref::at(call.inputs[1], i), ref::int_at(call.inputs[2], i),
             ref::at(call.inputs[3], i), ref::at(call.inputs[4], i), ref::at(call.inputs[5], i));
  return HEARTH_OK;
}
