#include <gtest/gtest.h>

#include "operators/fused/steps.h"

namespace hearth::operators::fused {
namespace {

using ops::cpu::Operand;
using ops::cpu::Pointwise;
using ops::cpu::Spread;

struct Named {
  std::string_view text;
  Pointwise op;
  float a = 0, b = 0;
};

TEST(FusedSteps, EveryName) {
  const Named all[] = {{"add 1", Pointwise::Add},
                       {"sub 1", Pointwise::Sub},
                       {"reverse_sub 1", Pointwise::ReverseSub},
                       {"mul 1", Pointwise::Mul},
                       {"div 1", Pointwise::Div},
                       {"reverse_div 1", Pointwise::ReverseDiv},
                       {"max 1", Pointwise::Max},
                       {"min 1", Pointwise::Min},
                       {"prelu 1", Pointwise::Prelu},
                       {"relu", Pointwise::Relu},
                       {"clip 0 6", Pointwise::Clip, 0, 6},
                       {"leaky_relu 0.1", Pointwise::LeakyRelu, 0.1f},
                       {"sigmoid", Pointwise::Sigmoid},
                       {"silu", Pointwise::Silu},
                       {"hard_sigmoid 0.2 0.5", Pointwise::HardSigmoid, 0.2f, 0.5f},
                       {"hard_swish", Pointwise::HardSwish},
                       {"tanh", Pointwise::Tanh},
                       {"gelu", Pointwise::Gelu},
                       {"gelu_tanh", Pointwise::GeluTanh},
                       {"erf", Pointwise::Erf},
                       {"exp", Pointwise::Exp},
                       {"sqrt", Pointwise::Sqrt},
                       {"abs", Pointwise::Abs},
                       {"neg", Pointwise::Neg},
                       {"elu 1", Pointwise::Elu, 1},
                       {"softplus", Pointwise::Softplus},
                       {"mish", Pointwise::Mish},
                       {"reciprocal", Pointwise::Reciprocal},
                       {"square", Pointwise::Square}};
  int next = 0;
  for (const Named& each : all) {
    EXPECT_EQ(static_cast<int>(each.op), next++) << each.text;  // none is left out
    const std::vector<std::string> texts{std::string(each.text)};
    const auto plan = parse_steps(texts, 2);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->steps.size(), 1u);
    EXPECT_EQ(plan->steps[0].op, each.op) << each.text;
    EXPECT_EQ(plan->steps[0].a, each.a);
    EXPECT_EQ(plan->steps[0].b, each.b);
    EXPECT_EQ(plan->steps[0].operand, has_operand(each.op) ? 0 : -1);
    EXPECT_EQ(step_name(each.op), each.text.substr(0, each.text.find(' ')));
  }
  EXPECT_EQ(next, static_cast<int>(Pointwise::Square) + 1);
}

TEST(FusedSteps, AnOperandIsHeldOnce) {
  const std::vector<std::string> texts{"add 3", "mul 1", "sub 3"};
  const auto plan = parse_steps(texts, 4);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->operand_inputs, (std::vector<int>{3, 1}));
  EXPECT_EQ(plan->steps[2].operand, 0);
}

TEST(FusedSteps, NumbersThatReadBackTheSame) {
  const std::vector<std::string> texts{"clip -inf 3.4028235e+38", "elu 1e-45"};
  const auto plan = parse_steps(texts, 1);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->steps[0].a, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(plan->steps[0].b, std::numeric_limits<float>::max());
  EXPECT_EQ(plan->steps[1].a, std::numeric_limits<float>::denorm_min());
}

TEST(FusedSteps, WrongTextsAreErrors) {
  const auto error = [](std::string text, int inputs = 2) {
    const std::vector<std::string> texts{std::move(text)};
    const auto plan = parse_steps(texts, inputs);
    return plan ? std::string("none") : plan.error().message;
  };
  EXPECT_EQ(error("sigmod"), "step 'sigmod'; need the name of one; did you mean \"sigmoid\"?");
  EXPECT_EQ(error(""), "step ''; need the name of one");
  EXPECT_EQ(error("add"), "step 'add'; got 1 words, need 2");
  EXPECT_EQ(error("relu 1"), "step 'relu 1'; got 2 words, need 1");
  EXPECT_EQ(error("add 2"), "step 'add 2'; need the number of an input, 0 to 1");
  EXPECT_EQ(error("add -1"), "step 'add -1'; need the number of an input, 0 to 1");
  EXPECT_EQ(error("add 1x"), "step 'add 1x'; need the number of an input, 0 to 1");
  EXPECT_EQ(error("clip 0 six"), "step 'clip 0 six'; got 'six', need a number");
  const std::vector<std::string> many(kMaxSteps + 1, "relu");
  const auto refused = parse_steps(many, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Limit);
}

TEST(FusedSteps, HowAnOperandLies) {
  const Dims result{2, 3, 5};
  Operand spread;
  const auto lies = [&](const Dims& operand, Spread want, int64_t row_stride, int64_t period) {
    spread = {};
    EXPECT_TRUE(spread_over(operand, result, spread)) << to_string(operand);
    EXPECT_EQ(spread.spread, want) << to_string(operand);
    if (want == Spread::Row || want == Spread::Full) {
      EXPECT_EQ(spread.row_stride, row_stride) << to_string(operand);
      EXPECT_EQ(spread.period, period) << to_string(operand);
    }
  };
  lies({}, Spread::Number, 0, 0);
  lies({1, 1}, Spread::Number, 0, 0);
  lies({5}, Spread::Column, 0, 0);
  lies({1, 1, 5}, Spread::Column, 0, 0);
  lies({2, 3, 1}, Spread::Row, 1, 6);
  lies({3, 1}, Spread::Row, 1, 3);
  lies({1, 3, 1}, Spread::Row, 1, 3);
  lies({2, 3, 5}, Spread::Full, 5, 6);
  lies({3, 5}, Spread::Full, 5, 3);
  for (const Dims& refused : {Dims{2, 1, 5}, Dims{2, 1, 1}, Dims{4}, Dims{1, 2, 3, 5}, Dims{2, 5}})
    EXPECT_FALSE(spread_over(refused, result, spread)) << to_string(refused);
}

}  // namespace
}  // namespace hearth::operators::fused
