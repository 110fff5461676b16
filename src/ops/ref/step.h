// What the steps of ops/pointwise.inc mean, in double.
#pragma once

#include "ops/op.h"

namespace hearth::ops::ref {

// One step of the value v, with the operand o (0 for steps without one) and the numbers a and b.
double step(Pointwise op, double v, double o, double a, double b);

// The activation of an attribute struct that has activation, a and b.
template <class Attributes>
double activation(const Attributes& attributes, double v) {
  return attributes.activation == 0
             ? v
             : step(step_of_activation(attributes.activation), v, 0, double{attributes.a}, double{attributes.b});
}

}  // namespace hearth::ops::ref
