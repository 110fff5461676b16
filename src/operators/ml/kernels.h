// The kernels of ai.onnx.ml and ai.onnx.preview.training; ml_table.cpp says which serves what.
#pragma once

#include "operators/kernel.h"

namespace hearth::operators::ml {

using PrepareResult = Result<std::unique_ptr<Prepared>>;

// tree_ensemble.cpp
PrepareResult prepare_tree_ensemble(const graph::Node& node, int64_t opset, std::span<const Tensor* const> constants);
PrepareResult prepare_tree_regressor(const graph::Node& node, int64_t opset, std::span<const Tensor* const> constants);
PrepareResult prepare_tree_classifier(const graph::Node& node, int64_t opset, std::span<const Tensor* const> constants);
Result<> tree_ensemble(Call& call);
Result<> tree_ensemble_classifier(Call& call);
Result<> tree_ensemble_regressor(Call& call);

// linear.cpp, svm.cpp
Result<> linear_classifier(Call& call);
Result<> linear_regressor(Call& call);
Result<> svm_classifier(Call& call);
Result<> svm_regressor(Call& call);

// label_encoder.cpp
PrepareResult prepare_label_encoder(const graph::Node& node, int64_t opset, std::span<const Tensor* const> constants);
PrepareResult prepare_category_mapper(const graph::Node& node, int64_t opset, std::span<const Tensor* const> constants);
Result<> label_encoder(Call& call);
Result<> category_mapper(Call& call);

// features.cpp
Result<> array_feature_extractor(Call& call);
Result<> binarizer(Call& call);
Result<> feature_vectorizer(Call& call);
Result<> imputer(Call& call);
Result<> normalizer(Call& call);
Result<> one_hot_encoder(Call& call);
Result<> scaler(Call& call);

// maps.cpp
Result<> cast_map(Call& call);
Result<> dict_vectorizer(Call& call);
Result<> zip_map(Call& call);

// training.cpp
Result<> adagrad(Call& call);
Result<> adam(Call& call);
Result<> momentum(Call& call);
Result<> gradient(Call& call);

}  // namespace hearth::operators::ml
