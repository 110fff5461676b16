#include "ops/ref/access.h"
#include "ops/ref/kernels.h"
#include "ops/ref/step.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::pointwise(const HearthOpCall& call) {
  const HearthTensor &x = call.inputs[0], &o = call.inputs[1];
  const auto& a = ref::attributes<PointwiseAttributes>(call);
  const auto op = static_cast<Pointwise>(a.step);
  return ref::each_element(call, [&](int64_t i, int64_t j) {
    const double operand = ref::present(o) ? ref::at(o, i % o.dims[0], o.dims[1] == 1 ? 0 : j) : 0;
    return ref::step(op, ref::at(x, i, j), operand, double{a.a}, double{a.b});
  });
}
