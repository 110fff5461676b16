// What dense kernels share: dividing work over threads, loops that are unrolled for sure, a quick exponential.
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

// e^-x for |x| <= 110 (NaN stays) within 3 units in the last place: 2^-r for |r| <= 1/2 is a polynomial of degree 5.
// Cheaper than exp, which serves all x.
inline F exp_minus(F x) {
  const F n = nearest(mul(x, fset(-1.44269502f)));
  F r = fma(x, fset(1.44269502f), n);
  r = fma(x, fset(1.92596299e-8f), r);
  F p = fset(-1.32647272e-3f);
  p = fma(p, r, fset(9.6715128e-3f));
  p = fma(p, r, fset(-5.55073374e-2f));
  p = fma(p, r, fset(2.40222421e-1f));
  p = fma(p, r, fset(-6.93146978e-1f));
  p = fma(p, r, fset(1.0f));
  return times_power_of_two(p, n);
}

inline F exp_minus_abs(F x) {  // e^-|x|
  return exp_minus(min(fset(110.0f), abs(x)));
}

template <int I>
struct UnrolledIndex {
  static constexpr int value = I;
};

// Sanitizers take minutes to compile code that is inlined by force: there these are plain calls, and of tiles of
// several sizes one stands for all.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEARTH_UNROLLED
constexpr bool kOneTileSize = true;
#else
#define HEARTH_UNROLLED __attribute__((always_inline))
constexpr bool kOneTileSize = false;
#endif

// fn(UnrolledIndex<from>) … fn(UnrolledIndex<end - 1>): arrays indexed by ::value stay in registers.
template <int kEnd, int kFrom = 0, class Function>
inline HEARTH_UNROLLED void unrolled(const Function& fn) {
  if constexpr (kFrom < kEnd) {
    fn(UnrolledIndex<kFrom>{});
    unrolled<kEnd, kFrom + 1>(fn);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
