// Every op × types × case on every backend and instruction set of this machine, held against ref.
#include <gtest/gtest.h>

#include "ops/conformance/run_case.h"

namespace hearth::ops::conformance {
namespace {

struct Backend {
  const char* name;
  const char* isa;
};
constexpr Backend kBackends[] = {{"ref", ""}, {"cpu", "portable"}, {"cpu", "avx2"}, {"cpu", "avx512"}};

constexpr DType kFloats[] = {DType::F32, DType::BF16, DType::F16};
constexpr DType kWeights[] = {DType::F32,  DType::BF16, DType::F16,  DType::Q8_0, DType::Q4_0, DType::Q4_1,
                              DType::Q5_0, DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K};

std::vector<CaseTypes> types_of(unsigned axes) {
  std::vector<CaseTypes> all;
  for (const DType activation : kFloats)
    for (const DType weight : kWeights)
      for (const DType cache : kFloats)
        if (((axes & kActivation) != 0 || activation == DType::F32) &&
            ((axes & kWeightAxis) != 0 || weight == DType::F32) && ((axes & kCache) != 0 || cache == DType::F32))
          all.push_back({activation, weight, cache});
  return all;
}

class EveryOp : public testing::TestWithParam<std::tuple<Backend, const OpInfo*>> {};

TEST_P(EveryOp, AgreesWithRef) {
  const auto& [backend, op] = GetParam();
  auto device = open_device(backend.name, {.threads = 2, .isa = backend.isa});
  if (!device && device.error().kind == ErrorKind::Unsupported) GTEST_SKIP() << device.error().message;
  ASSERT_TRUE(device) << device.error().message;
  auto ref = open_device("ref");
  ASSERT_TRUE(ref);
  if (*backend.isa != 0) {
    EXPECT_EQ((*device)->isa(), backend.isa);
  }

  const OpCases& cases = cases_of(op->op);
  for (const NamedCase& named : cases.cases)
    for (const CaseTypes& types : types_of(cases.axes)) {
      SCOPED_TRACE(fmt::format("{} --case {} types {}/{}/{}", op->name, named.name, to_string(types.activation),
                               to_string(types.weight), to_string(types.cache)));
      const auto made = make_case(*op, named.name, types);
      ASSERT_TRUE(made) << made.error().message;
      const auto want = run_case(**ref, *made);
      ASSERT_TRUE(want) << want.error().message;
      const auto got = run_case(**device, *made);
      ASSERT_TRUE(got) << got.error().message;
      const Comparison result = compare(*made, want->outputs, got->outputs, tolerance_of(*made));
      EXPECT_TRUE(result.ok) << got->kernel << ": error " << result.max_error << ", tolerance " << tolerance_of(*made)
                             << ", row error " << result.row_error << ", worst " << result.worst;
    }
}

std::vector<const OpInfo*> all_ops() {
  std::vector<const OpInfo*> ops;
  for (const OpInfo& op : inventory()) ops.push_back(&op);
  return ops;
}

INSTANTIATE_TEST_SUITE_P(Conformance, EveryOp,
                         testing::Combine(testing::ValuesIn(kBackends), testing::ValuesIn(all_ops())),
                         [](const auto& test) {
                           const Backend& b = std::get<0>(test.param);
                           return fmt::format("{}{}{}_{}", b.name, *b.isa != 0 ? "_" : "", b.isa,
                                              std::get<1>(test.param)->name);
                         });

TEST(Cases, EveryOpHasAProductionCase) {
  for (const OpInfo& op : inventory()) {
    EXPECT_TRUE(make_case(op, "production", {})) << op.name;
  }
}

}  // namespace
}  // namespace hearth::ops::conformance
