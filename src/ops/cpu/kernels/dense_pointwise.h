// Programs of pointwise steps over a tile of a result, for the kernels that produce it. The steps themselves are
// compiled once an instruction set (dense_program.h): a call costs a few nanoseconds, so call it for a tile that is
// still in the first-level cache (some thousand numbers), not for each vector.
#pragma once

#include "ops/cpu/pointwise.h"

// y[row, column] = program(x[row, column]) for `rows` x `columns` numbers from [row0, column0] of the result on, where
// x and y point at that first number. x == y (with ldx == ldy) allowed.
extern "C" void HEARTH_CPU_ENTRY(dense_program)(const hearth::ops::cpu::PointwiseProgram& program, const float* x,
                                                int64_t ldx, float* y, int64_t ldy, int64_t row0, int64_t rows,
                                                int64_t column0, int64_t columns);

namespace hearth::ops::cpu {
namespace {

// Applies the steps in place to the tile whose element [row0, column0] of the result v points at.
inline void apply_program(const PointwiseProgram& program, float* v, int64_t ldv, int64_t row0, int64_t rows,
                          int64_t column0, int64_t columns) {
  if (!program.steps.empty()) HEARTH_CPU_ENTRY(dense_program)(program, v, ldv, v, ldv, row0, rows, column0, columns);
}

// The rectifier or the clip that a program begins with, for kernels that do it before they store: v becomes
// min(high, max(low, v)), in this order of arguments, so that NaN stays.
struct ProgramClamp {
  bool on = false;
  float low = 0, high = 0;
};

// Takes it off the program.
inline ProgramClamp take_clamp(PointwiseProgram& program) {
  if (program.steps.empty()) return {};
  const PointwiseStep& first = program.steps[0];
  if (first.op != Pointwise::Relu && first.op != Pointwise::Clip) return {};
  program.steps = program.steps.subspan(1);
  if (first.op == Pointwise::Clip) return {true, first.a, first.b};
  return {true, 0.0f, __builtin_inff()};
}

// Likewise slopes of columns, v < 0 ? v * slope[column] : v, that it begins with; else nullptr.
inline const float* take_slopes(PointwiseProgram& program) {
  if (program.steps.empty() || program.steps[0].op != Pointwise::Prelu) return nullptr;
  const Operand& operand = program.operands[static_cast<size_t>(program.steps[0].operand)];
  if (operand.spread != Spread::Column) return nullptr;
  program.steps = program.steps.subspan(1);
  return operand.data;
}

}  // namespace
}  // namespace hearth::ops::cpu
