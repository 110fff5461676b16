#include "cases.h"

#include <gtest/gtest.h>

#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/schema.h"
#include "graph/text.h"
#include "graph/verify.h"

namespace hearth::graph {
namespace {

bool is_known(std::string_view domain, std::string_view op) {
  return domain == "custom" && op == "Known";
}

Result<Model> parse_case(const TextCase& one) {
  const size_t begin = one.text.find_first_not_of(" \n");
  if (begin != std::string::npos && one.text[begin] == '<') return parse_text(one.text);
  auto model = parse_text(one.text);
  if (model) model->opsets = {{"", 21}, {"ai.onnx.ml", 5}, {"ai.onnx.preview", 1}, {"ai.onnx.preview.training", 1}};
  return model;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(TextCases, Parse) {
  for (const TextCase& one : read_cases("parse.txt")) {
    SCOPED_TRACE(one.name);
    const auto model = parse_text(one.text);
    EXPECT_EQ(std::vector<std::string>{model ? "ok" : model.error().message}, one.want);
  }
}

TEST(TextCases, Verify) {
  for (const TextCase& one : read_cases("verify.txt")) {
    SCOPED_TRACE(one.name);
    const auto model = parse_case(one);
    ASSERT_TRUE(model) << model.error().message;
    const auto held = verify(*model, {.custom = is_known});
    EXPECT_EQ(std::vector<std::string>{held ? "ok" : held.error().message}, one.want);
  }
}

TEST(TextCases, Inline) {
  for (const TextCase& one : read_cases("inline.txt")) {
    SCOPED_TRACE(one.name);
    auto model = parse_case(one);
    ASSERT_TRUE(model) << model.error().message;
    const auto done = inline_functions(*model);
    if (!done) {
      EXPECT_EQ(std::vector<std::string>{done.error().message}, one.want);
      continue;
    }
    EXPECT_EQ(lines_of(to_text(*model)), one.want);
    const auto held = verify(*model);
    EXPECT_TRUE(held) << held.error().message;
  }
}

Result<InferOptions> options_of(const TextCase& one) {
  InferOptions options;
  for (const std::string& line : one.options) {
    EXPECT_TRUE(line.starts_with("input ")) << line;
    // A declaration of the text form: read by its own parser.
    const std::string words = line.substr(6);
    const size_t space = words.find(' ');
    ASSIGN_OR_RETURN(const Model parsed, parse_text("g (" + words.substr(space + 1) + " x) => () { }"));
    options.input_shapes[words.substr(0, space)] = *parsed.graph.values[0].type.shape;
  }
  return options;
}

std::vector<std::string> infer_case(const TextCase& one) {
  auto model = parse_case(one);
  if (!model) return {"parse: " + model.error().message};
  if (const auto held = verify(*model, {.custom = is_known}); !held) return {"verify: " + held.error().message};
  const auto options = options_of(one);
  if (!options) return {"options: " + options.error().message};
  if (const auto done = infer_shapes(*model, *options); !done) return {done.error().message};
  std::vector<std::string> found;
  for (const std::string& line : one.want) {
    const std::string name = line.substr(0, line.find(':'));
    const ValueId id = model->graph.find_value(name);
    found.push_back(id == kNoValue ? "no value " + name : name + ": " + to_string(model->graph.value(id).type));
  }
  return found;
}

void run_infer_cases(const std::string& file) {
  for (const TextCase& one : read_cases(file)) {
    SCOPED_TRACE(one.name);
    EXPECT_FALSE(one.want.empty());
    EXPECT_EQ(infer_case(one), one.want);
  }
}

TEST(TextCases, InferOperators) {
  run_infer_cases("infer_operators.txt");
}
TEST(TextCases, InferShapeArithmetic) {
  run_infer_cases("infer_arithmetic.txt");
}
TEST(TextCases, InferControl) {
  run_infer_cases("infer_control.txt");
}
TEST(TextCases, InferErrors) {
  run_infer_cases("infer_errors.txt");
}
TEST(TextCases, InferOverrides) {
  run_infer_cases("infer_overrides.txt");
}

}  // namespace
}  // namespace hearth::graph
