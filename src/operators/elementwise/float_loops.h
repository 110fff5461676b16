// The elementwise functions of f32 that graphs spend time in, as loops over contiguous elements, compiled once for each
// instruction set. They agree bit by bit whatever the set: plain multiplications and additions, no fused ones. y may be
// an operand, but not overlap with one otherwise.
// Errors against the real functions: below 3 units in the last place (mish: 5) where the result is a normal float; gelu
// far left of zero, where 1 + erf cancels, below 3 units of x.
#pragma once

#include <stdint.h>

namespace hearth::operators {

// HEARTH_FLOAT_UNARY(name): y[i] = name(x[i]); p are the function's parameters, in the order its comment names them.
#define HEARTH_FLOAT_UNARY(X)                      \
  X(exp)                                           \
  X(log)                                           \
  X(tanh)                                          \
  X(erf)                                           \
  X(sigmoid)                                       \
  X(softplus)                                      \
  X(mish)                                          \
  X(gelu)                                          \
  X(gelu_tanh)                                     \
  X(swish)        /* alpha */                      \
  X(elu)          /* alpha */                      \
  X(selu)         /* alpha, gamma */               \
  X(celu)         /* alpha */                      \
  X(leaky_relu)   /* alpha */                      \
  X(hard_sigmoid) /* alpha, beta */                \
  X(hard_swish)                                    \
  X(relu)                                          \
  X(clip) /* smallest, largest; the latter wins */ \
  X(sqrt)                                          \
  X(reciprocal)                                    \
  X(abs)                                           \
  X(negate)                                        \
  X(floor)                                         \
  X(ceil)                                          \
  X(round) /* halves to even */
// HEARTH_FLOAT_BINARY(name): y[i] = name(a[i], b[i]); an operand that does not move is one element for all.
#define HEARTH_FLOAT_BINARY(X)         \
  X(add)                               \
  X(subtract)                          \
  X(multiply)                          \
  X(divide)                            \
  X(largest)  /* NaN when either is */ \
  X(smallest) /* NaN when either is */ \
  X(prelu)    /* b * a below zero */

struct FloatLoops {
  using Unary = void (*)(const float* p, const float* x, float* y, int64_t n);
  using Binary = void (*)(const float* a, const float* b, float* y, int64_t n, bool a_moves, bool b_moves);
#define HEARTH_FLOAT_MEMBER(name) Unary name;
  HEARTH_FLOAT_UNARY(HEARTH_FLOAT_MEMBER)
#undef HEARTH_FLOAT_MEMBER
#define HEARTH_FLOAT_MEMBER(name) Binary name;
  HEARTH_FLOAT_BINARY(HEARTH_FLOAT_MEMBER)
#undef HEARTH_FLOAT_MEMBER
  // Sum of the elements in one order whatever the set, each addition in double.
  double (*sum)(const float* x, int64_t n);
};

extern const FloatLoops kFloatLoopsPortable, kFloatLoopsAvx2, kFloatLoopsAvx512;

// Those of the best set this machine has (HEARTH_ISA may ask for less).
const FloatLoops& float_loops();

}  // namespace hearth::operators
