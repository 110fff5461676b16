// LpNormalization and MeanVarianceNormalization: division by a norm along an axis, or over a set of axes.
#include <algorithm>
#include <cmath>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"

namespace hearth::operators {

Result<> lp_normalization(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", -1), x->rank()));
  const int64_t p = call.node().int_or("p", 2);
  if (p != 1 && p != 2) return call.invalid("p; got {}, need 1 or 2", p);
  if (!is_float(x->dtype())) return call.unsupported("elements of type {}", to_string(x->dtype()));
  const AxisView view = around_axis(x->dims(), axis);
  const DType dtype = x->dtype();
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, x->dims()));
  if (x->size() == 0) return {};
  std::vector<double> norms(static_cast<size_t>(view.inner)), line(norms);
  for (int64_t outer = 0; outer < view.outer; ++outer) {
    std::ranges::fill(norms, 0.0);
    for (int64_t a = 0; a < view.size; ++a) {
      to_doubles(dtype, element_at(dtype, x->raw(), (outer * view.size + a) * view.inner), line.data(), view.inner);
      for (size_t i = 0; i < line.size(); ++i) norms[i] += p == 1 ? std::abs(line[i]) : line[i] * line[i];
    }
    if (p == 2)
      for (double& norm : norms) norm = std::sqrt(norm);
    for (int64_t a = 0; a < view.size; ++a) {
      const int64_t at = (outer * view.size + a) * view.inner;
      to_doubles(dtype, element_at(dtype, x->raw(), at), line.data(), view.inner);
      for (size_t i = 0; i < line.size(); ++i) line[i] = norms[i] == 0 ? 0 : line[i] / norms[i];
      from_doubles(line.data(), dtype, element_at(dtype, y->mutable_raw(), at), view.inner);
    }
  }
  return {};
}

Result<> mean_variance_normalization(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  static constexpr int64_t kAxes[] = {0, 2, 3};
  const auto given = call.node().ints("axes");
  ASSIGN_OR_RETURN(const AxisSet axes,
                   normalise_axes(call, given.empty() ? std::span<const int64_t>(kAxes) : given, x->rank()));
  if (!is_float(x->dtype())) return call.unsupported("elements of type {}", to_string(x->dtype()));
  const DType dtype = x->dtype();
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, x->dims()));
  if (x->size() == 0) return {};
  // The statistics' element of each input element: strides of the sizes that stay.
  const int rank = x->rank();
  std::vector<int64_t> stride(static_cast<size_t>(rank)), index(stride);
  int64_t groups = 1, reduced = 1;
  for (int d = rank - 1; d >= 0; --d) {
    if (axes[d])
      reduced *= x->dim(d);
    else
      stride[static_cast<size_t>(d)] = std::exchange(groups, groups * x->dim(d));
  }
  std::vector<int64_t> group(static_cast<size_t>(x->size()));
  for (size_t i = 0; i < group.size(); ++i) {
    for (size_t d = 0; d < index.size(); ++d) group[i] += index[d] * stride[d];
    for (size_t d = index.size(); d-- > 0;) {
      if (++index[d] < x->dim(static_cast<int>(d))) break;
      index[d] = 0;
    }
  }
  std::vector<double> values(group.size()), means(static_cast<size_t>(groups)), deviations(means);
  to_doubles(dtype, x->raw(), values.data(), x->size());
  for (size_t i = 0; i < values.size(); ++i) means[static_cast<size_t>(group[i])] += values[i];
  for (double& mean : means) mean /= static_cast<double>(reduced);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] -= means[static_cast<size_t>(group[i])];
    deviations[static_cast<size_t>(group[i])] += values[i] * values[i];
  }
  // The function's body adds 1e-9 to the deviation.
  for (double& deviation : deviations) deviation = std::sqrt(deviation / static_cast<double>(reduced)) + 1e-9;
  for (size_t i = 0; i < values.size(); ++i) values[i] /= deviations[static_cast<size_t>(group[i])];
  from_doubles(values.data(), dtype, y->mutable_raw(), x->size());
  return {};
}

}  // namespace hearth::operators
