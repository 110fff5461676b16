#include "operators/elementwise/float_loops.h"

#include "ops/cpu/isa.h"

namespace hearth::operators {

const FloatLoops& float_loops() {
  static const FloatLoops& chosen = []() -> const FloatLoops& {
    const auto isa = ops::cpu::choose_isa("");
    switch (isa ? *isa : ops::cpu::Isa::Portable) {  // a HEARTH_ISA that cannot be had is refused where devices open
      case ops::cpu::Isa::Avx512:
        return kFloatLoopsAvx512;
      case ops::cpu::Isa::Avx2:
        return kFloatLoopsAvx2;
      default:
        return kFloatLoopsPortable;
    }
  }();
  return chosen;
}

}  // namespace hearth::operators
