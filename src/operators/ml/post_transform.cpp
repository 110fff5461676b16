#include "operators/ml/post_transform.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "operators/ml/attributes.h"

namespace hearth::operators::ml {

namespace {

void softmax(std::span<double> scores, bool keep_zeros) {
  const double most = *std::ranges::max_element(scores);
  double sum = 0;
  for (double& score : scores) {
    // SOFTMAX_ZERO: a score of zero means "no vote" and stays (next to) zero.
    score = keep_zeros && std::abs(score) <= 1e-7 ? score * std::exp(-most) : std::exp(score - most);
    sum += score;
  }
  for (double& score : scores) score = sum == 0 ? 0.5 : score / sum;
}

// Where the normal distribution has `probability` to its left: a close guess, then Newton's steps on erf.
double probit(double probability) {
  const double y = 2 * probability - 1;
  if (!(std::abs(y) < 1)) return y >= 1 ? INFINITY : y <= -1 ? -INFINITY : std::numeric_limits<double>::quiet_NaN();
  constexpr double kShape = 0.147;
  const double log = std::log1p(-y * y);
  const double half = 2 / (std::numbers::pi * kShape) + log / 2;
  double x = std::copysign(std::sqrt(std::sqrt(half * half - log / kShape) - half), y);
  for (int i = 0; i < 3; ++i) x -= (std::erf(x) - y) / (2 * std::numbers::inv_sqrtpi * std::exp(-x * x));
  return x * std::numbers::sqrt2;
}

}  // namespace

Result<PostTransform> post_transform_of(const graph::Node& node) {
  const std::string_view name = node.string_or("post_transform", "NONE");
  if (name == "NONE") return PostTransform::None;
  if (name == "SOFTMAX") return PostTransform::Softmax;
  if (name == "LOGISTIC") return PostTransform::Logistic;
  if (name == "SOFTMAX_ZERO") return PostTransform::SoftmaxZero;
  if (name == "PROBIT") return PostTransform::Probit;
  return invalid_node(node, "post_transform; got '{}', need NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT", name);
}

void transform_scores(PostTransform transform, std::span<double> scores) {
  if (scores.empty()) return;
  switch (transform) {
    case PostTransform::None:
      return;
    case PostTransform::Softmax:
    case PostTransform::SoftmaxZero:
      return softmax(scores, transform == PostTransform::SoftmaxZero);
    case PostTransform::Logistic:
      for (double& score : scores) score = 1 / (1 + std::exp(-score));
      return;
    case PostTransform::Probit:
      for (double& score : scores) score = probit(score);
      return;
  }
}

}  // namespace hearth::operators::ml
