// The steps of pointwise programs. A step is one loop over a tile, chosen once a tile; a program of several steps goes
// over pieces small enough to stay in the first-level cache between them. In min and max the second argument wins when
// either is NaN, which is how NaN goes through.
#pragma once

#include <math.h>

#include "ops/cpu/kernels/common.h"
#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/kernels/dense_split.h"

namespace hearth::ops::cpu {
namespace {

// ---- functions of one number

// A rational approximation, 4e-7 absolute and never beyond 1.
inline F erf(F x) {
  const F t = max(fset(-3.95f), min(fset(3.95f), x)), s = mul(t, t);
  F p = fset(2.01174703e-06f);
  p = fma(p, s, fset(2.87600938e-4f));
  p = fma(p, s, fset(3.91731458e-3f));
  p = fma(p, s, fset(5.32070473e-2f));
  p = fma(p, s, fset(1.9403556e-1f));
  p = fma(p, s, fset(1.12837899f));
  F q = fset(3.78397781e-05f);
  q = fma(q, s, fset(1.19820086e-3f));
  q = fma(q, s, fset(1.52706932e-2f));
  q = fma(q, s, fset(1.15590699e-1f));
  q = fma(q, s, fset(5.05291045e-1f));
  q = fma(q, s, fset(1.0f));
  return max(fset(-1.0f), min(fset(1.0f), quotient(mul(t, p), q)));
}

// 1 / (1 + e^-x); x is held where e^-x and its reciprocal are still floats.
inline F sigmoid(F x) {
  const F e = exp_minus(min(fset(86.0f), max(fset(-86.0f), x)));
  return quotient(fset(1.0f), add(fset(1.0f), e));
}

inline F silu(F x) {  // below -86 it is 0 but for 4e-36: not less for a greater |x|
  x = max(fset(-86.0f), x);
  return quotient(x, add(fset(1.0f), exp_minus(min(fset(86.0f), x))));
}

inline F log_one_plus(F x) {  // 0 <= x <= 1; 3e-8
  F p = fset(5.38403662e-3f);
  p = fma(p, x, fset(-3.01108635e-2f));
  p = fma(p, x, fset(7.92105731e-2f));
  p = fma(p, x, fset(-1.37466077e-1f));
  p = fma(p, x, fset(1.91451093e-1f));
  p = fma(p, x, fset(-2.48529438e-1f));
  p = fma(p, x, fset(3.33203433e-1f));
  p = fma(p, x, fset(-4.99995526e-1f));
  p = fma(p, x, fset(9.99999975e-1f));
  return mul(p, x);
}

inline F softplus(F x) {
  return add(max(fzero(), x), log_one_plus(exp_minus_abs(x)));
}

// tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2); 1 in float32 beyond 20
inline F mish(F x) {
  const F e = exp(min(fset(20.0f), x)), n = mul(e, add(e, fset(2.0f)));
  return mul(x, quotient(n, add(n, fset(2.0f))));
}

// x times the normal distribution's integral, whose odd part is a rational approximation; 1e-6 absolute. Below -5.4
// the factor is held: the result is -1e-7 and shrinks no more.
inline F gelu(F x) {
  x = max(fset(-5.4f), x);
  const F c = min(fset(5.4f), x), s = mul(c, c);
  F p = fset(8.85861937e-6f);
  p = fma(p, s, fset(4.89013095e-4f));
  p = fma(p, s, fset(6.61140773e-3f));
  p = fma(p, s, fset(6.48765638e-2f));
  p = fma(p, s, fset(3.98940027e-1f));
  F q = fset(7.20874596e-7f);
  q = fma(q, s, fset(1.78141883e-4f));
  q = fma(q, s, fset(3.68810887e-3f));
  q = fma(q, s, fset(4.64921184e-2f));
  q = fma(q, s, fset(3.29259604e-1f));
  q = fma(q, s, fset(1.0f));
  return mul(x, add(fset(0.5f), quotient(mul(c, p), q)));
}

inline F gelu_tanh(F x) {  // x (1 + tanh u) / 2 = x sigmoid(2u); below -12 the factor is held: the result is 0
  x = max(fset(-12.0f), x);
  const F cube = mul(mul(x, x), x);
  return mul(x, sigmoid(mul(fset(1.5957691216f), fma(fset(0.044715f), cube, x))));
}

inline F hyperbolic_tangent(F x) {  // from e^-2|x|; the series near 0, where the difference cancels
  const F e = exp_minus_abs(add(x, x)), one = fset(1.0f), x2 = mul(x, x);
  const F size = quotient(sub(one, e), add(one, e));
  F s = fset(-0.0539682540f);
  s = fma(s, x2, fset(0.1333333333f));
  s = fma(s, x2, fset(-0.3333333333f));
  s = fma(mul(s, x2), x, x);
  return where_less(abs(x), fset(0.1f), s, where_less(x, fzero(), sub(fzero(), size), size));
}

inline F exp_minus_one(F x) {  // x <= 0; the series near 0, where the difference cancels
  F s = fset(1.0f / 120);
  s = fma(s, x, fset(1.0f / 24));
  s = fma(s, x, fset(1.0f / 6));
  s = fma(s, x, fset(0.5f));
  s = fma(mul(s, x), x, x);
  return where_less(fset(-0.25f), x, s, sub(exp_minus_abs(x), fset(1.0f)));
}

inline F full_exp(F x) {
  return where_less(fset(88.72283f), x, fset(INFINITY), exp(x));
}

inline F unit_clip(F x) {
  return min(fset(1.0f), max(fzero(), x));
}

// ---- tiles

struct ProgramTile {
  const float* x;
  int64_t ldx;
  float* y;
  int64_t ldy;
  int64_t row0, rows, column0, columns;
};

template <class Op>
inline void unary_step(const ProgramTile& t, const Op& op) {
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* x = t.x + r * t.ldx;
    float* y = t.y + r * t.ldy;
    int64_t i = 0;
    for (; i + kLanes <= t.columns; i += kLanes) store(y + i, op(load(x + i)));
    if (i < t.columns) {
      const int n = static_cast<int>(t.columns - i);
      store(y + i, op(load(x + i, n)), n);
    }
  }
}

// kVector: the operand has a number for each column, else one for the row.
template <bool kVector, class Op>
inline void binary_rows(const ProgramTile& t, const float* data, int64_t stride, int64_t period, const Op& op) {
  int64_t at = t.row0 % period;
  for (int64_t r = 0; r < t.rows; ++r) {
    const float* x = t.x + r * t.ldx;
    const float* o = data + at * stride;
    float* y = t.y + r * t.ldy;
    const F number = kVector ? fzero() : fset(*o);
    int64_t i = 0;
    for (; i + kLanes <= t.columns; i += kLanes) store(y + i, op(load(x + i), kVector ? load(o + i) : number));
    if (i < t.columns) {
      const int n = static_cast<int>(t.columns - i);
      store(y + i, op(load(x + i, n), kVector ? load(o + i, n) : number), n);
    }
    if (++at == period) at = 0;
  }
}

template <class Op>
inline void binary_step(const ProgramTile& t, const Operand& o, const Op& op) {
  switch (o.spread) {
    case Spread::Number:
      binary_rows<false>(t, o.data, 0, 1, op);
      break;
    case Spread::Row:
      binary_rows<false>(t, o.data, o.row_stride, o.period, op);
      break;
    case Spread::Column:
      binary_rows<true>(t, o.data + t.column0, 0, 1, op);
      break;
    case Spread::Full:
      binary_rows<true>(t, o.data + t.column0, o.row_stride, o.period, op);
      break;
  }
}

// The step at `at`; returns the number of steps done: a sum and the rectifier behind it are one loop.
inline size_t run_step(const PointwiseProgram& program, size_t at, const ProgramTile& t) {
  const PointwiseStep& step = program.steps[at];
  const F a = fset(step.a), b = fset(step.b), zero = fzero(), one = fset(1.0f);
  static constexpr Operand kNone{};
  const Operand& o = has_operand(step.op) ? program.operands[static_cast<size_t>(step.operand)] : kNone;
  switch (step.op) {
    case Pointwise::Add:
      if (at + 1 < program.steps.size() && program.steps[at + 1].op == Pointwise::Relu) {
        binary_step(t, o, [zero](F v, F w) { return max(zero, add(v, w)); });
        return 2;
      }
      binary_step(t, o, [](F v, F w) { return add(v, w); });
      break;
    case Pointwise::Sub:
      binary_step(t, o, [](F v, F w) { return sub(v, w); });
      break;
    case Pointwise::ReverseSub:
      binary_step(t, o, [](F v, F w) { return sub(w, v); });
      break;
    case Pointwise::Mul:
      binary_step(t, o, [](F v, F w) { return mul(v, w); });
      break;
    case Pointwise::Div:
      binary_step(t, o, [](F v, F w) { return div(v, w); });
      break;
    case Pointwise::ReverseDiv:
      binary_step(t, o, [](F v, F w) { return div(w, v); });
      break;
    case Pointwise::Max:
      binary_step(t, o, [](F v, F w) { return max_nan(v, w); });
      break;
    case Pointwise::Min:
      binary_step(t, o, [](F v, F w) { return min_nan(v, w); });
      break;
    case Pointwise::Prelu:
      binary_step(t, o, [zero](F v, F w) { return where_less(v, zero, mul(v, w), v); });
      break;
    case Pointwise::Relu:
      unary_step(t, [zero](F v) { return max(zero, v); });
      break;
    case Pointwise::Clip:
      unary_step(t, [a, b](F v) { return min(b, max(a, v)); });
      break;
    case Pointwise::LeakyRelu:
      unary_step(t, [a, zero](F v) { return where_less(v, zero, mul(v, a), v); });
      break;
    case Pointwise::Sigmoid:
      unary_step(t, [](F v) { return sigmoid(v); });
      break;
    case Pointwise::Silu:
      unary_step(t, [](F v) { return silu(v); });
      break;
    case Pointwise::HardSigmoid:
      unary_step(t, [a, b](F v) { return unit_clip(add(mul(v, a), b)); });
      break;
    case Pointwise::HardSwish:
      unary_step(t, [](F v) { return mul(v, unit_clip(fma(v, fset(1.0f / 6), fset(0.5f)))); });
      break;
    case Pointwise::Tanh:
      unary_step(t, [](F v) { return hyperbolic_tangent(v); });
      break;
    case Pointwise::Gelu:
      unary_step(t, [](F v) { return gelu(v); });
      break;
    case Pointwise::GeluTanh:
      unary_step(t, [](F v) { return gelu_tanh(v); });
      break;
    case Pointwise::Erf:
      unary_step(t, [](F v) { return hearth::ops::cpu::erf(v); });
      break;
    case Pointwise::Exp:
      unary_step(t, [](F v) { return full_exp(v); });
      break;
    case Pointwise::Sqrt:
      unary_step(t, [](F v) { return hearth::ops::cpu::sqrt(v); });
      break;
    case Pointwise::Abs:
      unary_step(t, [](F v) { return hearth::ops::cpu::abs(v); });
      break;
    case Pointwise::Neg:
      unary_step(t, [](F v) { return mul(v, fset(-1.0f)); });
      break;
    case Pointwise::Elu:
      unary_step(t, [a, zero](F v) { return where_less(v, zero, mul(a, exp_minus_one(v)), v); });
      break;
    case Pointwise::Softplus:
      unary_step(t, [](F v) { return softplus(v); });
      break;
    case Pointwise::Mish:
      unary_step(t, [](F v) { return mish(v); });
      break;
    case Pointwise::Reciprocal:
      unary_step(t, [one](F v) { return div(one, v); });
      break;
    case Pointwise::Square:
      unary_step(t, [](F v) { return mul(v, v); });
      break;
  }
  return 1;
}

inline int64_t program_cost(const PointwiseProgram& program) {  // a number of a result, in work units of split_range
  int64_t cost = 1;
  for (const PointwiseStep& step : program.steps) switch (step.op) {
      case Pointwise::Sigmoid:
      case Pointwise::Silu:
      case Pointwise::Tanh:
      case Pointwise::Gelu:
      case Pointwise::GeluTanh:
      case Pointwise::Erf:
      case Pointwise::Exp:
      case Pointwise::Elu:
      case Pointwise::Softplus:
      case Pointwise::Mish:
        cost += 8;
        break;
      default:
        cost += 1;
    }
  return cost;
}

// Whether the rows of the tile may be taken for one long row: every step finds the same operands then.
inline bool one_long_row(const PointwiseProgram& program, const ProgramTile& t) {
  if (t.ldx != t.columns || t.ldy != t.columns) return false;
  for (const PointwiseStep& step : program.steps) {
    if (!has_operand(step.op)) continue;
    const Operand& o = program.operands[static_cast<size_t>(step.operand)];
    if (o.spread == Spread::Number) continue;
    if (o.spread != Spread::Full || o.row_stride != t.columns || t.row0 % o.period + t.rows > o.period) return false;
  }
  return true;
}

inline void run_steps(const PointwiseProgram& program, ProgramTile t) {
  for (size_t at = 0; at < program.steps.size();) {
    at += run_step(program, at, t);
    t.x = t.y;
    t.ldx = t.ldy;
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(dense_program)(const hearth::ops::cpu::PointwiseProgram& program, const float* x,
                                                int64_t ldx, float* y, int64_t ldy, int64_t row0, int64_t rows,
                                                int64_t column0, int64_t columns) {
  using namespace hearth::ops::cpu;
  if (rows <= 0 || columns <= 0) return;
  ProgramTile t{x, ldx, y, ldy, row0, rows, column0, columns};
  if (program.steps.empty()) {
    if (x != y)
      for (int64_t r = 0; r < rows; ++r) memcpy(y + r * ldy, x + r * ldx, static_cast<size_t>(columns) * sizeof(float));
    return;
  }
  if (one_long_row(program, t)) {
    t.columns = t.ldx = t.ldy = rows * columns;
    t.rows = 1;
  }
  constexpr int64_t kPiece = 4096;  // numbers: 16 KiB of the first-level cache
  if (program.steps.size() == 1 || t.rows * t.columns <= kPiece) {
    run_steps(program, t);
    return;
  }
  const int64_t width = smaller(t.columns, kPiece), height = larger(1, kPiece / width);
  for (int64_t r = 0; r < t.rows; r += height)
    for (int64_t c = 0; c < t.columns; c += width)
      run_steps(program, {t.x + r * t.ldx + c, t.ldx, t.y + r * t.ldy + c, t.ldy, row0 + r, smaller(height, t.rows - r),
                          column0 + c, smaller(width, t.columns - c)});
}

extern "C" void HEARTH_CPU_ENTRY(dense_pointwise)(const float* x, int64_t ldx, float* y, int64_t ldy, int64_t rows,
                                                  int64_t columns, const hearth::ops::cpu::PointwiseProgram& program,
                                                  hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  if (rows <= 0 || columns <= 0) return;
  if (one_long_row(program, {x, ldx, y, ldy, 0, rows, 0, columns})) {
    columns = ldx = ldy = rows * columns;
    rows = 1;
  }
  const int64_t work = rows * columns * program_cost(program);
  if (rows >= 2 * team_size(pool)) {
    split_range(pool, rows, work, [&](int64_t from, int64_t to) {
      HEARTH_CPU_ENTRY(dense_program)(program, x + from * ldx, ldx, y + from * ldy, ldy, from, to - from, 0, columns);
    });
    return;
  }
  const int64_t lines = (columns + 15) / 16;  // of 64 bytes: no two threads write into the same one
  split_range(pool, lines, work, [&](int64_t from, int64_t to) {
    const int64_t column = from * 16, end = smaller(to * 16, columns);
    HEARTH_CPU_ENTRY(dense_program)(program, x + column, ldx, y + column, ldy, 0, rows, column, end - column);
  });
}
