// Programs of elementwise steps over the rows of a float matrix: what follows a matrix product or a convolution while
// its results are still in the cache, or stands by itself. Plain data, read by kernels of every instruction set.
#pragma once

#include <stdint.h>

#include <span>

#include "ops/pointwise_step.h"

namespace hearth::ops::cpu {

using ops::Pointwise;  // the steps: ops/pointwise.inc

// How an operand of a step lies over the rows and columns of the result.
enum class Spread : uint8_t {
  Number,  // one number: data[0]
  Column,  // one number a column: data[column]
  Row,     // one number a row: data[(row % period) * row_stride]
  Full,    // data[(row % period) * row_stride + column]
};

struct Operand {
  const float* data = nullptr;
  Spread spread = Spread::Number;
  int64_t row_stride = 0;  // in floats
  int64_t period = 1;      // rows after which Row and Full repeat; the number of rows when they do not
};

struct PointwiseStep {
  Pointwise op = Pointwise::Relu;
  int32_t operand = -1;  // index into the operands, for the steps that have one (Add … Prelu)
  float a = 0, b = 0;
};

struct PointwiseProgram {
  std::span<const PointwiseStep> steps;
  std::span<const Operand> operands;
};

}  // namespace hearth::ops::cpu
