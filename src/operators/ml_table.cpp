#include "operators/ml/kernels.h"

namespace hearth::operators {

namespace {

constexpr std::string_view kMl = "ai.onnx.ml", kTraining = "ai.onnx.preview.training";
constexpr int kNewest = 1 << 20;

constexpr KernelEntry kKernels[] = {
    {kMl, "ArrayFeatureExtractor", 1, kNewest, ml::array_feature_extractor},
    {kMl, "Binarizer", 1, kNewest, ml::binarizer},
    {kMl, "CastMap", 1, kNewest, ml::cast_map},
    {kMl, "CategoryMapper", 1, kNewest, ml::category_mapper, ml::prepare_category_mapper},
    {kMl, "DictVectorizer", 1, kNewest, ml::dict_vectorizer},
    {kMl, "FeatureVectorizer", 1, kNewest, ml::feature_vectorizer},
    {kMl, "Imputer", 1, kNewest, ml::imputer},
    {kMl, "LabelEncoder", 1, kNewest, ml::label_encoder, ml::prepare_label_encoder},
    {kMl, "LinearClassifier", 1, kNewest, ml::linear_classifier},
    {kMl, "LinearRegressor", 1, kNewest, ml::linear_regressor},
    {kMl, "Normalizer", 1, kNewest, ml::normalizer},
    {kMl, "OneHotEncoder", 1, kNewest, ml::one_hot_encoder},
    {kMl, "SVMClassifier", 1, kNewest, ml::svm_classifier},
    {kMl, "SVMRegressor", 1, kNewest, ml::svm_regressor},
    {kMl, "Scaler", 1, kNewest, ml::scaler},
    {kMl, "TreeEnsemble", 5, kNewest, ml::tree_ensemble, ml::prepare_tree_ensemble},
    {kMl, "TreeEnsembleClassifier", 1, kNewest, ml::tree_ensemble_classifier, ml::prepare_tree_classifier},
    {kMl, "TreeEnsembleRegressor", 1, kNewest, ml::tree_ensemble_regressor, ml::prepare_tree_regressor},
    {kMl, "ZipMap", 1, kNewest, ml::zip_map},
    {kTraining, "Adagrad", 1, kNewest, ml::adagrad},
    {kTraining, "Adam", 1, kNewest, ml::adam},
    {kTraining, "Gradient", 1, kNewest, ml::gradient},
    {kTraining, "Momentum", 1, kNewest, ml::momentum},
};

}  // namespace

std::span<const KernelEntry> ml_kernels() {
  return kKernels;
}

}  // namespace hearth::operators
