// What prepare makes of a hearth.Conv, for its own kernel and for chains of them.
#pragma once

#include "operators/fused/plan.h"

namespace hearth::operators::fused {

struct ConvPlan final : Prepared {
  WindowPlan window;
  int64_t groups = 1, out_channels = 0;
  ops::cpu::ConvAlgorithm algorithm = ops::cpu::ConvAlgorithm::Direct;
  ops::cpu::Factors factors = ops::cpu::Factors::F32;
  Tensor packed;         // of a plain constant W
  int64_t channels = 0;  // the packed W's; 0: not known
  StepPlan steps;
};

// The algorithms' own conditions, so that no kernel meets a shape it does not serve.
bool serves(ops::cpu::ConvAlgorithm algorithm, const ops::cpu::ConvShape& shape);

}  // namespace hearth::operators::fused
