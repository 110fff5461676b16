#include <limits>

#include "ops/conformance/cases.h"

namespace hearth::ops::conformance {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
// Where steps change what they do, or where one that is written carelessly overflows.
constexpr float kEdges[] = {0.0f,   -0.0f, kInfinity, -kInfinity, kNaN,  1e-30f, -1e-30f, 3e38f, -3e38f, 88.7f,
                            89,     -87,   -88,       -100,       1000,  -1000,  6,       -6,    3,      -3,
                            5.625f, -5.5f, 0.25f,     -0.25f,     0.125, -0.125, 20,      20.5f, -20,    1};

void build_pointwise(CaseBuilder& b) {
  const int64_t m = b.size("batch_size"), n = b.size("columns"), p = b.size("operand_rows"),
                q = b.flag("operand_columns") ? n : 1;
  const auto step = static_cast<int32_t>(b.size("step"));
  if (!b.failed() && choice_word(kPointwiseSteps, step).empty()) b.refuse("step; need one of docs/ops.md");
  std::vector<float> x = b.normal_values({m, n}, 4.0);
  if (b.flag("edges"))
    for (size_t i = 0; i < x.size() && i < std::size(kEdges); ++i) x[i] = kEdges[i];
  b.values("x", DType::F32, {m, n}, x);
  if (b.failed()) return;
  if (!has_operand(static_cast<Pointwise>(step))) {
    b.absent("o");
  } else {
    std::vector<float> o = b.normal_values({p, q}, 1.0);
    if (b.flag("edges") && o.size() > 40) {
      o[0] = o[40] = kNaN;
      o[7] = kInfinity;
    }
    b.values("o", DType::F32, {p, q}, o);
  }
  b.output("y", DType::F32, {m, n});
  if (b.flag("in_place")) b.in_place(0);
}

std::vector<NamedCase> pointwise_cases() {
  const auto step = [](std::string_view word) {
    return Parameter{"step", static_cast<double>(choice_number(kPointwiseSteps, word))};
  };
  const auto operand = [&](std::string_view word, double rows, bool columns, std::vector<Parameter> more = {}) {
    std::vector<Parameter> all = {step(word), {"batch_size", 7}, {"columns", 70}, {"operand_rows", rows}};
    all.push_back({"operand_columns", columns ? 1.0 : 0.0});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  std::vector<NamedCase> cases = {{"single", {step("relu"), {"batch_size", 1}, {"columns", 1}}},
                                  {"empty", {step("relu"), {"batch_size", 0}}},
                                  {"no_columns", operand("add", 7, true, {{"columns", 0}})},
                                  {"number", operand("sub", 1, false)},
                                  {"column", operand("sub", 1, true)},
                                  {"row", operand("sub", 7, false)},
                                  {"full", operand("sub", 7, true)},
                                  {"rows_that_repeat", operand("mul", 3, false)},
                                  {"full_that_repeats", operand("mul", 3, true)},
                                  {"one_column", operand("add", 7, true, {{"columns", 1}})},
                                  {"strided", operand("prelu", 7, true, {{"row_padding", 5}})},
                                  {"in_place", operand("max", 7, true, {{"in_place", 1}})},
                                  {"long_row", {step("silu"), {"batch_size", 1}, {"columns", 100003}}},
                                  {"production", {step("gelu"), {"batch_size", 128}, {"columns", 1024}}}};
  for (int32_t i = 0; !choice_word(kPointwiseSteps, i).empty(); ++i) {
    // clip wants its numbers in order
    const double a = static_cast<Pointwise>(i) == Pointwise::Clip ? -0.5 : 0.2;
    cases.push_back({choice_word(kPointwiseSteps, i),
                     {{"step", static_cast<double>(i)},
                      {"a", a},
                      {"b", 0.7},
                      {"batch_size", 1},
                      {"columns", 1500},
                      {"operand_columns", 1},
                      {"edges", 1}}});
  }
  return cases;
}

}  // namespace

void add_pointwise_cases(std::vector<OpCases>& all) {
  all.push_back({Op::Pointwise,
                 0,
                 {{"batch_size", 3},
                  {"columns", 64},
                  {"operand_rows", 1},
                  {"operand_columns", 0},  // 0: one number for all columns
                  {"edges", 0},            // infinities, NaN and numbers where steps bend, first in x
                  {"in_place", 0},
                  {"step", 0},
                  {"a", 0},
                  {"b", 0}},
                 pointwise_cases(),
                 build_pointwise});
}

}  // namespace hearth::ops::conformance
