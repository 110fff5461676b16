// SVMClassifier, SVMRegressor: support vectors with one of four kernels, or, without support vectors, linear models.
#include <algorithm>
#include <cmath>

#include "operators/convert.h"
#include "operators/ml/attributes.h"
#include "operators/ml/kernels.h"
#include "operators/ml/post_transform.h"

namespace hearth::operators::ml {

namespace {

constexpr int64_t kRowsPerThread = 8;

enum class Kernel { Linear, Poly, Rbf, Sigmoid };

struct Machine {
  Kernel kernel = Kernel::Linear;
  double gamma = 0, offset = 0, degree = 0;
  std::span<const float> coefficients, rho, vectors;
  int64_t features = 0;

  double product(const double* row, const float* vector) const {
    double sum = 0;
    if (kernel == Kernel::Rbf) {
      for (int64_t f = 0; f < features; ++f) {
        const double difference = row[f] - static_cast<double>(vector[f]);
        sum += difference * difference;
      }
      return std::exp(-gamma * sum);
    }
    for (int64_t f = 0; f < features; ++f) sum += row[f] * static_cast<double>(vector[f]);
    if (kernel == Kernel::Poly) return std::pow(gamma * sum + offset, degree);
    if (kernel == Kernel::Sigmoid) return std::tanh(gamma * sum + offset);
    return sum;
  }
};

Result<Machine> machine_of(const Call& call, const Rows& rows, int64_t vector_count) {
  const graph::Node& node = call.node();
  Machine machine;
  machine.coefficients = node.floats("coefficients");
  machine.rho = node.floats("rho");
  machine.vectors = node.floats("support_vectors");
  machine.features = rows.features;
  if (vector_count > 0) {
    const std::string_view name = node.string_or("kernel_type", "LINEAR");
    if (name == "POLY")
      machine.kernel = Kernel::Poly;
    else if (name == "RBF")
      machine.kernel = Kernel::Rbf;
    else if (name == "SIGMOID")
      machine.kernel = Kernel::Sigmoid;
    else if (name != "LINEAR")
      return call.invalid("kernel_type; got '{}', need LINEAR, POLY, RBF or SIGMOID", name);
    const auto params = node.floats("kernel_params");
    if (!params.empty() && params.size() != 3)
      return call.invalid("kernel_params; got {}, need gamma, coef0 and degree", params.size());
    if (!params.empty()) {
      machine.gamma = params[0];
      machine.offset = params[1];
      machine.degree = params[2];
    }
    const auto count = static_cast<int64_t>(machine.vectors.size());
    if (count % vector_count != 0 || count / vector_count != rows.features)
      return call.invalid("support_vectors; got {} numbers, need {} vectors of {} features", count, vector_count,
                          rows.features);
  }
  if (machine.rho.empty()) return call.invalid("rho; got nothing, need at least 1");
  return machine;
}

double logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

// Probabilities of k classes from those of each pair, r[i * k + j] = P(i | i or j): the method of Wu, Lin and Weng that
// minimises the disagreement of the pairs.
void couple(int64_t k, const std::vector<double>& r, std::span<double> p) {
  const auto at = [&](int64_t i, int64_t j) { return static_cast<size_t>(i * k + j); };
  std::vector<double> q(r.size()), qp(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) {
    p[static_cast<size_t>(i)] = 1.0 / static_cast<double>(k);
    q[at(i, i)] = 0;
    for (int64_t j = 0; j < k; ++j)
      if (j != i) {
        q[at(i, i)] += r[at(j, i)] * r[at(j, i)];
        q[at(i, j)] = -r[at(j, i)] * r[at(i, j)];
      }
  }
  const double close = 0.005 / static_cast<double>(k);
  for (int64_t round = 0; round < std::max<int64_t>(100, k); ++round) {
    double pqp = 0;
    for (int64_t i = 0; i < k; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < k; ++j) sum += q[at(i, j)] * p[static_cast<size_t>(j)];
      qp[static_cast<size_t>(i)] = sum;
      pqp += p[static_cast<size_t>(i)] * sum;
    }
    double worst = 0;
    for (const double each : qp) worst = std::max(worst, std::abs(each - pqp));
    if (worst < close) break;
    for (int64_t i = 0; i < k; ++i) {
      const double own = q[at(i, i)];
      const double step = (pqp - qp[static_cast<size_t>(i)]) / own;
      p[static_cast<size_t>(i)] += step;
      pqp = (pqp + step * (step * own + 2 * qp[static_cast<size_t>(i)])) / ((1 + step) * (1 + step));
      for (int64_t j = 0; j < k; ++j) {
        qp[static_cast<size_t>(j)] = (qp[static_cast<size_t>(j)] + step * q[at(i, j)]) / (1 + step);
        p[static_cast<size_t>(j)] /= 1 + step;
      }
    }
  }
}

// A classifier's attributes, checked.
struct Classifier {
  Machine machine;
  Labels labels;
  std::vector<int64_t> first, count;  // support vectors of each class
  std::span<const float> prob_a, prob_b;
  PostTransform transform = PostTransform::None;
  int64_t classes = 1, vectors = 0;
  bool positive = false;  // no coefficient is negative

