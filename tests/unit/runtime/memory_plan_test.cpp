#include "runtime/memory_plan.h"

#include <gtest/gtest.h>

#include "graph/infer_shapes.h"
#include "graph/text.h"

namespace hearth::runtime {
namespace {

MemoryPlan plan_of(std::string_view text, int64_t open_size) {
  auto model = graph::parse_text(text);
  EXPECT_TRUE(model) << model.error().message;
  EXPECT_TRUE(graph::infer_shapes(*model));
  const CustomOperators none;
  const auto program = compile(*model, none, false);
  EXPECT_TRUE(program) << program.error().message;
  return plan_memory(**program, open_size);
}

TEST(MemoryPlan, AValueDiesAfterItsLastReader) {
  // a, b: 80 bytes each at n = 10; a dies after b, b after y. c joins a and b.
  const MemoryPlan plan = plan_of(R"(<ir_version: 8, opset_import: ["": 17]>
chain (float[n, 2] x) => (float[n, 2] y) <float[2] w = {2.0, 3.0}> { a = Mul (x, w) b = Neg (a) y = Abs (b) })",
                                  10);
  EXPECT_EQ(plan.constants, 8u);
  EXPECT_EQ(plan.inputs, 80u);
  EXPECT_EQ(plan.made, 240u);
  EXPECT_EQ(plan.live, (std::vector<size_t>{80, 160, 160}));
  EXPECT_EQ(plan.peak, 160u);
  EXPECT_EQ(plan.peak_step, 1);
  EXPECT_EQ(plan.arena, 256u);  // a and b; y leaves
  EXPECT_EQ(plan.unknown, 0);
}

TEST(MemoryPlan, AValueThatIsReadLateLivesLong) {
  const MemoryPlan plan = plan_of(R"(<ir_version: 8, opset_import: ["": 17]>
skip (float[4] x) => (float[4] y) { a = Neg (x) b = Abs (a) c = Exp (b) y = Add (a, c) })",
                                  1);
  EXPECT_EQ(plan.live, (std::vector<size_t>{16, 32, 48, 48}));
  EXPECT_EQ(plan.arena, 192u);
  EXPECT_EQ(plan.peak_step, 2);
}

TEST(MemoryPlan, UnknownSizesAreCounted) {
  const MemoryPlan plan = plan_of(R"(<ir_version: 8, opset_import: ["": 17]>
open (float[4] x) => (int64[k, m] y) { y = NonZero (x) })",
                                  3);
  EXPECT_EQ(plan.unknown + static_cast<int64_t>(plan.peak > 0), 1);
}

}  // namespace
}  // namespace hearth::runtime
