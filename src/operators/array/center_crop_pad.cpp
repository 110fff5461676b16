#include <numeric>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/convert.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

Result<> run_center_crop_pad(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const auto sizes, int_list(call, 1));
  std::vector<int> axes(static_cast<size_t>(data->rank()));
  std::iota(axes.begin(), axes.end(), 0);
  if (call.node().has("axes")) {
    ASSIGN_OR_RETURN(axes, resolve_axes(call, call.node().ints("axes"), data->rank()));
  }
  if (sizes.size() != axes.size())
    return call.invalid("shape; got {} sizes, need {}, one for each axis", sizes.size(), axes.size());
  std::vector<int64_t> target(data->dims().begin(), data->dims().end());
  for (size_t i = 0; i < axes.size(); ++i) target[static_cast<size_t>(axes[i])] = sizes[i];
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, target));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), dims));
  if (output->size() == 0) return {};
  fill(*output);
  const Strides from = dense_strides(data->dims()), to = dense_strides(dims);
  StridedCopy box;
  int64_t from_offset = 0, to_offset = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    const int64_t had = data->dims()[i], has = dims[i];
    // An odd difference leaves the smaller half in front, for crops and for pads.
    if (had > has)
      from_offset += (had - has) / 2 * from[i];
    else
      to_offset += (has - had) / 2 * to[i];
    box.add(std::min(had, has), to[i], from[i]);
  }
  copy_strided(call, data->dtype(), box, element_at(data->dtype(), output->mutable_raw(), to_offset),
               element_at(data->dtype(), data->raw(), from_offset));
  return {};
}

}  // namespace hearth::operators