  bool linear() const { return vectors == 0; }
  bool probabilities() const { return !linear() && !prob_a.empty(); }
  int64_t decisions() const { return linear() ? classes : classes * (classes - 1) / 2; }
  // A single decision between two classes makes two scores.
  bool mirrored() const { return decisions() == 1 && !probabilities() && classes == 2 && machine.rho.size() == 1; }
  int64_t scores() const { return probabilities() ? classes : mirrored() ? 2 : decisions(); }
};

Result<Classifier> classifier_of(const Call& call, const Rows& rows) {
  const graph::Node& node = call.node();
  Classifier c;
  ASSIGN_OR_RETURN(c.labels, labels_of(node, "classlabels_ints", "classlabels_strings"));
  ASSIGN_OR_RETURN(c.transform, post_transform_of(node));
  c.classes = static_cast<int64_t>(std::max<size_t>(c.labels.count(), 1));
  for (const int64_t vectors : node.ints("vectors_per_class")) {
    if (vectors < 0 || vectors > (int64_t{1} << 31))
      return call.invalid("vectors_per_class; got {}, need at least 0", vectors);
    c.first.push_back(c.vectors);
    c.count.push_back(vectors);
    c.vectors += vectors;
  }
  ASSIGN_OR_RETURN(c.machine, machine_of(call, rows, c.vectors));
  const auto coefficients = static_cast<int64_t>(c.machine.coefficients.size());
  c.prob_a = node.floats("prob_a");
  c.prob_b = node.floats("prob_b");
  c.positive = std::ranges::none_of(c.machine.coefficients, [](float weight) { return weight < 0; });
  if (c.linear()) {
    if (coefficients % c.classes != 0 || coefficients / c.classes != rows.features)
      return call.invalid("coefficients; got {}, need {} for each of {} classes", coefficients, rows.features,
                          c.classes);
    return c;
  }
  if (c.classes < 2 || static_cast<int64_t>(c.count.size()) != c.classes)
    return call.invalid("vectors_per_class; got {}, need one for each of at least 2 classes (labels: {})",
                        c.count.size(), c.labels.count());
  if (coefficients != (c.classes - 1) * c.vectors)
    return call.invalid("coefficients; got {}, need {}", coefficients, (c.classes - 1) * c.vectors);
  const auto decisions = static_cast<size_t>(c.decisions());
  if (c.machine.rho.size() != decisions) return call.invalid("rho; got {}, need {}", c.machine.rho.size(), decisions);
  if (c.prob_a.size() != c.prob_b.size() || (!c.prob_a.empty() && c.prob_a.size() != decisions))
    return call.invalid("prob_a and prob_b; got {} and {}, need {} each", c.prob_a.size(), c.prob_b.size(), decisions);
  return c;
}

// Decisions of all pairs of classes and the votes they are.
void decide(const Classifier& c, const double* row, std::vector<double>& kernels, std::span<double> decisions,
            std::vector<double>& votes) {
  const Machine& m = c.machine;
  for (int64_t v = 0; v < c.vectors; ++v)
    kernels[static_cast<size_t>(v)] = m.product(row, m.vectors.data() + v * m.features);
  std::ranges::fill(votes, 0.0);
  size_t pair = 0;
  const auto weighted = [&](int64_t weights_row, size_t of) {
    double sum = 0;
    for (int64_t v = c.first[of]; v < c.first[of] + c.count[of]; ++v)
      sum += static_cast<double>(m.coefficients[static_cast<size_t>(weights_row * c.vectors + v)]) *
             kernels[static_cast<size_t>(v)];
    return sum;
  };
  for (int64_t i = 0; i < c.classes; ++i)
    for (int64_t j = i + 1; j < c.classes; ++j, ++pair) {
      const double decision = static_cast<double>(m.rho[pair]) + weighted(j - 1, static_cast<size_t>(i)) +
                              weighted(i, static_cast<size_t>(j));
      decisions[pair] = decision;
      votes[static_cast<size_t>(decision > 0 ? i : j)] += 1;
    }
}

}  // namespace

