// What the kernels of hearth.QuantisedConv and hearth.QuantisedMatMul share: reading how their sums are finished, and
// binding that to a call. The numbers of the inputs are those of graph/internal_operators.h.
#pragma once

#include <optional>

#include "operators/fused/plan.h"
#include "ops/cpu/quantised.h"

namespace hearth::operators::fused {

// u8 and i8 only; nullopt for other types.
std::optional<ops::cpu::ByteType> byte_type(DType dtype);

struct QuantisedPlan : Prepared {
  std::optional<ops::cpu::Quantum> out, between;
  ops::cpu::Quantum added;
  StepPlan steps;
  Tensor packed;  // of plain constant weights

  Result<> read(const graph::Node& node);
  DType out_type() const;
};

// A plan's finish with what one call brings. Lives as long as the call and the plan.
class BoundFinish {
 public:
  // `n` columns, a result of sizes `dims`, of type plan.out_type() and not yet allocated. `added` is input 7, or what
  // became of it, as dims are. Invalid when an input has the wrong type or size.
  static Result<BoundFinish> bind(const Call& call, const QuantisedPlan& plan, int64_t n, const Dims& dims,
                                  const void* added);
  // The job's finish over a result at y.
  ops::cpu::QuantisedFinish over(void* y, int64_t n) const;

 private:
  const QuantisedPlan* plan_ = nullptr;
  ops::cpu::QuantisedFinish finish_;
  BoundSteps steps_;
};

// Input 4, one element of the type of input 0; 0 when absent.
Result<int32_t> left_zero(const Call& call, DType dtype);
// Input 5, [n] or absent: nullptr.
Result<const int32_t*> right_zeros(const Call& call, int64_t n);

}  // namespace hearth::operators::fused
