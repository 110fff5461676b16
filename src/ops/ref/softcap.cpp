#include <cmath>

#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::softcap(const HearthOpCall& call) {
  const double cap = double{ref::attributes<SoftcapAttributes>(call).cap};
  return ref::each_element(call,
                           [&](int64_t i, int64_t j) { return cap * std::tanh(ref::at(call.inputs[0], i, j) / cap); });
}
