#include "graph/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <set>
#include <string>

namespace hearth::graph {
namespace {

TEST(Schema, AnOpsetReadsTheNewestVersionThatIsNotNewerThanItself) {
  EXPECT_EQ(find_schema("", "Conv", 10)->since_version, 1);
  EXPECT_EQ(find_schema("", "Conv", 11)->since_version, 11);
  EXPECT_EQ(find_schema("ai.onnx", "Conv", 21)->since_version, 11);
  EXPECT_EQ(find_schema("", "Conv", 1000)->since_version, 22);
  EXPECT_EQ(find_schema("", "Gelu", 19), nullptr);  // first in 20
  EXPECT_NE(find_schema("", "Gelu", 20), nullptr);
  EXPECT_EQ(find_schema("", "Abs", 0), nullptr);
  EXPECT_EQ(find_schema("", "", 20), nullptr);
  EXPECT_EQ(find_schema("", "Zzz", 20), nullptr);
  EXPECT_EQ(find_schema("com.example", "Conv", 20), nullptr);
  EXPECT_NE(find_schema("ai.onnx.ml", "Scaler", 1), nullptr);
  EXPECT_EQ(find_schema("", "Scaler", 20), nullptr);
}

TEST(Schema, Domains) {
  EXPECT_EQ(newest_opset(""), 27);
  EXPECT_EQ(newest_opset("ai.onnx"), 27);
  EXPECT_EQ(newest_opset("ai.onnx.ml"), 5);
  EXPECT_EQ(newest_opset("ai.onnx.preview.training"), 1);
  EXPECT_EQ(newest_opset("ai.onnx.preview"), 1);
  EXPECT_EQ(newest_opset("com.microsoft"), 0);
  EXPECT_FALSE(known_domain("com.microsoft"));
}

TEST(Schema, ConvAsPublished) {
  const OperatorSchema& conv = *find_schema("", "Conv", 22);
  EXPECT_EQ(conv.min_inputs, 2);
  EXPECT_EQ(conv.max_inputs, 3);
  ASSERT_EQ(conv.inputs.size(), 3u);
  EXPECT_EQ(conv.inputs[2].name, "B");
  EXPECT_EQ(conv.inputs[2].occurrence, Occurrence::Optional);
  const auto group = std::ranges::find(conv.attributes, "group", &AttributeSchema::name);
  ASSERT_NE(group, conv.attributes.end());
  EXPECT_EQ(group->type, AttributeType::Int);
  EXPECT_EQ(group->default_text, "1");
  const auto pad = std::ranges::find(conv.attributes, "auto_pad", &AttributeSchema::name);
  EXPECT_EQ(pad->default_text, "\"NOTSET\"");
  ASSERT_EQ(conv.constraints.size(), 1u);
  EXPECT_EQ(conv.constraints[0].allowed.size(), 4u);

  const OperatorSchema& loop = *find_schema("", "Loop", 16);
  EXPECT_EQ(loop.max_inputs, INT_MAX);
  EXPECT_FALSE(loop.inputs[2].homogeneous);
  EXPECT_EQ(find_schema("", "Concat", 13)->inputs[0].min_count, 1);
  EXPECT_TRUE(find_schema("", "Upsample", 10)->deprecated);
  EXPECT_EQ(find_schema("ai.onnx.ml", "ZipMap", 1)->constraints[0].allowed[0], "seq(map(string,tensor(float)))");
}

TEST(Schema, EveryParameterTypeIsAConstraintOrAType) {
  std::set<std::pair<std::string_view, std::string_view>> operators;
  for (const OperatorSchema& schema : all_schemas()) {
    operators.emplace(schema.domain, schema.name);
    for (const auto& parameters : {schema.inputs, schema.outputs})
      for (const ParameterSchema& parameter : parameters) {
        const bool bound =
            std::ranges::find(schema.constraints, parameter.types, &TypeConstraint::name) != schema.constraints.end();
        EXPECT_TRUE(bound || parameter.types.ends_with(')')) << schema.name << ' ' << parameter.types;
      }
    for (const TypeConstraint& constraint : schema.constraints) EXPECT_FALSE(constraint.allowed.empty()) << schema.name;
  }
  EXPECT_EQ(all_schemas().size(), 639u);
  EXPECT_EQ(operators.size(), 226u);
}

}  // namespace
}  // namespace hearth::graph
