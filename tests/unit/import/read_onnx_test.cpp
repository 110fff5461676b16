#include "import/onnx/read_onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "onnx_bytes.h"

namespace hearth::import::testing {
namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Model;
using graph::TypeKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Model read(const std::string& bytes, const OnnxLimits& limits = {}) {
  // A copy with an owner: what is read must not point into the caller's string.
  auto owner = std::make_shared<const std::string>(bytes);
  auto model = read_onnx(as_bytes(*owner), owner, {}, limits);
  if (!model) {
    ADD_FAILURE() << model.error().message;
    return {};
  }
  return std::move(*model);
}
Model read_graph_of(const GraphParts& parts) {
  return read(model(graph(parts)));
}
std::string error_of(const std::string& bytes, const OnnxLimits& limits = {}) {
  const auto model = read_onnx(as_bytes(bytes), nullptr, {}, limits);
  return model ? "no error" : model.error().message;
}
std::string error_of_graph(const GraphParts& parts, const OnnxLimits& limits = {}) {
  return error_of(model(graph(parts)), limits);
}

std::vector<std::string> names(const Graph& graph, const std::vector<graph::ValueId>& ids) {
  std::vector<std::string> names;
  for (const auto id : ids) names.push_back(id == kNoValue ? "" : graph.value(id).name);
  return names;
}
std::vector<std::string> node_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const auto& node : graph.nodes) names.push_back(node.name);
  return names;
}

TEST(ReadOnnx, ModelFields) {
  const Model read_back = read(message([](Writer& w) {
    w.add_int64(1, 8);
    w.add_string(2, std::string("producer"));
    w.add_string(3, std::string("1.0"));
    w.add_string(4, std::string("org"));
    w.add_int64(5, 3);
    w.add_string(6, std::string("what it does"));
    w.add_message(7, graph({}));
    w.add_message(8, opset("ai.onnx", 17));
    w.add_message(8, opset("com.microsoft", 1));
    w.add_message(14, entry("key", "value"));
    w.add_string(999, std::string("from the future"));
    w.add_double(1000, 1);
  }));
  EXPECT_EQ(read_back.ir_version, 8);
  EXPECT_EQ(read_back.producer_name, "producer");
  EXPECT_EQ(read_back.producer_version, "1.0");
  EXPECT_EQ(read_back.domain, "org");
  EXPECT_EQ(read_back.model_version, 3);
  EXPECT_EQ(read_back.doc, "what it does");
  EXPECT_EQ(read_back.opset(""), 17);
  EXPECT_EQ(read_back.opset("com.microsoft"), 1);
  EXPECT_EQ(read_back.metadata.at("key"), "value");
}

TEST(ReadOnnx, NamesBecomeValues) {
  const Model read_back = read_graph_of({
      .nodes = {node({"Clip", {"x", "", "w"}, {"y"}, "clip"}), node({"Dropout", {"y"}, {"z", ""}, "", "ai.onnx"})},
      .inputs = {value_info("x", tensor_type(kFloat, {"N", "3", "", "-1"}))},
      .outputs = {value_info("z", tensor_type(kFloat, {"N", "3"}))},
      .initializers = {floats("w", {}, {6})},
      .value_infos = {value_info("y", tensor_type(kFloat, {"N", "3"})), value_info("gone", tensor_type(kFloat, {}))},
  });
  const Graph& g = read_back.graph;
  EXPECT_EQ(g.name, "g");
  ASSERT_EQ(g.nodes.size(), 2u);
  EXPECT_THAT(names(g, g.nodes[0].inputs), ElementsAre("x", "", "w"));
  EXPECT_EQ(g.nodes[0].inputs[1], kNoValue);
  EXPECT_THAT(names(g, g.nodes[1].outputs), ElementsAre("z", ""));
  EXPECT_EQ(g.nodes[1].domain, "");
  EXPECT_THAT(names(g, g.inputs), ElementsAre("x"));
  EXPECT_THAT(names(g, g.outputs), ElementsAre("z"));
  const graph::Shape shape = *g.value(g.inputs[0]).type.shape;
  EXPECT_THAT(shape, ElementsAre(graph::Dimension(std::string("N")), graph::Dimension(3), graph::Dimension(),
                                 graph::Dimension()));
  EXPECT_EQ(g.value(g.find_value("y")).type.shape->size(), 2u);
  EXPECT_EQ(g.value(g.find_value("w")).constant.data<float>()[0], 6);
  EXPECT_EQ(g.value(g.find_value("w")).type.dtype, DType::F32);
  EXPECT_EQ(g.find_value("gone"), kNoValue);
}

