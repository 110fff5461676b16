#include "ops/ref/step.h"

#include <cmath>
#include <limits>

namespace hearth::ops::ref {
namespace {

double sigmoid(double v) {
  return 1 / (1 + std::exp(-v));
}
double softplus(double v) {
  return v > 30 ? v : std::log1p(std::exp(v));
}
// Unlike fmax and fmin these keep NaN.
double most(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : a > b ? a : b;
}
double least(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : a < b ? a : b;
}
double times(double v, double factor) {  // -inf * 0 is the limit
  return std::isinf(v) && factor == 0 ? 0 : v * factor;
}

}  // namespace

double step(Pointwise op, double v, double o, double a, double b) {
  switch (op) {
    case Pointwise::Add:
      return v + o;
    case Pointwise::Sub:
      return v - o;
    case Pointwise::ReverseSub:
      return o - v;
    case Pointwise::Mul:
      return v * o;
    case Pointwise::Div:
      return v / o;
    case Pointwise::ReverseDiv:
      return o / v;
    case Pointwise::Max:
      return most(v, o);
    case Pointwise::Min:
      return least(v, o);
    case Pointwise::Prelu:
      return v < 0 ? v * o : v;
    case Pointwise::Relu:
      return most(v, 0);
    case Pointwise::Clip:
      return least(most(v, a), b);
    case Pointwise::LeakyRelu:
      return v < 0 ? v * a : v;
    case Pointwise::Sigmoid:
      return sigmoid(v);
    case Pointwise::Silu:
      return times(v, sigmoid(v));
    case Pointwise::HardSigmoid:
      return least(most(v * a + b, 0), 1);
    case Pointwise::HardSwish:
      return v * least(most(v / 6 + 0.5, 0), 1);
    case Pointwise::Tanh:
      return std::tanh(v);
    case Pointwise::Gelu:
      return times(v, std::erfc(-v / std::sqrt(2.0)) / 2);
    case Pointwise::GeluTanh:
      return times(v, sigmoid(2 * 0.7978845608028654 * (v + 0.044715 * v * v * v)));
    case Pointwise::Erf:
      return std::erf(v);
    case Pointwise::Exp:
      return std::exp(v);
    case Pointwise::Sqrt:
      return std::sqrt(v);
    case Pointwise::Abs:
      return std::fabs(v);
    case Pointwise::Neg:
      return -v;
    case Pointwise::Elu:
      return v < 0 ? a * std::expm1(v) : v;
    case Pointwise::Softplus:
      return softplus(v);
    case Pointwise::Mish:
      return v * std::tanh(softplus(v));
    case Pointwise::Reciprocal:
      return 1 / v;
    case Pointwise::Square:
      return v * v;
  }
  return v;
}

}  // namespace hearth::ops::ref
