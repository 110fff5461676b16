// ai.onnx.ml and ai.onnx.preview.training. Numbers without a derivation were computed with the specification's
// reference implementation.
#include <cmath>

#include "test_call.h"

namespace hearth::operators {
namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;
using Texts = std::vector<std::string>;

TestCall& attributes(TestCall& call) {
  return call;
}
template <class Data, class... Rest>
TestCall& attributes(TestCall& call, std::string_view name, Data data, Rest... rest) {
  call.with(name, graph::Attribute::Data(std::move(data)));
  return attributes(call, rest...);
}

std::string run(TestCall& call) {
  const auto done = call.run();
  return done ? std::string() : done.error().message;
}

void expect_near(const Tensor& got, const std::vector<double>& wanted, double tolerance = 1e-5) {
  const std::vector<double> values = doubles<float>(got);
  ASSERT_EQ(values.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(values[i], wanted[i], tolerance) << i;
}

Tensor samples() {
  return tensor<float>({3, 2}, {1, 0.5f, -1, 2, 0.25f, -0.75f});
}

constexpr std::string_view kMl = "ai.onnx.ml";

// Two trees of one decision each: x0 <= 0.5, and x1 < 1.
TestCall& forest(TestCall& call) {
  return attributes(call, "nodes_treeids", Ints{0, 0, 0, 1, 1, 1}, "nodes_nodeids", Ints{0, 1, 2, 0, 1, 2},
                    "nodes_featureids", Ints{0, 0, 0, 1, 0, 0}, "nodes_modes",
                    Texts{"BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"}, "nodes_values",
                    Floats{0.5f, 0, 0, 1, 0, 0}, "nodes_truenodeids", Ints{1, 0, 0, 1, 0, 0}, "nodes_falsenodeids",
                    Ints{2, 0, 0, 2, 0, 0}, "nodes_missing_value_tracks_true", Ints{1, 0, 0, 0, 0, 0});
}
TestCall& regressor(TestCall& call) {
  return attributes(forest(call), "target_treeids", Ints{0, 0, 1, 1}, "target_nodeids", Ints{1, 2, 1, 2}, "target_ids",
                    Ints{0, 0, 0, 1}, "target_weights", Floats{1, 10, 100, 1000}, "n_targets", int64_t{2});
}

TEST(TreeEnsembleRegressor, AggregatesAndMissingValues) {
  const Tensor x = tensor<float>({3, 2}, {0, 0, 1, 2, NAN, NAN});
  const auto run_as = [&](std::string aggregate) {
    TestCall call("TreeEnsembleRegressor", 3, {x}, 1, kMl);
    EXPECT_EQ(run(attributes(regressor(call), "aggregate_function", aggregate, "base_values", Floats{0, 5})), "");
    return doubles<float>(call.out());
  };
  EXPECT_EQ(run_as("SUM"), (std::vector<double>{101, 5, 10, 1005, 1, 1005}));
  EXPECT_EQ(run_as("AVERAGE"), (std::vector<double>{50.5, 5, 5, 505, 0.5, 505}));
  EXPECT_EQ(run_as("MIN"), (std::vector<double>{1, 5, 10, 1005, 1, 1005}));
  EXPECT_EQ(run_as("MAX"), (std::vector<double>{100, 5, 10, 1005, 1, 1005}));
}

TEST(TreeEnsembleClassifier, BinaryVotesForOneClass) {
  const auto classify = [](float low, float high, std::string transform, std::vector<double> scores, Texts labels) {
    TestCall call("TreeEnsembleClassifier", 1, {tensor<int64_t>({2, 2}, {0, 0, 1, 2})}, 2, kMl);
    attributes(forest(call), "class_treeids", Ints{0, 0, 1, 1}, "class_nodeids", Ints{1, 2, 1, 2}, "class_ids",
               Ints{0, 0, 0, 0}, "class_weights", Floats{low, high, low, high}, "classlabels_strings",
               Texts{"no", "yes"}, "post_transform", transform);
    EXPECT_EQ(run(call), "");
    expect_near(call.out(1), scores);
    EXPECT_EQ(values<std::string>(call.out(0)), labels);
  };
  classify(0.125f, 0.375f, "NONE", {0.75, 0.25, 0.25, 0.75}, {"no", "yes"});
  classify(-1, 2, "NONE", {2, -2, -4, 4}, {"no", "yes"});
  const double s = 1 / (1 + std::exp(2.0)), t = 1 / (1 + std::exp(-4.0));
  classify(-1, 2, "LOGISTIC", {1 - s, s, 1 - t, t}, {"no", "yes"});
}

TEST(TreeEnsemble, RefusesBrokenTrees) {
  const auto with = [](std::string_view name, auto data) {
    TestCall call("TreeEnsembleRegressor", 1, {tensor<float>({1, 2}, {0, 0})}, 1, kMl);
    return run(attributes(regressor(call), name, std::move(data)));
  };
  EXPECT_EQ(with("nodes_truenodeids", Ints{0, 0, 0, 1, 0, 0}),
            "[TreeEnsembleRegressor] tree; got node 0 below itself, need trees without circles");
  EXPECT_EQ(with("nodes_falsenodeids", Ints{9, 0, 0, 2, 0, 0}),
            "[TreeEnsembleRegressor] child of node 0 of tree 0; got 9, need a node of that tree");
  EXPECT_EQ(with("nodes_nodeids", Ints{0, 1, 1, 0, 1, 2}),
            "[TreeEnsembleRegressor] nodes_nodeids; got node 1 of tree 0 twice, need each once");
  EXPECT_EQ(with("nodes_values", Floats{1}), "[TreeEnsembleRegressor] length of nodes_values; got 1, need 6");
  EXPECT_EQ(with("nodes_featureids", Ints{0, 0, 0, 7, 0, 0}),
            "[TreeEnsembleRegressor] features; got 2, need at least 8: a node asks for number 7");
  EXPECT_EQ(with("target_ids", Ints{0, 0, 0, 2}),
            "[TreeEnsembleRegressor] vote 3; got target 2, need at least 0 and less than 2");
  EXPECT_EQ(
      with("n_targets", INT64_MAX),
      fmt::format("[TreeEnsembleRegressor] n_targets; got {}, need at least 1 and at most {}", INT64_MAX, 1 << 22));
  EXPECT_EQ(with("nodes_modes", Texts{"LIKE", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"}),
            "[TreeEnsembleRegressor] nodes_modes; got 'LIKE', need BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ or LEAF");
}

// x0 in {1, 4} ? (x0 != 4 ? leaf 0 : leaf 1) : leaf 2; NaN goes the true way at the root and the false way below.
TEST(TreeEnsemble, MembersAndMissingValues) {
  TestCall call("TreeEnsemble", 5, {tensor<double>({4, 1}, {1, 4, 3, std::nan("")})}, 1, kMl);
  attributes(call, "tree_roots", Ints{0}, "nodes_featureids", Ints{0, 0}, "nodes_modes", tensor<uint8_t>({2}, {6, 5}),
             "nodes_splits", tensor<double>({2}, {0, 4}), "membership_values",
             tensor<double>({3}, {4, 1, std::nan("")}), "nodes_truenodeids", Ints{1, 0}, "nodes_falsenodeids",
             Ints{2, 1}, "nodes_trueleafs", Ints{0, 1}, "nodes_falseleafs", Ints{1, 1}, "leaf_targetids", Ints{0, 0, 0},
             "leaf_weights", tensor<double>({3}, {10, 20, 30}), "nodes_missing_value_tracks_true", Ints{1, 0});
  EXPECT_EQ(run(call), "");
  EXPECT_EQ(doubles<double>(call.out()), (std::vector<double>{10, 20, 30, 20}));
  TestCall circle("TreeEnsemble", 5, {tensor<double>({1, 1}, {1})}, 1, kMl);
  attributes(circle, "tree_roots", Ints{0}, "nodes_featureids", Ints{0}, "nodes_modes", tensor<uint8_t>({1}, {0}),
             "nodes_splits", tensor<double>({1}, {0}), "nodes_truenodeids", Ints{0}, "nodes_falsenodeids", Ints{0},
             "nodes_trueleafs", Ints{0}, "nodes_falseleafs", Ints{1}, "leaf_targetids", Ints{0}, "leaf_weights",
             tensor<double>({1}, {1}));
  EXPECT_EQ(run(circle), "[TreeEnsemble] tree; got node 0 below itself, need trees without circles");
}

TestCall& machine(TestCall& call, std::string kernel) {
  return attributes(call, "classlabels_ints", Ints{10, 20, 30}, "coefficients",
                    Floats{0.5f, -0.25f, 1, -0.75f, 0.3f, 0.6f, -0.9f, 0.2f}, "kernel_params", Floats{0.5f, 0.1f, 2},
                    "rho", Floats{0.1f, -0.2f, 0.05f}, "support_vectors", Floats{1, 0, 0, 1, -1, -1, 2, 0.5f},
                    "vectors_per_class", Ints{1, 1, 2}, "kernel_type", kernel);
}

TEST(SvmClassifier, Kernels) {
  const auto classify = [](std::string kernel, std::vector<double> scores, Ints labels) {
    TestCall call("SVMClassifier", 1, {samples()}, 2, kMl);
    EXPECT_EQ(run(machine(call, kernel)), "");
    expect_near(call.out(1), scores);
    EXPECT_EQ(values<int64_t>(call.out(0)), labels) << kernel;
  };
  classify("LINEAR", {0.475, -3.0875, 2.15, -0.9, -0.75, 1.95, 0.4125, 0.28125, -0.825}, {10, 20, 10});
  classify("POLY", {0.249375, -0.794969, 0.043375, -0.1225, -0.112, 0.664, 0.106406, -0.082117, -0.009594},
           {10, 20, 30});
  classify("RBF", {0.407433, -0.346212, 0.45292, 0.017188, -0.186101, 0.261451, 0.332489, 0.340422, -0.203803},
           {10, 10, 10});
  classify("SIGMOID", {0.284431, -1.241397, 0.934553, -0.290099, -0.408972, 0.796264, 0.277707, 0.081946, -0.381484},
           {10, 20, 10});
}

TEST(SvmClassifier, OneDecisionMakesTwoScores) {
  TestCall call("SVMClassifier", 1, {samples()}, 2, kMl);
  attributes(call, "classlabels_strings", Texts{"a", "b"}, "kernel_params", Floats{0.5f, 0, 3}, "rho", Floats{0.1f},
             "support_vectors", Floats{1, 0, 0, 1, -1, -1, 2, 0.5f}, "vectors_per_class", Ints{2, 2}, "coefficients",
             Floats{0.5f, 0.25f, -1, -0.75f}, "kernel_type", std::string("RBF"));
  EXPECT_EQ(run(call), "");
  expect_near(call.out(1), {-0.176229, 0.176229, -0.187314, 0.187314, 0.080713, -0.080713});
  EXPECT_EQ(values<std::string>(call.out(0)), (Texts{"a", "a", "b"}));
}

// Pairwise probabilities of 0.5, 0.3 and 0.2: no pair contradicts another, so coupling gives back the three.
TEST(SvmClassifier, ProbabilitiesOfPairs) {
  TestCall call("SVMClassifier", 1, {tensor<float>({1, 1}, {0})}, 2, kMl);
  attributes(call, "classlabels_ints", Ints{1, 2, 3}, "support_vectors", Floats{0, 0, 0}, "vectors_per_class",
             Ints{1, 1, 1}, "coefficients", Floats{0, 0, 0, 0, 0, 0}, "rho",
             Floats{std::log(5.0f / 3), std::log(5.0f / 2), std::log(3.0f / 2)}, "prob_a", Floats{-1, -1, -1}, "prob_b",
             Floats{0, 0, 0});
  EXPECT_EQ(run(call), "");
  expect_near(call.out(1), {0.5, 0.3, 0.2}, 2e-3);
}

TEST(SvmRegressor, KernelAndOneClass) {
  TestCall poly("SVMRegressor", 1, {samples()}, 1, kMl);
  attributes(poly, "kernel_type", std::string("POLY"), "kernel_params", Floats{0.5f, 1, 2}, "rho", Floats{0.25f},
             "support_vectors", Floats{1, 0, 0, 1, -1, -1, 2, 0.5f}, "coefficients", Floats{1, -1, 0.5f, 2},
             "n_supports", int64_t{4});
  EXPECT_EQ(run(poly), "");
  expect_near(poly.out(), {10, -2.875, 4.164062});
  TestCall one("SVMRegressor", 1, {samples()}, 1, kMl);
  EXPECT_EQ(run(attributes(one, "coefficients", Floats{1, -2}, "rho", Floats{0.25f}, "one_class", int64_t{1})), "");
  expect_near(one.out(), {1, -1, 1});
  TestCall sizes("SVMRegressor", 1, {samples()}, 1, kMl);
  EXPECT_EQ(run(attributes(sizes, "coefficients", Floats{1}, "rho", Floats{0}, "support_vectors", Floats{1, 2, 3},
                           "n_supports", int64_t{1})),
            "[SVMRegressor] support_vectors; got 3 numbers, need 1 vectors of 2 features");
}

TEST(Linear, ClassifierAndRegressor) {
  TestCall three("LinearClassifier", 1, {samples()}, 2, kMl);
  attributes(three, "coefficients", Floats{0.1f, 0.2f, -0.1f, 0.3f, 0.05f, -0.2f}, "intercepts",
             Floats{0.3f, 0.2f, 0.4f}, "classlabels_ints", Ints{3, 5, 8}, "post_transform", std::string("SOFTMAX"));
  EXPECT_EQ(run(three), "");
  expect_near(three.out(1), {0.378858, 0.295055, 0.326086, 0.348201, 0.470022, 0.181777, 0.305641, 0.24406, 0.450299});
  EXPECT_EQ(values<int64_t>(three.out()), (Ints{3, 5, 8}));
  TestCall two("LinearClassifier", 1, {samples()}, 2, kMl);
  attributes(two, "coefficients", Floats{0.5f, -1}, "intercepts", Floats{0.25f}, "classlabels_ints", Ints{0, 1},
             "post_transform", std::string("LOGISTIC"));
  EXPECT_EQ(run(two), "");
  expect_near(two.out(1), {0.437823, 0.562176, 0.90465, 0.095349, 0.245085, 0.754915}, 2e-6);
  EXPECT_EQ(values<int64_t>(two.out()), (Ints{1, 0, 1}));
  TestCall targets("LinearRegressor", 1, {samples()}, 1, kMl);
  attributes(targets, "coefficients", Floats{0.5f, -1, 2, 0.25f}, "intercepts", Floats{0.25f, 1}, "targets",
             int64_t{2});
  EXPECT_EQ(run(targets), "");
  expect_near(targets.out(), {0.25, 3.125, -2.25, -0.5, 1.125, 1.3125});
  TestCall sizes("LinearRegressor", 1, {samples()}, 1, kMl);
  EXPECT_EQ(run(attributes(sizes, "coefficients", Floats{1, 2, 3})),
            "[LinearRegressor] coefficients; got 3 of them for 2 features, need 1 for each");
}

// Known quantiles of the normal distribution.
TEST(Linear, Probit) {
  TestCall call("LinearRegressor", 1, {tensor<float>({3, 1}, {0.5f, 0.975f, 0.001f})}, 1, kMl);
  EXPECT_EQ(run(attributes(call, "coefficients", Floats{1}, "post_transform", std::string("PROBIT"))), "");
  expect_near(call.out(), {0, 1.959964, -3.090232}, 1e-4);
}

TEST(LabelEncoder, TypesDefaultsAndNan) {
  TestCall floats("LabelEncoder", 4, {tensor<float>({4}, {NAN, 1.5f, -0.0f, 7})}, 1, kMl);
  attributes(floats, "keys_floats", Floats{1.5f, NAN, 0}, "values_strings", Texts{"x", "nan", "zero"});
  EXPECT_EQ(run(floats), "");
  EXPECT_EQ(values<std::string>(floats.out()), (Texts{"nan", "x", "zero", "_Unused"}));
  TestCall tensors("LabelEncoder", 4, {tensor<int16_t>({2}, {5, 6})}, 1, kMl);
  attributes(tensors, "keys_tensor", tensor<int16_t>({2}, {5, 5}), "values_tensor", tensor<double>({2}, {0.5, 0.75}),
             "default_tensor", tensor<double>({1}, {9}));
  EXPECT_EQ(run(tensors), "");
  EXPECT_EQ(doubles<double>(tensors.out()), (std::vector<double>{0.75, 9}));  // the last of equal keys
  TestCall old("LabelEncoder", 1, {tensor<int64_t>({3}, {1, 0, 2})}, 1, kMl);
  EXPECT_EQ(run(attributes(old, "classes_strings", Texts{"a", "b"}, "default_string", std::string("?"))), "");
  EXPECT_EQ(values<std::string>(old.out()), (Texts{"b", "a", "?"}));
  TestCall type("LabelEncoder", 4, {tensor<int64_t>({1}, {1})}, 1, kMl);
  EXPECT_EQ(run(attributes(type, "keys_strings", Texts{"a"}, "values_int64s", Ints{1})),
            "[LabelEncoder] element type; got i64, need string, that of the keys");
  TestCall lengths("LabelEncoder", 4, {tensor<int64_t>({1}, {1})}, 1, kMl);
  EXPECT_EQ(run(attributes(lengths, "keys_int64s", Ints{1, 2}, "values_int64s", Ints{1})),
            "[LabelEncoder] keys and values; got 2 and 1, need as many of both");
}

TEST(CategoryMapper, BothWays) {
  TestCall text("CategoryMapper", 1, {tensor<std::string>({2}, {"b", "?"})}, 1, kMl);
  EXPECT_EQ(run(attributes(text, "cats_strings", Texts{"a", "b"}, "cats_int64s", Ints{4, 9})), "");
  EXPECT_EQ(values<int64_t>(text.out()), (Ints{9, -1}));
}

TEST(Features, ExtractorChecksIndices) {
  const Tensor x = tensor<std::string>({2, 3}, {"a", "b", "c", "d", "e", "f"});
  TestCall call("ArrayFeatureExtractor", 1, {x, tensor<int64_t>({1, 2}, {2, 0})}, 1, kMl);
  EXPECT_EQ(run(call), "");
  EXPECT_EQ(values<std::string>(call.out()), (Texts{"c", "a", "f", "d"}));
  TestCall outside("ArrayFeatureExtractor", 1, {x, tensor<int64_t>({1}, {3})}, 1, kMl);
  EXPECT_EQ(run(outside), "[ArrayFeatureExtractor] index 0; got 3, need at least 0 and less than 3");
}

TEST(Features, ImputerScalerNormalizerBinarizer) {
  TestCall imputer("Imputer", 1, {tensor<float>({2, 2}, {NAN, 1, 2, NAN})}, 1, kMl);
  EXPECT_EQ(run(attributes(imputer, "replaced_value_float", NAN, "imputed_value_floats", Floats{7, 8})), "");
  expect_near(imputer.out(), {7, 1, 2, 8});
  TestCall ints("Imputer", 1, {tensor<int32_t>({3}, {-1, 5, -1})}, 1, kMl);
  EXPECT_EQ(run(attributes(ints, "replaced_value_int64", int64_t{-1}, "imputed_value_int64s", Ints{3})), "");
  EXPECT_EQ(values<int32_t>(ints.out()), (std::vector<int32_t>{3, 5, 3}));
  TestCall scaler("Scaler", 1, {tensor<int64_t>({1, 2}, {5, 6})}, 1, kMl);
  EXPECT_EQ(run(attributes(scaler, "offset", Floats{1, 2}, "scale", Floats{0.5f, 10})), "");
  expect_near(scaler.out(), {2, 40});
  const auto normalize = [](std::string norm) {
    TestCall call("Normalizer", 1, {tensor<float>({2, 2}, {3, -4, 0, 0})}, 1, kMl);
    EXPECT_EQ(run(attributes(call, "norm", norm)), "");
    return call.out();
  };
  expect_near(normalize("MAX"), {1, -4.0 / 3, 0, 0});
  expect_near(normalize("L1"), {3.0 / 7, -4.0 / 7, 0, 0});
  expect_near(normalize("L2"), {0.6, -0.8, 0, 0});
  TestCall binarizer("Binarizer", 1, {tensor<float>({3}, {1, 2, 3})}, 1, kMl);
  EXPECT_EQ(run(attributes(binarizer, "threshold", 2.0f)), "");
  expect_near(binarizer.out(), {0, 0, 1});
}

TEST(Features, OneHotAndVectorizer) {
  TestCall one("OneHotEncoder", 1, {tensor<float>({2}, {2, 9})}, 1, kMl);
  EXPECT_EQ(run(attributes(one, "cats_int64s", Ints{1, 2})), "");
  EXPECT_EQ(one.out().dims(), (Dims{2, 2}));
  expect_near(one.out(), {0, 1, 0, 0});
  TestCall strict("OneHotEncoder", 1, {tensor<std::string>({1}, {"z"})}, 1, kMl);
  EXPECT_EQ(run(attributes(strict, "cats_strings", Texts{"a"}, "zeros", int64_t{0})),
            "[OneHotEncoder] element 0; it is none of the 1 categories, and zeros is 0");
  TestCall vectors("FeatureVectorizer", 1, {tensor<int32_t>({2, 2}, {1, 2, 3, 4}), tensor<int32_t>({2, 1}, {5, 6})}, 1,
                   kMl);
  EXPECT_EQ(run(attributes(vectors, "inputdimensions", Ints{1, 2})), "");
  expect_near(vectors.out(), {1, 5, 0, 3, 6, 0});
}

Value map_of(Ints keys, Tensor values) {
  auto map = std::make_shared<Map>();
  map->keys = std::move(keys);
  map->values = std::move(values);
  return Value(std::shared_ptr<const Map>(map));
}

TEST(Maps, CastMap) {
  TestCall dense("CastMap", 1, {map_of({3, 1}, tensor<std::string>({2}, {"1.5", "-2"}))}, 1, kMl);
  EXPECT_EQ(run(dense), "");
  expect_near(dense.out(), {-2, 1.5});
  TestCall sparse("CastMap", 1, {map_of({3, 1}, tensor<float>({2}, {1.5f, 2}))}, 1, kMl);
  EXPECT_EQ(run(attributes(sparse, "map_form", std::string("SPARSE"), "max_map", int64_t{4}, "cast_to",
                           std::string("TO_INT64"))),
            "");
  EXPECT_EQ(values<int64_t>(sparse.out()), (Ints{0, 2, 0, 1}));
  TestCall outside("CastMap", 1, {map_of({4}, tensor<float>({1}, {1}))}, 1, kMl);
  EXPECT_EQ(run(attributes(outside, "map_form", std::string("SPARSE"), "max_map", int64_t{4})),
            "[CastMap] key of the map; got 4, need at least 0 and less than max_map, 4");
  TestCall text("CastMap", 1, {map_of({0}, tensor<std::string>({1}, {"one"}))}, 1, kMl);
  EXPECT_EQ(run(text), "[CastMap] value 0 of the map; got 'one', need a number");
  TestCall no_map("CastMap", 1, {tensor<float>({1}, {1})}, 1, kMl);
  EXPECT_EQ(run(no_map), "[CastMap] input 0; got a tensor, need a map");
}

TEST(Maps, DictVectorizerAndZipMap) {
  TestCall call("DictVectorizer", 1, {map_of({7, 5}, tensor<float>({2}, {1, 2}))}, 1, kMl);
  EXPECT_EQ(run(attributes(call, "int64_vocabulary", Ints{5, 6, 7})), "");
  expect_near(call.out(), {2, 0, 1});
  TestCall unknown("DictVectorizer", 1, {map_of({8}, tensor<float>({1}, {1}))}, 1, kMl);
  EXPECT_EQ(run(attributes(unknown, "int64_vocabulary", Ints{5})),
            "[DictVectorizer] key of the map; got '8', which is not in the vocabulary");
  TestCall zip("ZipMap", 1, {tensor<float>({2, 2}, {1, 2, 3, 4})}, 1, kMl);
  EXPECT_EQ(run(attributes(zip, "classlabels_strings", Texts{"a", "b"})), "");
  const Sequence* maps = zip.result().sequence();
  ASSERT_NE(maps, nullptr);
  ASSERT_EQ(maps->items.size(), 2u);
  expect_near(maps->items[1].map()->values, {3, 4});
  EXPECT_EQ(std::get<Texts>(maps->items[1].map()->keys), (Texts{"a", "b"}));
}

constexpr std::string_view kTraining = "ai.onnx.preview.training";

TEST(Training, TwoTensorsAtOnce) {
  const Tensor rate = tensor<float>({}, {0.5f}), step = tensor<int64_t>({}, {1});
  TestCall momentum("Momentum", 1,
                    {rate, step, tensor<float>({1}, {1}), tensor<double>({2}, {2, 3}), tensor<float>({1}, {4}),
                     tensor<double>({2}, {5, 6}), tensor<float>({1}, {8}), tensor<double>({2}, {16, 32})},
                    4, kTraining);
  attributes(momentum, "norm_coefficient", 0.0f, "alpha", 0.5f, "beta", 0.25f, "mode", std::string("nesterov"));
  EXPECT_EQ(run(momentum), "");
  // v = 0.5 * 8 + 0.25 * 4 = 5; x = 1 - 0.5 * (4 + 0.5 * 5)
  expect_near(momentum.out(0), {-2.25});
  expect_near(momentum.out(2), {5});
  EXPECT_EQ(doubles<double>(momentum.out(3)), (std::vector<double>{9.25, 17.5}));
  TestCall inputs("Adam", 1, {rate, step, rate, rate, rate}, 1, kTraining);
  EXPECT_EQ(run(inputs), "[Adam] inputs; got 3 behind the update count, need 4 for each optimised tensor");
  TestCall gradient("Gradient", 1, {rate}, 1, kTraining);
  EXPECT_NE(run(gradient).find("[Gradient] derivatives of a graph"), std::string::npos);
}

}  // namespace
}  // namespace hearth::operators