TEST(ReadOnnx, RawWeightsAreBorrowedWhereAligned) {
  // The same model shifted through all places modulo 8: the values are the same, and one in four is in place.
  const std::string bytes = model(graph({.initializers = {floats("w", {2}, {1, 2})}}));
  int borrowed = 0;
  for (size_t shift = 0; shift < 8; ++shift) {
    auto room = std::make_shared<std::vector<char>>(bytes.size() + 16);
    const size_t start = shift + (8 - reinterpret_cast<uintptr_t>(room->data()) % 8) % 8;
    std::ranges::copy(bytes, room->begin() + static_cast<ptrdiff_t>(start));
    const char* const begin = room->data();
    const auto read_back = read_onnx(as_bytes({begin + start, bytes.size()}), room);
    ASSERT_TRUE(read_back);
    const Tensor& w = read_back->graph.value(0).constant;
    EXPECT_EQ(w.data<float>()[1], 2);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(w.raw()) % alignof(float), 0u);
    const char* at = w.data<char>();
    borrowed += at >= begin && at < begin + room->size() ? 1 : 0;
    EXPECT_EQ(read_back->backing.size(), 1u);
  }
  EXPECT_EQ(borrowed, 2);
}

TEST(ReadOnnx, TypesOfEveryKind) {
  const std::string element = tensor_type(kInt64, {"2"});
  const auto type_of = [&](const std::string& type) {
    const Model read_back = read_graph_of({.inputs = {value_info("x", type)}});
    return read_back.graph.value(0).type;
  };
  const auto wrapped = [&](uint32_t field) {
    return message(
        [&](Writer& w) { w.add_message(field, message([&](Writer& inner) { inner.add_message(1, element); })); });
  };
  EXPECT_EQ(type_of("").kind, TypeKind::Unknown);
  EXPECT_EQ(type_of(wrapped(4)).kind, TypeKind::Sequence);
  EXPECT_EQ(type_of(wrapped(4)).inner->dtype, DType::I64);
  EXPECT_EQ(type_of(wrapped(9)).kind, TypeKind::Optional);
  EXPECT_EQ(type_of(wrapped(9)).inner->shape->at(0), graph::Dimension(2));
  const auto map = type_of(message([&](Writer& w) {
    w.add_message(5, message([&](Writer& m) {
                    m.add_int32(1, kString);
                    m.add_message(2, element);
                  }));
  }));
  EXPECT_EQ(map.kind, TypeKind::Map);
  EXPECT_EQ(map.dtype, DType::String);
  EXPECT_EQ(map.inner->dtype, DType::I64);
  const auto sparse =
      type_of(message([&](Writer& w) { w.add_message(8, message([](Writer& m) { m.add_int32(1, kDouble); })); }));
  EXPECT_EQ(sparse.kind, TypeKind::SparseTensor);
  EXPECT_EQ(sparse.dtype, DType::F64);
  EXPECT_EQ(sparse.shape, std::nullopt);
  EXPECT_EQ(type_of(tensor_type(0, {})).dtype, std::nullopt);
  EXPECT_EQ(error_of_graph({.inputs = {value_info("x", tensor_type(77, {}))}}),
            "[onnx] value \"x\": elem_type; got 77, need a type of ONNX 1.22");
}

TEST(ReadOnnx, TypesWithinTypesAreBounded) {
  std::string type = tensor_type(kFloat, {});
  for (int i = 0; i < 100; ++i)
    type = message([&](Writer& w) { w.add_message(4, message([&](Writer& inner) { inner.add_message(1, type); })); });
  EXPECT_THAT(error_of_graph({.inputs = {value_info("x", type)}}), HasSubstr("types within types"));
}

