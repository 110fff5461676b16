#include "ops/cpu/quantised.h"

#include "ops/cpu/kernels/quantised_entries.h"

namespace hearth::ops::cpu {

namespace {

#define HEARTH_QUANTISED_MEMBER(name) .name = HEARTH_QUANTISED_SYMBOL(name),
#define HEARTH_QUANTISED_SYMBOL(name) hearth_cpu_portable_quantised_##name
constexpr QuantisedKernels kPortable = {.isa = Isa::Portable, HEARTH_QUANTISED_ENTRIES(HEARTH_QUANTISED_MEMBER)};
#undef HEARTH_QUANTISED_SYMBOL
#define HEARTH_QUANTISED_SYMBOL(name) hearth_cpu_avx2_quantised_##name
constexpr QuantisedKernels kAvx2 = {.isa = Isa::Avx2, HEARTH_QUANTISED_ENTRIES(HEARTH_QUANTISED_MEMBER)};
#undef HEARTH_QUANTISED_SYMBOL
#define HEARTH_QUANTISED_SYMBOL(name) hearth_cpu_avx512_quantised_##name
constexpr QuantisedKernels kAvx512 = {.isa = Isa::Avx512, HEARTH_QUANTISED_ENTRIES(HEARTH_QUANTISED_MEMBER)};
#undef HEARTH_QUANTISED_SYMBOL
#undef HEARTH_QUANTISED_MEMBER

}  // namespace

const QuantisedKernels& quantised_kernels(Isa isa) {
  switch (isa) {
    case Isa::Avx512:
      return kAvx512;
    case Isa::Avx2:
      return kAvx2;
    case Isa::Portable:
      break;
  }
  return kPortable;
}

const QuantisedKernels& quantised_kernels() {
  return quantised_kernels(dense_kernels().isa);
}

}  // namespace hearth::ops::cpu
