// Dividing dense kernels over threads, and loops that are unrolled for sure.
#pragma once

#include "ops/cpu/kernels/common.h"
#include "ops/cpu/kernels/dense_entries.h"

namespace hearth::ops::cpu {
namespace {

// Work below which a second thread is not worth waking: about a microsecond of loads, stores and simple arithmetic.
constexpr int64_t kSplitWork = 16384;

// fn(begin, end) over contiguous parts of [0, n). `work`: all of it, in numbers read and written once.
template <class Function>
inline void split_range(ThreadPool* pool, int64_t n, int64_t work, const Function& fn) {
  if (n < 2 || work < kSplitWork || team_size(pool) == 1) {
    if (n > 0) fn(static_cast<int64_t>(0), n);
    return;
  }
  struct Context {
    const Function* fn;
    int64_t n;
  } context{&fn, n};
  team_run(
      pool,
      [](void* p, int part, int parts) {
        const Context& c = *static_cast<const Context*>(p);
        const int64_t begin = share(c.n, part, parts), end = share(c.n, part + 1, parts);
        if (begin < end) (*c.fn)(begin, end);
      },
      &context);
}

template <int I>
struct UnrolledIndex {
  static constexpr int value = I;
};

// fn(UnrolledIndex<from>) … fn(UnrolledIndex<end - 1>): arrays indexed by ::value stay in registers.
template <int kEnd, int kFrom = 0, class Function>
inline __attribute__((always_inline)) void unrolled(const Function& fn) {
  if constexpr (kFrom < kEnd) {
    fn(UnrolledIndex<kFrom>{});
    unrolled<kEnd, kFrom + 1>(fn);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

#define HEARTH_UNROLLED __attribute__((always_inline))