TEST(ReadOnnx, AttributesOfEveryType) {
  const float floats_data[] = {1, 2};
  const int64_t ints_data[] = {-1, 5};
  const std::string sub = graph({.nodes = {node({"Neg", {"x"}, {"n"}})}, .outputs = {value_info("n")}});
  const std::string sparse = message([](Writer& w) {
    w.add_message(1, floats("", {2}, {7, 8}));
    w.add_message(2, raw_tensor<int64_t>("", kInt64, {2}, {0, 3}));
    w.add_int64(3, 4);
  });
  const Model read_back = read_graph_of({
      .nodes = {node(
          {"Custom",
           {"x"},
           {"y"},
           "",
           "my",
           "over",
           {attribute("f", 1, [](Writer& w) { w.add_float(2, 0.5f); }),
            attribute("i", 2, [](Writer& w) { w.add_int64(3, -7); }),
            attribute("s", 3, [](Writer& w) { w.add_bytes(4, std::string("a\0b", 3)); }),
            attribute("t", 4, [](Writer& w) { w.add_message(5, floats("", {1}, {3})); }), graph_attribute("g", sub),
            attribute("fs", 6, [&](Writer& w) { w.add_packed_float(7, floats_data, floats_data + 2); }),
            attribute("is", 7,
                      [&](Writer& w) {
                        w.add_packed_int64(8, ints_data, ints_data + 2);
                        w.add_int64(8, 9);
                      }),
            attribute("ss", 8,
                      [](Writer& w) {
                        w.add_bytes(9, "p");
                        w.add_bytes(9, "q");
                      }),
            attribute("ts", 9, [](Writer& w) { w.add_message(10, floats("", {1}, {4})); }),
            attribute("gs", 10,
                      [&](Writer& w) {
                        w.add_message(11, sub);
                        w.add_message(11, sub);
                      }),
            attribute("sp", 11, [&](Writer& w) { w.add_message(22, sparse); }),
            attribute("tp", 13, [](Writer& w) { w.add_message(14, tensor_type(kBool, {})); }),
            attribute("tps", 14, [](Writer& w) { w.add_message(15, tensor_type(kBool, {})); }),
            attribute("zero", 2, [](Writer&) {}), attribute("none", 7, [](Writer&) {})}})},
      .inputs = {value_info("x")},
      .outputs = {value_info("y")},
  });
  const graph::Node& n = read_back.graph.nodes.at(0);
  EXPECT_EQ(n.domain, "my");
  EXPECT_EQ(n.overload, "over");
  EXPECT_EQ(n.float_or("f", 0), 0.5f);
  EXPECT_EQ(n.int_or("i", 0), -7);
  EXPECT_EQ(n.string_or("s", ""), std::string_view("a\0b", 3));
  EXPECT_EQ(n.tensor("t")->data<float>()[0], 3);
  EXPECT_EQ(n.graph("g")->nodes.at(0).op_type, "Neg");
  EXPECT_THAT(n.floats("fs"), ElementsAre(1, 2));
  EXPECT_THAT(n.ints("is"), ElementsAre(-1, 5, 9));
  EXPECT_THAT(n.strings("ss"), ElementsAre("p", "q"));
  EXPECT_EQ(std::get<std::vector<Tensor>>(n.find("ts")->data).at(0).data<float>()[0], 4);
  EXPECT_EQ(std::get<std::vector<std::unique_ptr<Graph>>>(n.find("gs")->data).size(), 2u);
  const auto& sp = std::get<graph::SparseTensor>(n.find("sp")->data);
  EXPECT_EQ(sp.dims, (Dims{4}));
  EXPECT_EQ(sp.indices.data<int64_t>()[1], 3);
  EXPECT_EQ(std::get<graph::Type>(n.find("tp")->data).dtype, DType::Bool);
  EXPECT_EQ(std::get<std::vector<graph::Type>>(n.find("tps")->data).size(), 1u);
  EXPECT_EQ(n.int_or("zero", 5), 0);
  EXPECT_TRUE(n.has("none"));
  EXPECT_TRUE(n.ints("none").empty());
}

