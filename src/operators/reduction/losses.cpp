// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss over [N, C, d1 …] scores and [N, d1 …] labels.
#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/axes.h"
#include "operators/convert.h"
#include "operators/reduction/kernels.h"

namespace hearth::operators {

namespace {

struct Problem {
  const Tensor* scores = nullptr;
  std::vector<int64_t> labels;
  std::vector<double> weights;  // per class; empty: all 1
  AxisView view;                // around the classes
  Dims label_dims;
  int64_t ignored = 0;
  bool ignores = false;
};

Result<Problem> read(Call& call) {
  Problem made;
  ASSIGN_OR_RETURN(made.scores, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* labels, call.tensor(1));
  const Tensor& scores = *made.scores;
  if (scores.rank() < 2) return call.invalid("rank of the scores; got {}, need at least 2", scores.rank());
  if (!is_float(scores.dtype())) return call.unsupported("scores of type {}", to_string(scores.dtype()));
  made.label_dims = scores.dims();
  made.label_dims.erase(1);
  if (!(labels->dims() == made.label_dims))
    return call.invalid("labels; got {}, need {}", to_string(labels->dims()), to_string(made.label_dims));
  if (!is_integer(labels->dtype()))
    return call.invalid("labels; got elements of type {}, need integers", to_string(labels->dtype()));
  made.view = around_axis(scores.dims(), 1);
  made.labels.resize(static_cast<size_t>(labels->size()));
  to_int64s(labels->dtype(), labels->raw(), made.labels.data(), labels->size());
  if (call.has(2)) {
    ASSIGN_OR_RETURN(const Tensor* weights, call.tensor(2));
    if (weights->size() != made.view.size)
      return call.invalid("weights; got {}, need one for each of {} classes", weights->size(), made.view.size);
    made.weights.resize(static_cast<size_t>(weights->size()));
    to_doubles(weights->dtype(), weights->raw(), made.weights.data(), weights->size());
  }
  made.ignores = call.node().has("ignore_index");
  made.ignored = call.node().int_or("ignore_index", 0);
  for (const int64_t label : made.labels)
    if ((label < 0 || label >= made.view.size) && !(made.ignores && label == made.ignored))
      return call.invalid("label; got {}, need 0 to {}", label, made.view.size - 1);
  return made;
}

// `log_probability(outer, label, inner)` of each label, weighed and reduced into output 0.
Result<> reduce_losses(Call& call, const Problem& problem, const std::vector<double>& log_probabilities) {
  const AxisView& view = problem.view;
  std::vector<double> losses(problem.labels.size());
  double total = 0, weight_total = 0;
  for (int64_t outer = 0; outer < view.outer; ++outer)
    for (int64_t inner = 0; inner < view.inner; ++inner) {
      const auto at = static_cast<size_t>(outer * view.inner + inner);
      const int64_t label = problem.labels[at];
      if (problem.ignores && label == problem.ignored) continue;
      const double weight = problem.weights.empty() ? 1 : problem.weights[static_cast<size_t>(label)];
      losses[at] = -log_probabilities[static_cast<size_t>((outer * view.size + label) * view.inner + inner)] * weight;
      total += losses[at];
      weight_total += weight;
    }
  const DType dtype = problem.scores->dtype();
  const std::string_view reduction = call.node().string_or("reduction", "mean");
  if (reduction == "none") {
    ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, problem.label_dims));
    from_doubles(losses.data(), dtype, y->mutable_raw(), y->size());
    return {};
  }
  if (reduction != "sum" && reduction != "mean")
    return call.invalid("reduction; got '{}', need none, sum or mean", reduction);
  const double result = reduction == "sum" ? total : total / weight_total;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, Dims{}));
  from_doubles(&result, dtype, y->mutable_raw(), 1);
  return {};
}

}  // namespace

Result<> negative_log_likelihood_loss(Call& call) {
  ASSIGN_OR_RETURN(const Problem problem, read(call));
  std::vector<double> log_probabilities(static_cast<size_t>(problem.scores->size()));
  to_doubles(problem.scores->dtype(), problem.scores->raw(), log_probabilities.data(), problem.scores->size());
  return reduce_losses(call, problem, log_probabilities);
}

Result<> softmax_cross_entropy_loss(Call& call) {
  ASSIGN_OR_RETURN(const Problem problem, read(call));
  const AxisView& view = problem.view;
  const DType dtype = problem.scores->dtype();
  std::vector<double> x(static_cast<size_t>(problem.scores->size()));
  to_doubles(dtype, problem.scores->raw(), x.data(), problem.scores->size());
  for (int64_t outer = 0; outer < view.outer; ++outer)
    for (int64_t inner = 0; inner < view.inner; ++inner) {
      double* row = x.data() + outer * view.size * view.inner + inner;
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      for (int64_t c = 0; c < view.size; ++c) most = std::max(most, row[c * view.inner]);
      for (int64_t c = 0; c < view.size; ++c) sum += std::exp(row[c * view.inner] - most);
      const double shift = most + std::log(sum);
      for (int64_t c = 0; c < view.size; ++c) row[c * view.inner] -= shift;
    }
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(Tensor * y, call.output(1, dtype, problem.scores->dims()));
    from_doubles(x.data(), dtype, y->mutable_raw(), y->size());
  }
  return reduce_losses(call, problem, x);
}

}  // namespace hearth::operators
