#include "operators/array/concat.h"

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/convert.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

Result<> concatenate(Call& call, int index, std::span<const Tensor* const> tensors, int64_t given_axis) {
  if (tensors.empty()) return call.invalid("tensors to join; got none, need at least one");
  const Tensor& first = *tensors.front();
  if (first.rank() == 0) return call.invalid("tensors to join; got a scalar, need at least one dimension");
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, given_axis, first.rank()));
  const auto at = static_cast<size_t>(axis);
  Dims dims = first.dims();
  dims[at] = 0;
  for (const Tensor* tensor : tensors) {
    if (tensor->dtype() != first.dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(first.dtype()),
                          to_string(tensor->dtype()));
    Dims expected = first.dims();
    if (tensor->rank() == first.rank()) expected[at] = tensor->dim(axis);
    if (!(tensor->dims() == expected))
      return call.invalid("shapes; got {} and {}, need the same but along axis {}", to_string(first.dims()),
                          to_string(tensor->dims()), axis);
    ASSIGN_OR_RETURN(dims[at], add_sizes(call, dims[at], tensor->dim(axis)));
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(index, first.dtype(), dims));
  if (output->size() == 0) return {};
  const Strides to = dense_strides(dims);
  int64_t outer = 1;
  for (size_t i = 0; i < at; ++i) outer *= dims[i];
  int64_t offset = 0;
  for (const Tensor* tensor : tensors) {
    if (tensor->size() == 0) continue;
    const int64_t run = tensor->dim(axis) * to[at];
    StridedCopy box;
    box.add(outer, dims[at] * to[at], run);
    box.add(run, 1, 1);
    copy_strided(call, first.dtype(), box, element_at(first.dtype(), output->mutable_raw(), offset), tensor->raw());
    offset += run;
  }
  return {};
}

Result<> run_concat(Call& call) {
  std::vector<const Tensor*> tensors;
  for (int i = 0; i < call.input_count(); ++i) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
    tensors.push_back(tensor);
  }
  if (call.opset() >= 4 && !call.node().has("axis")) return call.invalid("attribute axis is absent; it is required");
  return concatenate(call, 0, tensors, call.node().int_or("axis", 1));
}

}  // namespace hearth::operators
