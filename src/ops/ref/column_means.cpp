#include "ops/ref/access.h"
#include "ops/ref/kernels.h"

using namespace hearth;
using namespace hearth::ops;

int hearth::ops::ref::column_means(const HearthOpCall& call) {
  const HearthTensor& x = call.inputs[0];
  return ref::each_element(call, [&](int64_t b, int64_t j) {
    double sum = 0;
    for (int64_t i = 0; i < x.dims[1]; ++i) sum += ref::load(DType::F32, ref::address(x, {b, i}), j);
    return sum / static_cast<double>(x.dims[1]);
  });
}