Result<> svm_regressor(Call& call) {
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  const int64_t vectors = call.node().int_or("n_supports", 0);
  if (vectors < 0) return call.invalid("n_supports; got {}, need at least 0", vectors);
  ASSIGN_OR_RETURN(const Machine machine, machine_of(call, rows, vectors));
  ASSIGN_OR_RETURN(const PostTransform transform, post_transform_of(call.node()));
  const int64_t needed = vectors > 0 ? vectors : rows.features;
  if (static_cast<int64_t>(machine.coefficients.size()) != needed)
    return call.invalid("coefficients; got {}, need {}", machine.coefficients.size(), needed);
  const bool one_class = call.node().int_or("one_class", 0) != 0;
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, {rows.count, 1}));
  auto* made = y->mutable_data<float>();
  call.parallel(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    std::vector<double> row(static_cast<size_t>(rows.features));
    for (int64_t r = begin; r < end; ++r) {
      rows.read(r, row.data());
      double score = static_cast<double>(machine.rho[0]);
      if (vectors == 0) score += machine.product(row.data(), machine.coefficients.data());
      for (int64_t v = 0; v < vectors; ++v)
        score += static_cast<double>(machine.coefficients[static_cast<size_t>(v)]) *
                 machine.product(row.data(), machine.vectors.data() + v * machine.features);
      if (one_class)
        score = score > 0 ? 1 : -1;
      else
        transform_scores(transform, std::span(&score, 1));
      made[r] = static_cast<float>(score);
    }
  });
  return {};
}

Result<> svm_classifier(Call& call) {
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  ASSIGN_OR_RETURN(const Classifier c, classifier_of(call, rows));
  Tensor* z = nullptr;
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(z, call.output(1, DType::F32, {rows.count, c.scores()}));
  }
  std::vector<int64_t> chosen(static_cast<size_t>(rows.count));
  call.parallel(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    const auto pairs = static_cast<size_t>(c.classes * c.classes);
    std::vector<double> row(static_cast<size_t>(rows.features)), kernels(static_cast<size_t>(c.vectors));
    std::vector<double> votes(static_cast<size_t>(c.linear() ? 0 : c.classes));
    std::vector<double> decisions(static_cast<size_t>(c.decisions())), scores(static_cast<size_t>(c.scores()));
    std::vector<double> pair_probability(c.probabilities() ? pairs : 0);
    for (int64_t r = begin; r < end; ++r) {
      rows.read(r, row.data());
      if (c.linear()) {
        for (int64_t k = 0; k < c.classes; ++k)
          decisions[static_cast<size_t>(k)] =
              static_cast<double>(c.machine.rho[0]) +
              c.machine.product(row.data(), c.machine.coefficients.data() + k * rows.features);
      } else {
        decide(c, row.data(), kernels, decisions, votes);
      }
      const std::vector<double>& by = c.linear() ? decisions : votes;
      int64_t best = std::ranges::max_element(by) - by.begin();
      // One linear model for two labels: its sign decides, or one half when it is a probability.
      if (c.linear() && c.classes == 2 && c.machine.rho.size() == 1 && c.positive &&
          by[static_cast<size_t>(best)] >= 0.5)
        best = 1;
      if (c.classes == 1) best = decisions[0] > 0 ? 0 : 1;
      chosen[static_cast<size_t>(r)] = best;

      if (c.probabilities()) {
        size_t pair = 0;
        for (int64_t i = 0; i < c.classes; ++i)
          for (int64_t j = i + 1; j < c.classes; ++j, ++pair) {
            const double raw = 1 - logistic(decisions[pair] * static_cast<double>(c.prob_a[pair]) +
                                            static_cast<double>(c.prob_b[pair]));
            const double probability = std::clamp(raw, 1e-7, 1 - 1e-7);
            pair_probability[static_cast<size_t>(i * c.classes + j)] = probability;
            pair_probability[static_cast<size_t>(j * c.classes + i)] = 1 - probability;
          }
        couple(c.classes, pair_probability, scores);
      } else if (c.mirrored()) {
        scores[0] = -decisions[0];
        scores[1] = decisions[0];
      } else {
        scores = decisions;
      }
      transform_scores(c.transform, scores);
      if (z != nullptr) from_doubles(scores.data(), DType::F32, z->mutable_data<float>() + r * c.scores(), c.scores());
    }
  });
  Labels labels = c.labels;
  if (c.classes == 1) {  // there or not there
    if (labels.text())
      labels.strings.emplace_back();
    else
      labels.ints = {labels.ints.empty() ? 1 : labels.ints[0], 0};
  }
  return write_labels(call, 0, labels, chosen);
}

}  // namespace hearth::operators::ml
