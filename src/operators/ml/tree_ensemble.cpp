// TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor. The forest is made once, by prepare.
#include <algorithm>

#include "operators/convert.h"
#include "operators/ml/attributes.h"
#include "operators/ml/forest.h"
#include "operators/ml/kernels.h"
#include "operators/ml/post_transform.h"

namespace hearth::operators::ml {

namespace {

constexpr int64_t kRowsPerThread = 64;

Result<Rows> rows_for(const Call& call, const Forest& forest) {
  ASSIGN_OR_RETURN(const Rows rows, rows_of(call));
  if (rows.count > 0 && rows.features < forest.feature_count)
    return call.invalid("features; got {}, need at least {}: a node asks for number {}", rows.features,
                        forest.feature_count, forest.feature_count - 1);
  return rows;
}

const Forest& forest_of(const Call& call) {
  CHECK(call.prepared() != nullptr);
  return *static_cast<const Forest*>(call.prepared());
}

// row(r, totals): the totals of row r, which it may change and store.
template <class Row>
void for_each_row(Call& call, const Forest& forest, const Rows& rows, Aggregate aggregate, Row&& row) {
  call.parallel(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    std::vector<double> x(static_cast<size_t>(rows.features)), totals(static_cast<size_t>(forest.target_count));
    std::vector<uint8_t> seen;
    for (int64_t r = begin; r < end; ++r) {
      rows.read(r, x.data());
      forest.vote(x.data(), aggregate, totals.data(), seen);
      row(r, totals);
    }
  });
}

Result<Aggregate> aggregate_of(const Call& call) {
  const std::string_view name = call.node().string_or("aggregate_function", "SUM");
  if (name == "AVERAGE") return Aggregate::Average;
  if (name == "SUM") return Aggregate::Sum;
  if (name == "MIN") return Aggregate::Min;
  if (name == "MAX") return Aggregate::Max;
  return call.invalid("aggregate_function; got '{}', need AVERAGE, SUM, MIN or MAX", name);
}

Result<std::vector<double>> base_values(const Call& call, int64_t targets) {
  ASSIGN_OR_RETURN(std::vector<double> base, numbers(call.node(), "base_values"));
  if (!base.empty() && base.size() != 1 && static_cast<int64_t>(base.size()) != targets)
    return call.invalid("base_values; got {}, need {}", base.size(), targets);
  return base;
}

int64_t class_count(const graph::Node& node) {
  return static_cast<int64_t>(
      std::max(node.ints("classlabels_int64s").size(), node.strings("classlabels_strings").size()));
}

}  // namespace

Result<std::unique_ptr<Prepared>> prepare_tree_ensemble(const graph::Node& node, int64_t /*opset*/,
                                                        std::span<const Tensor* const> /*constants*/) {
  return forest_of_leaves(node);
}
Result<std::unique_ptr<Prepared>> prepare_tree_regressor(const graph::Node& node, int64_t /*opset*/,
                                                         std::span<const Tensor* const> /*constants*/) {
  const int64_t targets = node.int_or("n_targets", 1);
  if (targets < 1 || targets > kMaxForestTargets)
    return invalid_node(node, "n_targets; got {}, need at least 1 and at most {}", targets, kMaxForestTargets);
  return forest_of_nodes(node, "target", targets);
}
Result<std::unique_ptr<Prepared>> prepare_tree_classifier(const graph::Node& node, int64_t /*opset*/,
                                                          std::span<const Tensor* const> /*constants*/) {
  ASSIGN_OR_RETURN(const Labels labels, labels_of(node, "classlabels_int64s", "classlabels_strings"));
  return forest_of_nodes(node, "class", static_cast<int64_t>(labels.count()));
}

