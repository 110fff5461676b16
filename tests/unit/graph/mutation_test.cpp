// Damaged texts and damaged graphs: an error or an answer, never a crash.
#include <gtest/gtest.h>

#include "cases.h"
#include "graph/infer_shapes.h"
#include "graph/inline_functions.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "mutate.h"

namespace hearth::graph {
namespace {

std::vector<std::string> all_texts() {
  std::vector<std::string> texts;
  for (const char* file : {"parse.txt", "verify.txt", "inline.txt", "infer_operators.txt", "infer_arithmetic.txt",
                           "infer_control.txt", "infer_errors.txt"})
    for (TextCase& one : read_cases(file)) texts.push_back(std::move(one.text));
  return texts;
}

// What a loader does with a model. Whatever passes the verifier must be inferred or refused.
void use(Model& model) {
  if (model.opsets.empty()) model.opsets = {{"", 21}, {"ai.onnx.ml", 5}, {"ai.onnx.preview.training", 1}};
  to_text(model);
  if (!inline_functions(model) || !verify(model)) return;
  if (!infer_shapes(model)) return;
  const auto held = verify(model);
  EXPECT_TRUE(held) << held.error().message << '\n' << to_text(model);
}

TEST(Mutation, DamagedTexts) {
  static constexpr std::string_view kPieces[] = {"(",
                                                 ")",
                                                 "<",
                                                 ">",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "\"",
                                                 ",",
                                                 "=",
                                                 "=>",
                                                 "@a",
                                                 ":",
                                                 "-",
                                                 "9223372036854775807",
                                                 "-9223372036854775808",
                                                 "1e40",
                                                 "seq(",
                                                 "float",
                                                 "?",
                                                 "N",
                                                 "x",
                                                 "",
                                                 "\n",
                                                 "#",
                                                 "\\",
                                                 "\xff"};
  std::mt19937_64 random(20);
  int parsed = 0, total = 0;
  for (const std::string& text : all_texts())
    for (int round = 0; round < 60; ++round) {
      std::string damaged = text;
      for (uint64_t changes = 1 + random() % 3; changes > 0 && !damaged.empty(); --changes) {
        const size_t at = random() % damaged.size();
        switch (random() % 4) {
          case 0:
            damaged.replace(at, 1, kPieces[random() % std::size(kPieces)]);
            break;
          case 1:
            damaged.insert(at, kPieces[random() % std::size(kPieces)]);
            break;
          case 2:
            damaged.erase(at, random() % 12);
            break;
          default:  // digits are where sizes and axes are
            for (size_t i = at; i < damaged.size(); ++i)
              if (damaged[i] >= '0' && damaged[i] <= '9') {
                damaged[i] = static_cast<char>('0' + random() % 10);
                break;
              }
        }
      }
      ++total;
      auto model = parse_text(damaged);
      if (!model) continue;
      ++parsed;
      const std::string printed = to_text(*model);
      if (printed.find("…") == std::string::npos) {
        const auto again = parse_text(printed);
        EXPECT_TRUE(again) << again.error().message << '\n' << printed;
      }
      use(*model);
    }
  EXPECT_GT(parsed, total / 20) << "the damage leaves nothing to look at";
  EXPECT_LT(parsed, total);
}

TEST(Mutation, DamagedGraphs) {
  int held = 0, total = 0;
  uint64_t seed = 1;
  for (const std::string& text : all_texts()) {
    const auto model = parse_text(text);
    if (!model) continue;
    for (int round = 0; round < 150; ++round) {
      Model damaged = model->clone();
      if (damaged.opsets.empty()) damaged.opsets = {{"", 21}, {"ai.onnx.ml", 5}, {"ai.onnx.preview.training", 1}};
      Mutator mutator(++seed);
      for (uint64_t changes = 1 + seed % 3; changes > 0; --changes) {
        mutator.mutate(damaged.graph);
        if (!damaged.functions.empty() && seed % 2 == 0) mutator.mutate(damaged.functions[0].body);
      }
      ++total;
      if (verify(damaged)) ++held;
      use(damaged);
    }
  }
  EXPECT_GT(held, total / 20) << "the damage leaves nothing to infer";
  EXPECT_LT(held, total);
}

TEST(Mutation, NestingIsBounded) {
  std::string text = "g (float x, bool c) => (y) { ";
  std::string end = "}";
  for (int i = 0; i < 5000; ++i) {
    text += "y = If (c) <then_branch = b () => (y) { ";
    end = "}>" + end;
  }
  const auto model = parse_text(text + end);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().kind, ErrorKind::Limit);
  EXPECT_NE(model.error().message.find("graphs within each other; need at most 64"), std::string::npos);
}

// Loops within loops are inferred several times each: the work must not grow with a power of the depth.
TEST(Mutation, NestedLoopsEnd) {
  std::string text = "g (float[N] x0, int64 n) => (y0) { ";
  std::string end;
  for (int i = 0; i < 40; ++i) {
    text += fmt::format(
        "y{0} = Loop (n, \"\", x{0}) <body = b (i{0}, c{0}, x{1}) => (d{0}, z{0}) {{ d{0} = Identity (c{0}) "
        "t{0} = Concat <axis = 0> (x{1}, x{1}) ",
        i, i + 1);
    end =
        fmt::format(" z{0} = Concat <axis = 0> (t{0}, {1}) }}> ", i, i < 39 ? fmt::format("y{}", i + 1) : "x40") + end;
  }
  auto model = parse_text(text + end + "}");
  ASSERT_TRUE(model) << model.error().message;
  model->opsets = {{"", 21}};
  const auto held = verify(*model);
  ASSERT_TRUE(held) << held.error().message;
  const auto done = infer_shapes(*model);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(to_string(model->graph.value(model->graph.outputs[0]).type), "float[?]");
}

}  // namespace
}  // namespace hearth::graph
