#include <numeric>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

Result<> run_transpose(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  const int rank = data->rank();
  std::vector<int> order(static_cast<size_t>(rank));
  if (call.node().has("perm")) {
    const auto perm = call.node().ints("perm");
    if (static_cast<int>(perm.size()) != rank)
      return call.invalid("attribute perm; got {} axes, need {}", perm.size(), rank);
    ASSIGN_OR_RETURN(order, resolve_axes(call, perm, rank));
  } else {
    std::iota(order.rbegin(), order.rend(), 0);
  }
  Dims dims;
  for (const int axis : order) dims.push_back(data->dim(axis));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), dims));
  const Strides from = dense_strides(data->dims()), to = dense_strides(dims);
  StridedCopy box;
  for (int i = 0; i < rank; ++i)
    box.add(output->dim(i), to[static_cast<size_t>(i)], from[static_cast<size_t>(order[static_cast<size_t>(i)])]);
  copy_strided(call, data->dtype(), box, output->mutable_raw(), data->raw());
  return {};
}

}  // namespace hearth::operators