TEST(ReadOnnx, AttributesThatContradictThemselves) {
  const auto error = [](const std::string& bytes) {
    return error_of_graph({.nodes = {node({"Op", {}, {"y"}, "n", "", "", {bytes}})}});
  };
  EXPECT_EQ(error(attribute("a", 1, [](Writer& w) { w.add_int64(3, 1); })),
            "[onnx] node \"n\" (Op): attribute \"a\": data; got that of another type, need that of FLOAT alone");
  EXPECT_EQ(error(attribute("a", 4, [](Writer&) {})),
            "[onnx] node \"n\" (Op): attribute \"a\": data; got none, need a TENSOR");
  EXPECT_THAT(error(attribute("a", 0, [](Writer&) {})), HasSubstr("type; got 0, need one from 1 to 14"));
  EXPECT_THAT(error(attribute("a", 15, [](Writer&) {})), HasSubstr("type; got 15"));
  EXPECT_THAT(error(attribute("", 2, [](Writer&) {})), HasSubstr("name; got none"));
  EXPECT_THAT(error(attribute("a", 2, [](Writer& w) { w.add_string(21, std::string("outer")); })),
              HasSubstr("outside of a function"));
  EXPECT_THAT(error(attribute("a", 4, [](Writer& w) { w.add_message(5, floats("c", {3}, {1})); })),
              HasSubstr("node \"n\" (Op): attribute \"a\": tensor \"c\": raw_data; got 4 bytes, need 12"));
  const std::string one = attribute("a", 2, [](Writer&) {});
  EXPECT_EQ(error_of_graph({.nodes = {node({"Op", {}, {}, "n", "", "", {one, one}})}}),
            "[onnx] node \"n\" (Op): attribute \"a\"; got it twice, need it once");
}

TEST(ReadOnnx, TheFirstIrVersionsGiveAttributesByTheirData) {
  const Model read_back = read(model(
      graph(
          {.nodes = {node({"Op", {}, {"y"}, "", "", "", {attribute("a", 0, [](Writer& w) { w.add_int64(3, 4); })}})}}),
      {}, 1));
  EXPECT_EQ(read_back.graph.nodes.at(0).int_or("a", 0), 4);
}

TEST(ReadOnnx, SparseTensorsAreHeldAgainstTheirDims) {
  const auto sparse = [](std::initializer_list<int64_t> index_dims, std::initializer_list<int64_t> indices) {
    return message([&](Writer& w) {
      w.add_message(1, floats("s", {2}, {7, 8}));
      w.add_message(2, raw_tensor<int64_t>("", kInt64, index_dims, indices));
      w.add_int64(3, 2);
      w.add_int64(3, 3);
    });
  };
  const Model read_back = read_graph_of({.sparse_initializers = {sparse({2, 2}, {0, 2, 1, 0})}});
  ASSERT_TRUE(read_back.graph.value(0).sparse_constant);
  EXPECT_EQ(read_back.graph.value(0).name, "s");
  EXPECT_EQ(read_back.graph.value(0).type.shape->size(), 2u);
  const auto error = [](const std::string& bytes) { return error_of_graph({.sparse_initializers = {bytes}}); };
  EXPECT_EQ(error(sparse({2}, {0, 5})), "no error");
  EXPECT_THAT(error(sparse({2}, {0, 6})),
              HasSubstr("index 1 of a sparse tensor; got 6, need ascending ones within [2, 3]"));
  EXPECT_THAT(error(sparse({2}, {-1, 6})), HasSubstr("index 0"));
  EXPECT_THAT(error(sparse({2}, {3, 3})), HasSubstr("index 1"));
  EXPECT_THAT(error(sparse({2, 2}, {0, 3, 1, 0})), HasSubstr("index 0 of a sparse tensor; got one outside"));
  EXPECT_THAT(error(sparse({1, 2}, {0, 1})), HasSubstr("got values [2] and indices [1, 2]"));
}

TEST(ReadOnnx, InitializersMayBeInputs) {
  const Model read_back = read(model(graph({
                                         .nodes = {node({"Add", {"x", "w"}, {"y"}})},
                                         .inputs = {value_info("x"), value_info("w", tensor_type(kFloat, {"K"}))},
                                         .outputs = {value_info("y")},
                                         .initializers = {floats("w", {1}, {2})},
                                     }),
                                     {}, 3));
  const Graph& g = read_back.graph;
  EXPECT_THAT(names(g, g.inputs), ElementsAre("x", "w"));
  EXPECT_TRUE(g.value(g.inputs[1]).constant);
  EXPECT_EQ(g.value(g.inputs[1]).type.shape->at(0).symbol, "K");
}

