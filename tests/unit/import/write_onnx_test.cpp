#include "import/onnx/write_onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "import/onnx/read_onnx.h"
#include "onnx_bytes.h"
#include "onnx_suite.h"
#include "same_model.h"

namespace hearth::import::testing {
namespace {

namespace fs = std::filesystem;
using graph::Graph;
using graph::kNoValue;
using graph::Model;
using graph::Node;
using graph::ValueId;
using ::testing::HasSubstr;

Model read_back(const Model& model) {
  const auto bytes = write_onnx(model);
  if (!bytes) {
    ADD_FAILURE() << bytes.error().message;
    return {};
  }
  const auto owner = std::make_shared<const std::string>(*bytes);
  auto read = read_onnx(as_bytes(*owner), owner);
  if (!read) {
    ADD_FAILURE() << read.error().message;
    return {};
  }
  return std::move(*read);
}

Node make_node(std::string op_type, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  Node node;
  node.op_type = std::move(op_type);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

// x and the constant w are added to y.
Model small_model(Tensor w) {
  Model model;
  model.ir_version = 10;
  model.opsets[""] = 21;
  Graph& g = model.graph;
  g.name = "g";
  const ValueId x = g.add_value("x", graph::Type::tensor(DType::F32, graph::Shape{4})), in = g.add_value("w"),
                y = g.add_value("y");
  g.value(in).type = graph::Type::tensor(w.dtype(), graph::Shape(w.dims().begin(), w.dims().end()));
  g.value(in).constant = std::move(w);
  g.nodes.push_back(make_node("Add", {x, in}, {y}));
  g.inputs = {x};
  g.outputs = {y};
  return model;
}

Tensor floats_of(size_t count) {
  const std::vector<float> values(count, 1.5f);
  return Tensor::of<float>(DType::F32, {static_cast<int64_t>(count)}, values);
}

TEST(WriteOnnx, EveryModelOfTheSuiteComesBack) {
  const auto files = suite_files(".onnx");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  for (const auto& file : files) {
    const auto model = read_onnx(file);
    ASSERT_TRUE(model) << file;
    EXPECT_EQ(difference(*model, read_back(*model)), "") << file;
  }
}

TEST(WriteOnnx, EveryValueOfTheSuiteComesBack) {
  const auto files = suite_files(".pb");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  size_t sequences = 0;
  for (size_t i = 0; i < files.size(); i += 3) {
    const auto bytes = read_file(files[i]);
    ASSERT_TRUE(bytes);
    std::string name, name_again;
    for (const auto read : {read_onnx_tensor, read_onnx_sequence}) {
      const auto value = read(as_bytes(*bytes), &name);
      if (!value) continue;
      sequences += value->sequence() != nullptr ? 1 : 0;
      const auto written = write_onnx_value(*value, name);
      ASSERT_TRUE(written) << written.error().message;
      const auto again = read(as_bytes(*written), &name_again);
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(difference(*value, *again), "") << files[i];
      EXPECT_EQ(name, name_again);
    }
  }
  EXPECT_GT(sequences, 0u);
}

TEST(WriteOnnx, ValuesOfEveryKind) {
  auto map = std::make_shared<Map>();
  map->keys = std::vector<std::string>{"a", "b"};
  map->values = floats_of(2);
  auto numbered = std::make_shared<Map>();
  numbered->keys = std::vector<int64_t>{-1};
  numbered->values = floats_of(1);
  auto sequence = std::make_shared<Sequence>();
  sequence->items = {std::shared_ptr<const Map>(map), std::shared_ptr<const Map>(numbered)};
  auto outer = std::make_shared<Sequence>();
  outer->items = {std::shared_ptr<const Sequence>(sequence),
                  std::shared_ptr<const Sequence>(std::make_shared<Sequence>())};
  const Value value = std::shared_ptr<const Sequence>(outer);
  const auto written = write_onnx_value(value, "v");
  ASSERT_TRUE(written) << written.error().message;
  const auto again = read_onnx_sequence(as_bytes(*written));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(difference(value, *again), "");

  const auto nothing = write_onnx_value(Value(), "n");
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(read_onnx_optional(as_bytes(*nothing))->empty());
  EXPECT_FALSE(write_onnx_value(std::shared_ptr<const Map>(map)));
  auto mixed = std::make_shared<Sequence>();
  mixed->items = {floats_of(1), Value()};
  EXPECT_THAT(write_onnx_value(std::shared_ptr<const Sequence>(mixed)).error().message, HasSubstr("of several kinds"));
}

TEST(WriteOnnx, NarrowNumbersArePacked) {
  const std::vector<int8_t> values = {1, -8, 7, 0, -1};
  const Model model = small_model(Tensor::of<int8_t>(DType::I4, {5}, values));
  EXPECT_EQ(difference(model.graph.value(1).constant, read_back(model).graph.value(1).constant), "");
  const auto value = write_onnx_value(model.graph.value(1).constant);
  EXPECT_THAT(*value, HasSubstr(std::string("\x4a\x03\x81\x07\x0f", 5)));  // field 9, three bytes
  const std::vector<uint8_t> twos = {3, 0, 1, 2, 3};
  EXPECT_THAT(*write_onnx_value(Tensor::of<uint8_t>(DType::U2, {5}, twos)),
              HasSubstr(std::string("\x4a\x02\x93\x03", 4)));
}

TEST(WriteOnnx, TypesThatOnnxLacksAreRefused) {
  static const char blocks[34] = {};
  const auto written = write_onnx(small_model(Tensor::borrow(blocks, DType::Q8_0, {32}, nullptr)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::Unsupported);
  EXPECT_THAT(written.error().message, HasSubstr("tensor \"w\"; got blocks of q8_0"));
}

TEST(WriteOnnx, OldVersionsAreRaisedWhereTheyLackWhatIsThere) {
  Model model = small_model(floats_of(4));
  model.ir_version = 3;
  EXPECT_EQ(read_back(model).ir_version, 4);
  model.graph.inputs.push_back(1);
  EXPECT_EQ(read_back(model).ir_version, 3);
  model.functions.emplace_back().name = "f";
  EXPECT_EQ(read_back(model).ir_version, 8);
}

// Here values are numbers and names may repeat in an inner graph; in a file the inner one would hide the outer.
TEST(WriteOnnx, HiddenNamesGetASuffix) {
  Model model;
  model.ir_version = 10;
  model.opsets[""] = 21;
  Graph& g = model.graph;
  const ValueId x = g.add_value("x"), y = g.add_value("y");
  auto branch = std::make_unique<Graph>();
  const ValueId captured = branch->add_value("other"), own = branch->add_value("x"), taken = branch->add_value("x_1");
  branch->value(captured).captured = x;
  branch->nodes.push_back(make_node("Neg", {captured}, {own}));
  branch->nodes.push_back(make_node("Abs", {own}, {taken}));
  branch->outputs = {own, taken};
  Node node = make_node("If", {x}, {y});
  node.set("then_branch", std::move(branch));
  g.nodes.push_back(std::move(node));
  g.inputs = {x};
  g.outputs = {y};

  const Model again = read_back(model);
  const Graph& read_branch = *again.graph.nodes.at(0).graph("then_branch");
  const Node &neg = read_branch.nodes.at(0), &abs = read_branch.nodes.at(1);
  EXPECT_EQ(read_branch.value(neg.inputs[0]).captured, again.graph.inputs[0]);
  EXPECT_EQ(read_branch.value(neg.outputs[0]).captured, kNoValue);
  EXPECT_EQ(abs.inputs[0], neg.outputs[0]);
  EXPECT_NE(abs.outputs[0], neg.outputs[0]);
  EXPECT_NE(read_branch.value(neg.outputs[0]).name, "x");
}

TEST(WriteOnnx, ConstantsOfFunctionsBecomeNodes) {
  Model model = small_model(floats_of(4));
  graph::Function& function = model.functions.emplace_back();
  function.domain = "local";
  function.name = "f";
  const ValueId a = function.body.add_value("a"), c = function.body.add_value("c"), b = function.body.add_value("b");
  function.body.value(c).constant = floats_of(3);
  function.body.nodes.push_back(make_node("Add", {a, c}, {b}));
  function.body.inputs = {a};
  function.body.outputs = {b};
  const Graph body = std::move(read_back(model).functions.at(0).body);
  ASSERT_EQ(body.nodes.size(), 2u);
  EXPECT_EQ(body.nodes[0].op_type, "Constant");
  EXPECT_EQ(difference(*body.nodes[0].tensor("value"), floats_of(3)), "");
  EXPECT_EQ(body.nodes[1].inputs[1], body.nodes[0].outputs[0]);
}

class WriteOnnxFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / fmt::format("write_onnx_{}", ::getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(WriteOnnxFile, ExternalDataLiesOnPagesAndOnce) {
  Model model = small_model(floats_of(1000));
  Graph& g = model.graph;
  const ValueId tied = g.add_value("tied"), small = g.add_value("small"), packed = g.add_value("packed");
  g.value(tied).constant = g.value(1).constant;
  g.value(small).constant = floats_of(2);
  const std::vector<int8_t> narrow(5000, -3);
  g.value(packed).constant = Tensor::of<int8_t>(DType::I4, {5000}, narrow);
  const fs::path path = folder_ / "deep/model.onnx";
  const auto written = write_onnx(model, path, {.external_bytes = 100});
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(fs::file_size(folder_ / "deep/model.onnx.data"), 4096u + 2500u);
  EXPECT_LT(fs::file_size(path), 600u);
  const auto again = read_onnx(path);
  ASSERT_TRUE(again) << again.error().message;
  const auto constant = [&](std::string_view name) {
    return again->graph.value(again->graph.find_value(name)).constant;
  };
  EXPECT_EQ(constant("w").raw(), constant("tied").raw());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(constant("w").raw()) % 4096, 0u);
  EXPECT_EQ(difference(constant("packed"), g.value(packed).constant), "");
  EXPECT_EQ(difference(constant("small"), floats_of(2)), "");
  // Written over itself while it is mapped: the old pages stay until nobody needs them.
  ASSERT_TRUE(write_onnx(*again, path, {.external_bytes = 100}));
  EXPECT_EQ(difference(*again, *read_onnx(path)), "");
}

TEST_F(WriteOnnxFile, NothingExternalMeansNoFile) {
  ASSERT_TRUE(write_onnx(small_model(floats_of(4)), folder_ / "model.onnx", {.external_bytes = 100}));
  EXPECT_FALSE(fs::exists(folder_ / "model.onnx.data"));
  EXPECT_TRUE(read_onnx(folder_ / "model.onnx"));
}

TEST_F(WriteOnnxFile, WhatOtherReadersRefuseIsRefused) {
  // Three gigabytes that exist as addresses alone: nothing is read before the size is known.
  const auto huge = Tensor::borrow(reinterpret_cast<const void*>(4096), DType::U8, {int64_t{3} << 30}, nullptr);
  const auto written = write_onnx(small_model(huge), folder_ / "model.onnx");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::Limit);
  EXPECT_THAT(written.error().message, HasSubstr("use external data"));
  EXPECT_FALSE(fs::exists(folder_ / "model.onnx"));
}

}  // namespace
}  // namespace hearth::import::testing
