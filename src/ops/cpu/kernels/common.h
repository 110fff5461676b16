// Shared by the kernels of one instruction set: include after its simd/*.h. Everything has internal linkage.
#pragma once

#include "ops/cpu/stream.h"
#include "ops/op.h"

namespace hearth::ops::cpu {
namespace {

// e^x within 2 units in the last place; exactly 1 at 0, 0 at -inf and below -104 (AVX-512) or -87.3, NaN stays NaN.
inline F exp(F x) {
  x = max(fset(-110.0f), min(fset(88.72283f), x));
  const F n = nearest(mul(x, fset(1.44269504f)));
  F r = fnma(n, fset(0.693359375f), x);
  r = fnma(n, fset(-2.12194440e-4f), r);
  F p = fset(1.9875691500e-4f);
  p = fma(p, r, fset(1.3981999507e-3f));
  p = fma(p, r, fset(8.3334519073e-3f));
  p = fma(p, r, fset(4.1665795894e-2f));
  p = fma(p, r, fset(1.6666665459e-1f));
  p = fma(p, r, fset(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), fset(1.0f));
  return times_power_of_two(p, n);
}

inline F tanh(F x) {  // 1 - 2 / (e^2x + 1); the series near 0, where that cancels
  const F x2 = mul(x, x);
  F s = fset(-0.0215194f);
  s = fma(s, x2, fset(0.1333333f));
  s = fma(s, x2, fset(-0.3333333f));
  s = fma(mul(s, x2), x, x);
  const F t = sub(fset(1.0f), div(fset(2.0f), add(exp(add(x, x)), fset(1.0f))));
  return keep_bits(s, bits_less(abs(x), fset(0.1f)), t);
}

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
inline int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// Part `part` of `parts` of [0, n).
inline int64_t share(int64_t n, int part, int parts) {
  return n * part / parts;
}

// fn(begin, end) over [0, n), on all threads when the whole work is worth waking them.
constexpr int64_t kForkCost =
    24000;  // units of work (about one element each) that one thread does in a fork-join's time
template <class Function>
inline void for_range(CpuStream& stream, int64_t n, int64_t work_each, const Function& fn) {
  if (n < 2 || n * work_each < kForkCost || thread_count(stream) == 1) {
    fn(static_cast<int64_t>(0), n);
    return;
  }
  struct Context {
    const Function* fn;
    int64_t n;
  } context{&fn, n};
  fork(
      stream,
      [](void* p, int part, int parts) {
        const Context& c = *static_cast<const Context*>(p);
        const int64_t begin = share(c.n, part, parts), end = share(c.n, part + 1, parts);
        if (begin < end) (*c.fn)(begin, end);
      },
      &context);
}

template <class T>
inline T* row(const HearthTensor& t, int64_t i) {
  return static_cast<T*>(t.data) + i * t.strides[0];
}

// fn(T*) with a null pointer of the element type; false when the type is not a float of this list.
template <class Function>
inline bool with_type(int32_t dtype, const Function& fn) {
  switch (static_cast<DType>(dtype)) {
    case DType::F32:
      fn(static_cast<float*>(nullptr));
      return true;
    case DType::F16:
      fn(static_cast<Half*>(nullptr));
      return true;
    case DType::BF16:
      fn(static_cast<Brain*>(nullptr));
      return true;
    default:
      return false;
  }
}

// y[i] = fn(i) for a vector at a time; fn gets the index and the count of lanes in use.
template <class Function>
inline void each_vector(int64_t n, const Function& fn) {
  for (int64_t i = 0; i < n; i += kLanes) fn(i, static_cast<int>(smaller(kLanes, n - i)));
}
template <class T>
inline F load_some(const T* p, int n) {
  return n == kLanes ? load(p) : load(p, n);
}
template <class T>
inline void store_some(T* p, F a, int n) {
  if (n == kLanes)
    store(p, a);
  else
    store(p, a, n);
}

template <class Attributes>
inline const Attributes& attributes_of(const HearthOpCall* call) {
  static constexpr Attributes kDefaults{};
  return call->attributes != nullptr ? *static_cast<const Attributes*>(call->attributes) : kDefaults;
}

}  // namespace
}  // namespace hearth::ops::cpu
