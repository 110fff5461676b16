// Programs of elementwise steps over the rows of a float matrix: what follows a matrix product or a convolution while
// its results are still in the cache, or stands by itself. Plain data, read by kernels of every instruction set.
#pragma once

#include <stdint.h>

#include <span>

namespace hearth::ops::cpu {

// `v` is the value so far, `o` the operand, `a` and `b` the numbers of the step. NaN goes through every step.
enum class Pointwise : uint8_t {
  Add,          // v + o
  Sub,          // v - o
  ReverseSub,   // o - v
  Mul,          // v * o
  Div,          // v / o
  ReverseDiv,   // o / v
  Max,          // max(v, o)
  Min,          // min(v, o)
  Prelu,        // v < 0 ? v * o : v
  Relu,         // max(v, 0)
  Clip,         // min(max(v, a), b)
  LeakyRelu,    // v < 0 ? v * a : v
  Sigmoid,      // 1 / (1 + e^-v)
  Silu,         // v * sigmoid(v)
  HardSigmoid,  // min(max(v * a + b, 0), 1)
  HardSwish,    // v * min(max(v / 6 + 0.5, 0), 1)
  Tanh,
  Gelu,      // v * (1 + erf(v / sqrt 2)) / 2
  GeluTanh,  // the approximation by tanh
  Erf,
  Exp,
  Sqrt,
  Abs,
  Neg,
  Elu,         // v < 0 ? a * (e^v - 1) : v
  Softplus,    // log(1 + e^v)
  Mish,        // v * tanh(softplus(v))
  Reciprocal,  // 1 / v
  Square,      // v * v
};

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

constexpr bool has_operand(Pointwise op) {
  return op <= Pointwise::Prelu;
}

struct PointwiseProgram {
  std::span<const PointwiseStep> steps;
  std::span<const Operand> operands;
};

}  // namespace hearth::ops::cpu