TEST(ReadOnnx, NodesAreSorted) {
  const Model read_back = read_graph_of({
      .nodes = {node({"A", {"b", "x"}, {"a"}, "third"}), node({"B", {"c"}, {"b"}, "second"}),
                node({"C", {"x"}, {"c"}, "first"}), node({"D", {"x"}, {"d"}, "other"})},
      .inputs = {value_info("x")},
      .outputs = {value_info("a")},
  });
  EXPECT_THAT(node_names(read_back.graph), ElementsAre("first", "second", "third", "other"));
}

TEST(ReadOnnx, NodesAreSortedByWhatTheirSubgraphsRead) {
  const std::string branch = graph({.nodes = {node({"Neg", {"late"}, {"n"}})}, .outputs = {value_info("n")}});
  const Model read_back = read_graph_of({
      .nodes = {node({"If", {"c"}, {"y"}, "if", "", "", {graph_attribute("then_branch", branch)}}),
                node({"Relu", {"x"}, {"late"}, "relu"})},
      .inputs = {value_info("c"), value_info("x")},
      .outputs = {value_info("y")},
  });
  EXPECT_THAT(node_names(read_back.graph), ElementsAre("relu", "if"));
}

TEST(ReadOnnx, ACycleNamesItsNodes) {
  EXPECT_EQ(error_of_graph({.nodes = {node({"A", {"c"}, {"a"}, "n1"}), node({"B", {"a"}, {"b"}, "n2"}),
                                      node({"C", {"b"}, {"c"}}), node({"D", {"c"}, {"d"}, "behind"})}}),
            "[onnx] order of nodes; got a cycle of 3: node \"n2\" (B) → node 2 (C) → node \"n1\" (A), need none");
  EXPECT_THAT(error_of_graph({.nodes = {node({"A", {"a"}, {"a"}, "self"})}}),
              HasSubstr("a cycle of 1: node \"self\" (A)"));
}

TEST(ReadOnnx, EveryValueHasOneProducer) {
  EXPECT_EQ(error_of_graph({.nodes = {node({"A", {}, {"v"}, "one"}), node({"B", {}, {"v"}, "two"})}}),
            "[onnx] value \"v\"; got it from node \"one\" (A) and again from node \"two\" (B), need one producer");
  EXPECT_THAT(error_of_graph({.nodes = {node({"A", {}, {"v"}})}, .inputs = {value_info("v")}}),
              HasSubstr("got it from an input of the graph"));
  EXPECT_THAT(error_of_graph({.nodes = {node({"A", {}, {"v"}})}, .initializers = {floats("v", {}, {1})}}),
              HasSubstr("again from node 0 (A)"));
  EXPECT_THAT(error_of_graph({.inputs = {value_info("v"), value_info("v")}}), HasSubstr("again from an input"));
  EXPECT_THAT(error_of_graph({.initializers = {floats("v", {}, {1}), floats("v", {}, {1})}}),
              HasSubstr("again from an initializer"));
}

TEST(ReadOnnx, NamesMustBeProduced) {
  EXPECT_EQ(error_of_graph({.nodes = {node({"A", {"nobody"}, {"v"}, "n"})}}),
            "[onnx] node \"n\" (A): input \"nobody\"; got a name that nothing produces, need a value");
  EXPECT_EQ(error_of_graph({.outputs = {value_info("nobody")}}),
            "[onnx] output \"nobody\"; got a name that nothing produces, need a value");
  EXPECT_THAT(error_of_graph({.inputs = {value_info("")}}), HasSubstr("input: name of a value; got none"));
  EXPECT_THAT(error_of_graph({.initializers = {floats("", {}, {1})}}),
              HasSubstr("initializer: name of a value; got none"));
}

