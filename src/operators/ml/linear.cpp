// LinearClassifier, LinearRegressor.
#include <algorithm>

#include "operators/convert.h"
#include "operators/ml/attributes.h"
#include "operators/ml/kernels.h"
#include "operators/ml/post_transform.h"

namespace hearth::operators::ml {

namespace {

constexpr int64_t kRowsPerThread = 64;

// One row of coefficients [features] for each score.
struct Model {
  std::span<const float> coefficients, intercepts;
  int64_t scores = 0, features = 0;

  void score(const double* row, std::span<double> to) const {
    for (int64_t s = 0; s < scores; ++s) {
      double sum = intercepts.empty() ? 0.0 : static_cast<double>(intercepts[static_cast<size_t>(s)]);
      const float* weights = coefficients.data() + s * features;
      for (int64_t f = 0; f < features; ++f) sum += row[f] * static_cast<double>(weights[f]);
      to[static_cast<size_t>(s)] = sum;
    }
  }
};

Result<Model> model_of(const Call& call, const Rows& rows, int64_t scores) {
  Model model{call.node().floats("coefficients"), call.node().floats("intercepts"), scores, rows.features};
  const auto count = static_cast<int64_t>(model.coefficients.size());
  if (scores < 1 || count % scores != 0 || count / scores != rows.features)
    return call.invalid("coefficients; got {} of them for {} features, need {} for each", count, rows.features, scores);
  if (!model.intercepts.empty() && static_cast<int64_t>(model.intercepts.size()) != scores)
    return call.invalid("intercepts; got {}, need {}", model.intercepts.size(), scores);
  return model;
}

}  // namespace

Result<> linear_regressor(Call& call) {
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  const int64_t targets = call.node().int_or("targets", 1);
  ASSIGN_OR_RETURN(const Model model, model_of(call, rows, targets));
  ASSIGN_OR_RETURN(const PostTransform transform, post_transform_of(call.node()));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, {rows.count, targets}));
  auto* made = y->mutable_data<float>();
  call.parallel(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    std::vector<double> row(static_cast<size_t>(rows.features)), scores(static_cast<size_t>(targets));
    for (int64_t r = begin; r < end; ++r) {
      rows.read(r, row.data());
      model.score(row.data(), scores);
      transform_scores(transform, scores);
      from_doubles(scores.data(), DType::F32, made + r * targets, targets);
    }
  });
  return {};
}

// One set of coefficients for two labels scores the second; the first has the opposite score.
Result<> linear_classifier(Call& call) {
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  ASSIGN_OR_RETURN(const Labels labels, labels_of(call.node(), "classlabels_ints", "classlabels_strings"));
  ASSIGN_OR_RETURN(const PostTransform transform, post_transform_of(call.node()));
  const auto count = static_cast<int64_t>(call.node().floats("coefficients").size());
  if (rows.features == 0) return call.invalid("features; got none, need at least 1");
  const int64_t scored = count / rows.features;
  ASSIGN_OR_RETURN(const Model model, model_of(call, rows, scored));
  const auto labelled = static_cast<int64_t>(labels.count());
  const bool mirrored = scored == 1 && labelled == 2;
  const int64_t classes = mirrored ? 2 : scored;
  if (labelled != 0 && labelled != classes)
    return call.invalid("class labels; got {}, need {}, one for each set of coefficients", labelled, classes);

  Tensor* z = nullptr;
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(z, call.output(1, DType::F32, {rows.count, classes}));
  }
  std::vector<int64_t> chosen(static_cast<size_t>(rows.count));
  std::vector<uint8_t> accepted(chosen.size(), 1);
  call.parallel(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    std::vector<double> row(static_cast<size_t>(rows.features)), scores(static_cast<size_t>(classes));
    for (int64_t r = begin; r < end; ++r) {
      rows.read(r, row.data());
      model.score(row.data(), std::span(scores).first(static_cast<size_t>(scored)));
      if (mirrored) {
        scores[1] = scores[0];
        scores[0] = -scores[1];
      }
      transform_scores(transform, scores);
      if (z != nullptr) from_doubles(scores.data(), DType::F32, z->mutable_data<float>() + r * classes, classes);
      const auto at = static_cast<size_t>(r);
      chosen[at] = std::ranges::max_element(scores) - scores.begin();
      if (classes == 1) accepted[at] = scores[0] >= (transform == PostTransform::None ? 0.0 : 0.5) ? 1 : 0;
    }
  });
  if (classes > 1) return write_labels(call, 0, labels, chosen);
  // A single class is there or it is not: its label (1 without one), or 0 (an empty string).
  Labels one = labels;
  if (one.count() == 0) one.ints = {1};
  if (one.text())
    one.strings.emplace_back();
  else
    one.ints.push_back(0);
  for (size_t r = 0; r < chosen.size(); ++r) chosen[r] = accepted[r] != 0 ? 0 : 1;
  return write_labels(call, 0, one, chosen);
}

}  // namespace hearth::operators::ml
