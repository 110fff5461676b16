// Every model of the suite: accepted by the verifier, written as text and read back, and its outputs inferred from its
// inputs alone: never against what the model declares, and nearly always as exactly.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/subgraphs.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "import/onnx/read_onnx.h"

namespace hearth::graph {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> models_of(const char* family) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(fs::path(HEARTH_ONNX_DATA) / family))
    if (fs::exists(entry.path() / "model.onnx")) found.push_back(entry.path() / "model.onnx");
  std::ranges::sort(found);
  return found;
}

std::vector<fs::path> all_models() {
  std::vector<fs::path> all;
  for (const char* family : {"node", "simple", "pytorch-operator", "pytorch-converted"})
    for (fs::path& path : models_of(family)) all.push_back(std::move(path));
  return all;
}

std::string name_of(const fs::path& model) {
  return model.parent_path().filename();
}

// The outputs' types as declared; the graph forgets them.
std::vector<Type> take_output_types(Graph& graph) {
  std::vector<Type> declared;
  for (const ValueId id : graph.outputs) {
    declared.push_back(graph.value(id).type);
    if (std::ranges::find(graph.inputs, id) == graph.inputs.end()) graph.value(id).type = Type();
  }
  return declared;
}

// The first data set's tensors take the place of the inputs: shapes that depend on values can be told then.
void bind_inputs(const fs::path& path, Graph& graph) {
  std::vector<ValueId> rest;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    ValueInfo& value = graph.value(graph.inputs[i]);
    const fs::path file = path.parent_path() / "test_data_set_0" / ("input_" + std::to_string(i) + ".pb");
    if (value.type.kind == TypeKind::Tensor && fs::exists(file)) {
      std::ifstream in(file, std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      const auto tensor = import::read_onnx_tensor(std::as_bytes(std::span(bytes)));
      ASSERT_TRUE(tensor) << tensor.error().message;
      value.constant = *tensor->tensor();
    } else {
      rest.push_back(graph.inputs[i]);
    }
  }
  graph.inputs = std::move(rest);
}

struct Share {
  int outputs = 0, exact = 0, models = 0;
  std::vector<std::string> open;  // less exact than declared
};

// One model: adds to the share.
void infer_outputs(const fs::path& path, Share& share, bool with_values = false) {
  SCOPED_TRACE(name_of(path));
  auto model = import::read_onnx(path);
  ASSERT_TRUE(model) << model.error().message;
  const auto inlined = inline_functions(*model);
  ASSERT_TRUE(inlined) << inlined.error().message;
  const auto held = verify(*model);
  ASSERT_TRUE(held) << held.error().message;
  // What the model declares must not contradict either.
  Model with_declared = model->clone();
  const auto agreed = infer_shapes(with_declared);
  EXPECT_TRUE(agreed) << agreed.error().message;

  const std::vector<Type> declared = take_output_types(model->graph);
  if (with_values) bind_inputs(path, model->graph);
  const auto done = infer_shapes(*model);
  ASSERT_TRUE(done) << done.error().message;
  const auto sound = verify(*model);
  EXPECT_TRUE(sound) << sound.error().message;
  ++share.models;
  for (size_t i = 0; i < declared.size(); ++i) {
    const Type& inferred = model->graph.value(model->graph.outputs[i]).type;
    const auto merged = merge(inferred, declared[i]);
    EXPECT_TRUE(merged) << "inferred " << to_string(inferred) << ", declared " << to_string(declared[i]);
    ++share.outputs;
    if (merged && *merged == inferred)
      ++share.exact;
    else
      share.open.push_back(name_of(path) + ": " + to_string(inferred) + ", declared " + to_string(declared[i]));
  }
}

TEST(SuiteTypes, NodeCasesAreInferredAsDeclared) {
  Share share;
  const auto models = models_of("node");
  ASSERT_GE(models.size(), 1765u);
  for (const fs::path& path : models) infer_outputs(path, share);
  for (const std::string& line : share.open) std::printf("less exact: %s\n", line.c_str());
  const double percent = 100.0 * share.exact / std::max(share.outputs, 1);
  std::printf("%d node cases, %d outputs, %d as exact as declared (%.1f %%)\n", share.models, share.outputs,
              share.exact, percent);
  EXPECT_GE(percent, 80.0);
}

TEST(SuiteTypes, NodeCasesWithKnownInputsAreInferredAsDeclared) {
  Share share;
  for (const fs::path& path : models_of("node")) infer_outputs(path, share, true);
  for (const std::string& line : share.open) std::printf("less exact: %s\n", line.c_str());
  const double percent = 100.0 * share.exact / std::max(share.outputs, 1);
  std::printf("%d node cases with their inputs, %d outputs, %d as exact as declared (%.1f %%)\n", share.models,
              share.outputs, share.exact, percent);
  EXPECT_GE(percent, 95.0);
}

TEST(SuiteTypes, OtherModelsAreInferredAsDeclared) {
  Share share;
  for (const char* family : {"simple", "pytorch-operator", "pytorch-converted"})
    for (const fs::path& path : models_of(family)) infer_outputs(path, share);
  for (const std::string& line : share.open) std::printf("less exact: %s\n", line.c_str());
  std::printf("%d models, %d outputs, %d as exact as declared\n", share.models, share.outputs, share.exact);
  EXPECT_GT(share.models, 100);
}

TEST(SuiteTypes, EveryModelIsTheSameAfterATripThroughText) {
  const TextOptions whole{.max_elements = 1 << 22};
  for (const fs::path& path : all_models()) {
    SCOPED_TRACE(name_of(path));
    const auto model = import::read_onnx(path);
    ASSERT_TRUE(model) << model.error().message;
    const std::string text = to_text(*model, whole);
    const auto again = parse_text(text);
    ASSERT_TRUE(again) << again.error().message << '\n' << text.substr(0, 2000);
    EXPECT_EQ(to_text(*again, whole), text);
    const auto held = verify(*again);
    EXPECT_TRUE(held) << held.error().message;
  }
}

}  // namespace
}  // namespace hearth::graph
