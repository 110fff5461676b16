// Inputs that are one floating-point number. (Integers: operators/axes.h.)
#pragma once

#include "operators/matrix/working_type.h"

namespace hearth::operators {

// Invalid unless the input is one floating-point element.
inline Result<double> read_number(const Call& call, int input, std::string_view what) {
  ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(input));
  double value = 0;
  if (tensor->size() == 1 && info(tensor->dtype()).kind == DTypeClass::Float &&
      widen(tensor->dtype(), tensor->raw(), 1, &value))
    return value;
  return call.invalid("{}; got {}{}, need one floating-point element", what, to_string(tensor->dtype()),
                      to_string(tensor->dims()));
}

}  // namespace hearth::operators
