// ai.onnx.ml and ai.onnx.preview.training.
#include <algorithm>

#include "base/quote_bytes.h"
#include "graph/infer/table.h"

namespace hearth::graph::infer {

namespace {

constexpr std::string_view kMl = "ai.onnx.ml", kTraining = "ai.onnx.preview.training";

// Rows of features: [N, F], and [F] is one row.
Dimension rows_of(const InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  return x->size() < 2 ? Dimension(1) : (*x)[0];
}

Dimension count_of(const InferContext& c, std::string_view ints, std::string_view strings) {
  return static_cast<int64_t>(std::max(c.node().ints(ints).size(), c.node().strings(strings).size()));
}

Result<> same(InferContext& c) {
  c.same_shape();
  return {};
}

Result<> array_feature_extractor(InferContext& c) {
  const Shape *x = c.shape(0), *indices = c.shape(1);
  if (x == nullptr || indices == nullptr) return {};
  const Dimension count = product(*indices);
  if (x->size() == 1) {
    c.set_shape(0, {1, count});
    return {};
  }
  if (x->empty()) return c.invalid("dimensions of input {}; need at least 1", c.describe(0));
  Shape result = *x;
  result.back() = count;
  c.set_shape(0, std::move(result));
  return {};
}

Result<> cast_map(InferContext& c) {
  const std::string_view to = c.node().string_or("cast_to", "TO_FLOAT");
  if (to == "TO_FLOAT")
    c.set_dtype(0, DType::F32);
  else if (to == "TO_STRING")
    c.set_dtype(0, DType::String);
  else if (to == "TO_INT64")
    c.set_dtype(0, DType::I64);
  else
    return c.invalid("attribute 'cast_to'; got {}, need TO_FLOAT, TO_STRING or TO_INT64", quote_bytes(to, 20));
  const bool sparse = c.node().string_or("map_form", "DENSE") == "SPARSE";
  c.set_shape(0, {1, sparse ? size_of(c.node().int_or("max_map", 1)) : Dimension()});
  return {};
}

Result<> category_mapper(InferContext& c) {
  c.same_shape();
  if (const auto dtype = c.dtype(0)) c.set_dtype(0, *dtype == DType::String ? DType::I64 : DType::String);
  return {};
}

Result<> dict_vectorizer(InferContext& c) {
  const Type& map = c.input(0);
  if (map.inner != nullptr && map.inner->dtype) c.set_dtype(0, *map.inner->dtype);
  c.set_shape(0, {1, count_of(c, "int64_vocabulary", "string_vocabulary")});
  return {};
}

Result<> feature_vectorizer(InferContext& c) {
  Dimension width = 0;
  const auto given = c.node().ints("inputdimensions");
  if (!given.empty() && given.size() != c.input_count())
    return c.invalid("attribute 'inputdimensions'; got {} sizes for {} inputs", given.size(), c.input_count());
  for (size_t i = 0; i < c.input_count(); ++i) {
    const Shape* x = c.shape(i);
    Dimension own = x == nullptr || x->empty() ? Dimension() : x->back();
    if (!given.empty()) own = size_of(given[i]);
    width = plus(width, own);
  }
  c.set_shape(0, {rows_of(c), width});
  return {};
}

Result<> label_encoder(InferContext& c) {
  c.same_shape();
  const Node& node = c.node();
  if (c.opset() < 2) {
    if (const auto dtype = c.dtype(0)) c.set_dtype(0, *dtype == DType::String ? DType::I64 : DType::String);
    return {};
  }
  if (const Tensor* values = node.tensor("values_tensor"))
    c.set_dtype(0, values->dtype());
  else if (node.has("values_strings"))
    c.set_dtype(0, DType::String);
  else if (node.has("values_int64s"))
    c.set_dtype(0, DType::I64);
  else if (node.has("values_floats"))
    c.set_dtype(0, DType::F32);
  else
    return c.invalid("none of the attributes values_tensor, values_strings, values_int64s, values_floats");
  return {};
}

// A label for each row, and its scores.
Result<> classify(InferContext& c, Dimension scores) {
  const bool words = !c.node().strings("classlabels_strings").empty();
  c.set_dtype(0, words ? DType::String : DType::I64);
  c.set_shape(0, {rows_of(c)});
  c.set_shape(1, {rows_of(c), std::move(scores)});
  return {};
}

Result<> linear_classifier(InferContext& c) {
  return classify(c, count_of(c, "classlabels_ints", "classlabels_strings"));
}

Result<> svm_classifier(InferContext& c) {
  const Dimension classes = count_of(c, "classlabels_ints", "classlabels_strings");
  // Without probabilities the scores are those of pairs of classes, except where there are two classes.
  const bool probabilities = c.node().has("prob_a") || c.node().floats("support_vectors").empty();
  return classify(c, probabilities || classes.size == 2 ? classes : Dimension());
}

Result<> tree_ensemble_classifier(InferContext& c) {
  return classify(c, count_of(c, "classlabels_int64s", "classlabels_strings"));
}

Result<> linear_regressor(InferContext& c) {
  c.set_shape(0, {rows_of(c), size_of(c.node().int_or("targets", 1))});
  return {};
}

Result<> svm_regressor(InferContext& c) {
  c.set_shape(0, {rows_of(c), 1});
  return {};
}

Result<> tree_ensemble(InferContext& c) {
  c.set_shape(0, {rows_of(c), size_of(c.node().int_or("n_targets", 1))});
  return {};
}

Result<> one_hot_encoder(InferContext& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return {};
  Shape result = *x;
  result.push_back(count_of(c, "cats_int64s", "cats_strings"));
  c.set_shape(0, std::move(result));
  return {};
}

Result<> zip_map(InferContext& c) {
  Type map;
  map.kind = TypeKind::Map;
  map.dtype = c.node().strings("classlabels_strings").empty() ? DType::I64 : DType::String;
  map.inner = std::make_shared<const Type>(Type::tensor(DType::F32, Shape()));
  c.set_type(0, Type::sequence(std::move(map)));
  return {};
}

// Optimisers take learning rate and step, then as many groups of tensors as `kGroups`: the tensors, their gradients and
// what the optimiser remembers of each. They give back all but the gradients.
template <size_t kGroups>
Result<> optimise(InferContext& c) {
  const size_t inputs = c.input_count() - std::min<size_t>(c.input_count(), 2);
  if (inputs % kGroups != 0) return c.invalid("inputs; got {}, need 2 and a multiple of {}", c.input_count(), kGroups);
  const size_t count = inputs / kGroups;
  if (c.output_count() > count * (kGroups - 1))
    return c.invalid("outputs; got {}, need {}", c.output_count(), count * (kGroups - 1));
  for (size_t i = 0; i < c.output_count(); ++i) {
    const size_t from = 2 + (i < count ? i : i + count);
    if (c.input(from).kind != TypeKind::Unknown) c.set_type(i, c.input(from));
  }
  return {};
}

// d y / d x has the shape of x.
Result<> gradient(InferContext& c) {
  for (size_t i = 0; i < c.output_count() && i < c.node().strings("xs").size(); ++i)
    if (i < c.input_count() && c.input(i).kind != TypeKind::Unknown) c.set_type(i, c.input(i));
  return {};
}

constexpr InferEntry kMlTable[] = {
    {"ArrayFeatureExtractor", array_feature_extractor, kMl},
    {"Binarizer", same, kMl},
    {"CastMap", cast_map, kMl},
    {"CategoryMapper", category_mapper, kMl},
    {"DictVectorizer", dict_vectorizer, kMl},
    {"FeatureVectorizer", feature_vectorizer, kMl},
    {"Imputer", same, kMl},
    {"LabelEncoder", label_encoder, kMl},
    {"LinearClassifier", linear_classifier, kMl},
    {"LinearRegressor", linear_regressor, kMl},
    {"Normalizer", same, kMl},
    {"OneHotEncoder", one_hot_encoder, kMl},
    {"SVMClassifier", svm_classifier, kMl},
    {"SVMRegressor", svm_regressor, kMl},
    {"Scaler", same, kMl},
    {"TreeEnsemble", tree_ensemble, kMl},
    {"TreeEnsembleClassifier", tree_ensemble_classifier, kMl},
    {"TreeEnsembleRegressor", tree_ensemble, kMl},
    {"ZipMap", zip_map, kMl},
};
constexpr InferEntry kTrainingTable[] = {
    {"Adagrad", optimise<3>, kTraining},
    {"Adam", optimise<4>, kTraining},
    {"Gradient", gradient, kTraining},
    {"Momentum", optimise<3>, kTraining},
};

}  // namespace

std::span<const InferEntry> ml_inference() {
  return kMlTable;
}
std::span<const InferEntry> training_inference() {
  return kTrainingTable;
}

}  // namespace hearth::graph::infer
