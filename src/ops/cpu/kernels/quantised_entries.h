// What each instruction set's objects define for ops/cpu/quantised.h.
#pragma once

#include <type_traits>

#include "ops/cpu/quantised.h"

// ENTRY(name of the member of QuantisedKernels)
#define HEARTH_QUANTISED_ENTRIES(ENTRY) \
  ENTRY(packed_matrix_bytes)            \
  ENTRY(pack_matrix)                    \
  ENTRY(matmul_scratch)                 \
  ENTRY(matmul)                         \
  ENTRY(packed_conv_bytes)              \
  ENTRY(pack_conv)                      \
  ENTRY(conv_scratch)                   \
  ENTRY(conv)                           \
  ENTRY(max_pool)                       \
  ENTRY(quantise)                       \
  ENTRY(dequantise)                     \
  ENTRY(range)

// hearth_cpu_avx512_quantised_matmul and so on, of the type that the table has.
#define HEARTH_QUANTISED_TYPE(name) std::remove_pointer_t<decltype(hearth::ops::cpu::QuantisedKernels::name)>
#define HEARTH_QUANTISED_DECLARE(name)                                     \
  extern HEARTH_QUANTISED_TYPE(name) hearth_cpu_portable_quantised_##name; \
  extern HEARTH_QUANTISED_TYPE(name) hearth_cpu_avx2_quantised_##name;     \
  extern HEARTH_QUANTISED_TYPE(name) hearth_cpu_avx512_quantised_##name;
extern "C" {
HEARTH_QUANTISED_ENTRIES(HEARTH_QUANTISED_DECLARE)
}
#undef HEARTH_QUANTISED_DECLARE
#undef HEARTH_QUANTISED_TYPE
