// What each instruction set's objects define for ops/cpu/dense.h, and the threads they use: functions of common
// objects, because nothing inline may be shared between objects of different instruction sets.
#pragma once

#include <type_traits>

#include "ops/cpu/dense.h"

namespace hearth::ops::cpu {

int team_size(const ThreadPool* pool);  // 1 for nullptr
// Runs fn(context, part, parts) for every part, parts = team_size, and returns when all are done.
void team_run(ThreadPool* pool, void (*fn)(void* context, int part, int parts), void* context);

}  // namespace hearth::ops::cpu

// ENTRY(name of the member of DenseKernels)
#define HEARTH_DENSE_ENTRIES(ENTRY) \
  ENTRY(packed_matrix_bytes)        \
  ENTRY(pack_matrix)                \
  ENTRY(matmul_scratch)             \
  ENTRY(matmul)                     \
  ENTRY(choose_conv)                \
  ENTRY(packed_conv_bytes)          \
  ENTRY(pack_conv)                  \
  ENTRY(conv_scratch)               \
  ENTRY(conv)                       \
  ENTRY(attention_scratch)          \
  ENTRY(attention)                  \
  ENTRY(pool)                       \
  ENTRY(pointwise)                  \
  ENTRY(softmax)                    \
  ENTRY(layer_norm)                 \
  ENTRY(column_means)               \
  ENTRY(transpose)

// hearth_cpu_avx512_dense_matmul and so on, of the type that the table has.
#define HEARTH_DENSE_DECLARE(name)                                                                               \
  extern std::remove_pointer_t<decltype(hearth::ops::cpu::DenseKernels::name)> hearth_cpu_portable_dense_##name; \
  extern std::remove_pointer_t<decltype(hearth::ops::cpu::DenseKernels::name)> hearth_cpu_avx2_dense_##name;     \
  extern std::remove_pointer_t<decltype(hearth::ops::cpu::DenseKernels::name)> hearth_cpu_avx512_dense_##name;
extern "C" {
HEARTH_DENSE_ENTRIES(HEARTH_DENSE_DECLARE)
}
#undef HEARTH_DENSE_DECLARE
