// Softmax and what follows from it. A row whose maximum is -inf or NaN gives NaN, as the formula does.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

namespace {

double row_peak(const HearthTensor& x, int64_t i) {
  double peak = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < x.dims[1]; ++j) peak = std::max(peak, ref::at(x, i, j));
  return peak;
}

}  // namespace

int hearth_ref_softmax(void*, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  const double temperature = double{ref::attributes<SoftmaxAttributes>(call).temperature};
  std::vector<double> e(static_cast<size_t>(x.dims[1]));
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const double peak = row_peak(x, i);
    if (temperature <= 0) {
      bool found = false;
      for (int64_t j = 0; j < x.dims[1]; ++j) {
        const bool first = !found && ref::at(x, i, j) == peak;
        found = found || first;
        e[static_cast<size_t>(j)] = first ? 1.0 : 0.0;
      }
      for (int64_t j = 0; j < x.dims[1]; ++j) ref::put(y, i, j, e[static_cast<size_t>(j)]);
      continue;
    }
    double sum = 0;
    for (int64_t j = 0; j < x.dims[1]; ++j)
      sum += e[static_cast<size_t>(j)] = std::exp((ref::at(x, i, j) - peak) / temperature);
    for (int64_t j = 0; j < x.dims[1]; ++j) ref::put(y, i, j, e[static_cast<size_t>(j)] / sum);
  }
  return HEARTH_OK;
}

int hearth_ref_log_softmax(void*, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const double peak = row_peak(x, i);
    double sum = 0;
    for (int64_t j = 0; j < x.dims[1]; ++j) sum += std::exp(ref::at(x, i, j) - peak);
    for (int64_t j = 0; j < x.dims[1]; ++j) ref::put(y, i, j, ref::at(x, i, j) - peak - std::log(sum));
  }
  return HEARTH_OK;
}

int hearth_ref_entropy(void*, const HearthOpCall* call) {
  const HearthTensor &x = call->inputs[0], &y = call->outputs[0];
  for (int64_t i = 0; i < x.dims[0]; ++i) {
    const double peak = row_peak(x, i);
    double sum = 0, weighted = 0;  // H = log Z - sum(e * d) / Z with d = x - peak, e = exp(d), Z = sum(e)
    for (int64_t j = 0; j < x.dims[1]; ++j) {
      const double d = ref::at(x, i, j) - peak, e = std::exp(d);
      sum += e;
      if (e > 0) weighted += e * d;
    }
    ref::put(y, i, std::log(sum) - weighted / sum);
  }
  return HEARTH_OK;
}