TEST(ReadOnnx, SubgraphsCaptureThroughLevels) {
  const std::string inner =
      graph({.nodes = {node({"Add", {"x", "w"}, {"i"}})}, .outputs = {value_info("i")}, .name = "inner"});
  const std::string middle = graph({
      .nodes = {node({"If", {"c"}, {"m"}, "", "", "", {graph_attribute("then_branch", inner)}}),
                node({"Neg", {"x"}, {"k"}})},
      .outputs = {value_info("m")},
      .name = "middle",
  });
  const Model read_back = read_graph_of({
      .nodes = {node({"If", {"c"}, {"y"}, "", "", "", {graph_attribute("then_branch", middle)}})},
      .inputs = {value_info("c", tensor_type(kBool, {})), value_info("x")},
      .outputs = {value_info("y")},
      .initializers = {floats("w", {}, {2})},
  });
  const Graph& g = read_back.graph;
  const Graph& m = *g.nodes.at(0).graph("then_branch");
  const Graph& i = *m.nodes.at(0).graph("then_branch");
  const auto& x = i.value(i.nodes.at(0).inputs.at(0));
  EXPECT_EQ(x.name, "x");
  ASSERT_NE(x.captured, kNoValue);
  EXPECT_EQ(m.value(x.captured).name, "x");
  ASSERT_NE(m.value(x.captured).captured, kNoValue);
  EXPECT_EQ(m.value(x.captured).captured, g.find_value("x"));
  EXPECT_EQ(m.nodes.at(1).inputs.at(0), x.captured);  // captured once for both readers
  const auto& w = i.value(i.nodes.at(0).inputs.at(1));
  EXPECT_FALSE(w.constant);
  EXPECT_EQ(w.type.dtype, DType::F32);
  EXPECT_EQ(m.value(m.nodes.at(0).inputs.at(0)).type.dtype, DType::Bool);
}

TEST(ReadOnnx, AnInnerNameHidesTheOuter) {
  const std::string branch =
      graph({.nodes = {node({"A", {}, {"x"}}), node({"B", {"x"}, {"y"}})}, .outputs = {value_info("y")}});
  const Model read_back = read_graph_of({
      .nodes = {node({"If", {"x"}, {"out"}, "", "", "", {graph_attribute("then_branch", branch)}})},
      .inputs = {value_info("x")},
  });
  const Graph& b = *read_back.graph.nodes.at(0).graph("then_branch");
  EXPECT_EQ(b.value(b.nodes.at(1).inputs.at(0)).captured, kNoValue);
}

TEST(ReadOnnx, ASubgraphMayReturnAnOuterValue) {
  const std::string branch = graph({.outputs = {value_info("x", tensor_type(kFloat, {}))}});
  const Model read_back = read_graph_of({
      .nodes = {node({"If", {"x"}, {"out"}, "", "", "", {graph_attribute("then_branch", branch)}})},
      .inputs = {value_info("x")},
  });
  const Graph& b = *read_back.graph.nodes.at(0).graph("then_branch");
  EXPECT_EQ(b.value(b.outputs.at(0)).captured, read_back.graph.inputs.at(0));
}

std::string function(std::string_view name, std::string_view overload = "") {
  return message([&](Writer& w) {
    w.add_string(1, name.data(), name.size());
    w.add_string(4, std::string("a"));
    w.add_string(5, std::string("b"));
    w.add_string(6, std::string("needed"));
    w.add_message(7, node({"Scale",
                           {"a"},
                           {"b"},
                           "",
                           "",
                           "",
                           {attribute("by", 1, [](Writer& r) { r.add_string(21, std::string("alpha")); }),
                            attribute("body", 5, [](Writer& r) { r.add_string(21, std::string("needed")); })}}));
    w.add_string(8, std::string("documented"));
    w.add_message(9, opset("", 20));
    w.add_string(10, std::string("local"));
    w.add_message(11, attribute("alpha", 1, [](Writer& r) { r.add_float(2, 0.25f); }));
    w.add_message(12, value_info("b", tensor_type(kFloat, {"n"})));
    if (!overload.empty()) w.add_string(13, overload.data(), overload.size());
  });
}

TEST(ReadOnnx, Functions) {
  const Model read_back = read(model(graph({}), {function("f"), function("f", "fast")}));
  ASSERT_EQ(read_back.functions.size(), 2u);
  const graph::Function& f = read_back.functions[1];
  EXPECT_EQ(f.domain, "local");
  EXPECT_EQ(f.name, "f");
  EXPECT_EQ(f.overload, "fast");
  EXPECT_THAT(f.attributes, ElementsAre("needed"));
  ASSERT_EQ(f.defaults.size(), 1u);
  EXPECT_EQ(std::get<float>(f.defaults[0].data), 0.25f);
  EXPECT_EQ(f.opsets.at(""), 20);
  EXPECT_EQ(f.body.doc, "documented");
  EXPECT_THAT(names(f.body, f.body.inputs), ElementsAre("a"));
  EXPECT_THAT(names(f.body, f.body.outputs), ElementsAre("b"));
  EXPECT_EQ(f.body.value(f.body.outputs[0]).type.shape->at(0).symbol, "n");
  const auto& attributes = f.body.nodes.at(0).attributes;
  EXPECT_EQ(attributes.at(0).reference, "alpha");
  EXPECT_TRUE(std::holds_alternative<float>(attributes.at(0).data));
  EXPECT_TRUE(std::holds_alternative<std::unique_ptr<Graph>>(attributes.at(1).data));
  EXPECT_EQ(read_back.clone().functions.size(), 2u);  // a reference to a graph has one to clone
}

