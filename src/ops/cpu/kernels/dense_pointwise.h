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

}  // namespace
}  // namespace hearth::ops::cpu
