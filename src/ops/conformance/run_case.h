// Runs a case on a device and holds its outputs against expected ones.
#pragma once

#include <string>
#include <vector>

#include "ops/conformance/op_case.h"
#include "ops/device.h"

namespace hearth::ops::conformance {

struct CaseRun {
  std::vector<CaseTensor> outputs;  // with their bytes
  std::string kernel;               // that served the call
};

// Uploads the inputs, packs the weight where the case asks for it, runs, and reads the outputs back. Bytes between
// padded rows must come back untouched: a kernel that writes there is an error of kind Internal.
Result<CaseRun> run_case(Device& device, const OpCase& c);

// The tolerance of the inventory for this case's precision: 16-bit activations or outputs take the wider one.
double tolerance_of(const OpCase& c);

struct Comparison {
  bool ok = true;
  double max_error = 0;  // largest |got - want| / (1 + |want|); infinite where one is a number and the other is not
  double row_error =
      0;              // matmul with quantised weights: largest row error, in units of what such a row is expected to be
  std::string worst;  // where max_error is, with both values
};

// Elements: |got - want| <= tolerance * (1 + |want|); 0 asks for equal bits of value; NaN equals NaN, infinities equal
// themselves. Matmul with a quantised weight also passes by rows, as the op's documentation in ops.inc says.
Comparison compare(const OpCase& c, const std::vector<CaseTensor>& want, const std::vector<CaseTensor>& got,
                   double tolerance);

// Element i of a dense tensor of any plain type, as double.
double element(const CaseTensor& t, int64_t i);

}  // namespace hearth::ops::conformance