Result<> tree_ensemble(Call& call) {
  const Forest& forest = forest_of(call);
  ASSIGN_OR_RETURN(const Rows rows, rows_for(call, forest));
  const int64_t aggregate = call.node().int_or("aggregate_function", 1);
  if (aggregate < 0 || aggregate > 3)
    return call.invalid("aggregate_function; got {}, need at least 0 and at most 3", aggregate);
  const int64_t transform = call.node().int_or("post_transform", 0);
  if (transform < 0 || transform > 4)
    return call.invalid("post_transform; got {}, need at least 0 and at most 4", transform);
  const DType dtype = rows.tensor->dtype();
  if (!is_float(dtype)) return call.unsupported("element type; got {}", to_string(dtype));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, dtype, {rows.count, forest.target_count}));
  void* made = y->mutable_raw();
  for_each_row(call, forest, rows, static_cast<Aggregate>(aggregate), [&](int64_t r, std::vector<double>& totals) {
    transform_scores(static_cast<PostTransform>(transform), totals);
    from_doubles(totals.data(), dtype, element_at(dtype, made, r * forest.target_count), forest.target_count);
  });
  return {};
}

Result<> tree_ensemble_regressor(Call& call) {
  const Forest& forest = forest_of(call);
  ASSIGN_OR_RETURN(const Rows rows, rows_for(call, forest));
  ASSIGN_OR_RETURN(const Aggregate aggregate, aggregate_of(call));
  ASSIGN_OR_RETURN(const PostTransform transform, post_transform_of(call.node()));
  ASSIGN_OR_RETURN(const std::vector<double> base, base_values(call, forest.target_count));
  ASSIGN_OR_RETURN(Tensor * y, call.output(0, DType::F32, {rows.count, forest.target_count}));
  auto* made = y->mutable_data<float>();
  for_each_row(call, forest, rows, aggregate, [&](int64_t r, std::vector<double>& totals) {
    for (size_t t = 0; t < totals.size() && !base.empty(); ++t) totals[t] += base[base.size() == 1 ? 0 : t];
    transform_scores(transform, totals);
    from_doubles(totals.data(), DType::F32, made + r * forest.target_count, forest.target_count);
  });
  return {};
}

// With two labels and votes for one class only, the votes are the second class's score and the first one's follows from
// it: 1 - s when all weights are probabilities (none negative), else -s.
Result<> tree_ensemble_classifier(Call& call) {
  const Forest& forest = forest_of(call);
  ASSIGN_OR_RETURN(const Labels labels, labels_of(call.node(), "classlabels_int64s", "classlabels_strings"));
  ASSIGN_OR_RETURN(const PostTransform transform, post_transform_of(call.node()));
  const int64_t classes = class_count(call.node());
  if (classes == 0) return call.invalid("class labels; got none, need classlabels_int64s or classlabels_strings");
  ASSIGN_OR_RETURN(const std::vector<double> base, numbers(call.node(), "base_values"));
  ASSIGN_OR_RETURN(const Rows rows, rows_for(call, forest));

  const auto ids = call.node().ints("class_ids");
  const bool one_voted = !ids.empty() && std::ranges::all_of(ids, [&](int64_t id) { return id == ids[0]; });
  const bool binary = classes == 2 && one_voted;
  if (!base.empty() && static_cast<int64_t>(base.size()) != classes && !(binary && base.size() == 1))
    return call.invalid("base_values; got {}, need {}", base.size(), classes);
  const bool positive = std::ranges::none_of(forest.votes, [](const Forest::Vote& vote) { return vote.weight < 0; });
  const bool complement = transform == PostTransform::Probit || (transform == PostTransform::None && positive);

  Tensor* z = nullptr;
  if (call.wants(1)) {
    ASSIGN_OR_RETURN(z, call.output(1, DType::F32, {rows.count, classes}));
  }
  std::vector<int64_t> chosen(static_cast<size_t>(rows.count));
  for_each_row(call, forest, rows, Aggregate::Sum, [&](int64_t r, std::vector<double>& totals) {
    if (binary) {
      const double score = totals[static_cast<size_t>(ids[0])] + (base.empty() ? 0 : base.back());
      totals[0] = complement ? 1 - score : -score;
      totals[1] = score;
    } else {
      for (size_t c = 0; c < base.size(); ++c) totals[c] += base[c];
    }
    transform_scores(transform, totals);
    if (z != nullptr) from_doubles(totals.data(), DType::F32, z->mutable_data<float>() + r * classes, classes);
    const auto best = std::ranges::max_element(totals) - totals.begin();
    chosen[static_cast<size_t>(r)] = best;
  });
  return write_labels(call, 0, labels, chosen);
}

}  // namespace hearth::operators::ml
