#include "ops/cpu/dense.h"

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::ops::cpu {

namespace {

#define HEARTH_DENSE_MEMBER(name) .name = HEARTH_DENSE_SYMBOL(name),
#define HEARTH_DENSE_SYMBOL(name) hearth_cpu_portable_dense_##name
constexpr DenseKernels kPortable = {.isa = Isa::Portable, HEARTH_DENSE_ENTRIES(HEARTH_DENSE_MEMBER)};
#undef HEARTH_DENSE_SYMBOL
#define HEARTH_DENSE_SYMBOL(name) hearth_cpu_avx2_dense_##name
constexpr DenseKernels kAvx2 = {.isa = Isa::Avx2, HEARTH_DENSE_ENTRIES(HEARTH_DENSE_MEMBER)};
#undef HEARTH_DENSE_SYMBOL
#define HEARTH_DENSE_SYMBOL(name) hearth_cpu_avx512_dense_##name
constexpr DenseKernels kAvx512 = {.isa = Isa::Avx512, HEARTH_DENSE_ENTRIES(HEARTH_DENSE_MEMBER)};
#undef HEARTH_DENSE_SYMBOL
#undef HEARTH_DENSE_MEMBER

}  // namespace

int team_size(const ThreadPool* pool) {
  return pool != nullptr ? pool->threads() : 1;
}

void team_run(ThreadPool* pool, void (*fn)(void* context, int part, int parts), void* context) {
  if (pool != nullptr)
    pool->run(fn, context);
  else
    fn(context, 0, 1);
}

const DenseKernels& dense_kernels(Isa isa) {
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

const DenseKernels& dense_kernels() {
  static const Isa isa = choose_isa("").value_or(Isa::Portable);
  return dense_kernels(isa);
}

}  // namespace hearth::ops::cpu