TEST(ReadOnnx, FunctionsThatBreakTheRules) {
  EXPECT_EQ(error_of(model(graph({}), {function("f"), function("f")})),
            "[onnx] function \"f\" of domain \"local\"; got it twice, need it once");
  const std::string undefined = message([](Writer& w) {
    w.add_string(1, std::string("f"));
    w.add_message(7, node({"Neg", {"outer"}, {"b"}, "n"}));
  });
  EXPECT_EQ(error_of(model(graph({.inputs = {value_info("outer")}}), {undefined})),
            "[onnx] function \"f\": node \"n\" (Neg): input \"outer\"; got a name that nothing produces, need a value");
}

TEST(ReadOnnx, Versions) {
  EXPECT_THAT(error_of(model(graph({}), {}, 14)), HasSubstr("ir_version; got 14, need at most 13"));
  EXPECT_THAT(error_of(model(graph({}), {}, 0)), HasSubstr("ir_version; got 0"));
  EXPECT_EQ(error_of(model(graph({}), {}, 13)), "no error");
  EXPECT_EQ(error_of(message([](Writer& w) {
              w.add_int64(1, 8);
              w.add_message(7, graph({}));
              w.add_message(8, opset("", 20));
              w.add_message(8, opset("ai.onnx", 21));
            })),
            "[onnx] opset_import of domain \"ai.onnx\"; got versions 20 and 21, need one");
}

TEST(ReadOnnx, LimitsHaveNames) {
  const std::string one = node({"A", {}, {"v"}});
  const std::string two =
      node({"A", {}, {"w"}, "", "", "", {attribute("p", 2, [](Writer&) {}), attribute("q", 2, [](Writer&) {})}});
  const GraphParts parts{.nodes = {one, two}, .outputs = {value_info("v")}};
  EXPECT_EQ(error_of_graph(parts), "no error");
  EXPECT_EQ(error_of_graph(parts, {.max_nodes = 1}), "[onnx] max_nodes; got more, need at most 1");
  EXPECT_THAT(error_of_graph(parts, {.max_values = 1}), HasSubstr("max_values; got more, need at most 1"));
  EXPECT_THAT(error_of_graph(parts, {.max_attributes_per_node = 1}),
              HasSubstr("max_attributes_per_node; got 2, need at most 1"));
  EXPECT_THAT(error_of_graph({.inputs = {value_info("long")}}, {.max_name_bytes = 3}),
              HasSubstr("got 4 bytes, need at most 3 (max_name_bytes)"));
  EXPECT_THAT(error_of(model(graph({}), {function("f"), function("g")}), {.max_functions = 1}),
              HasSubstr("max_functions"));
  EXPECT_THAT(error_of_graph({.initializers = {tensor("s", kString, {1}, [](Writer& w) { w.add_bytes(6, "long"); })}},
                             {.max_string_bytes = 3}),
              HasSubstr("max_string_bytes"));
  std::string nested = graph({});
  for (int i = 0; i < 3; ++i)
    nested = graph({.nodes = {node({"If", {}, {}, "", "", "", {graph_attribute("b", nested)}})}});
  EXPECT_EQ(error_of(model(nested), {.max_graph_depth = 4}), "no error");
  EXPECT_THAT(error_of(model(nested), {.max_graph_depth = 3}), HasSubstr("max_graph_depth; got more, need at most 3"));
}

TEST(ReadOnnx, DepthOfAnEvilFileIsBounded) {
  std::string nested = graph({});
  for (int i = 0; i < 2000; ++i)
    nested = graph({.nodes = {node({"If", {}, {}, "", "", "", {graph_attribute("b", nested)}})}});
  EXPECT_THAT(error_of(model(nested)), HasSubstr("max_graph_depth"));
}

}  // namespace
}  // namespace hearth::import::testing
