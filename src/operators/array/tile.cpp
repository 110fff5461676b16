// Operators that repeat their input: Tile, Expand.
#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

// Opset 6 on: one number a dimension. Before: inputs `tiles` and `axis`, scalars of the data's own type.
Result<std::vector<int64_t>> read_repeats(const Call& call, int rank) {
  if (call.opset() >= 6) return int_list(call, 1);
  std::vector<int64_t> repeats(static_cast<size_t>(rank), 1);
  ASSIGN_OR_RETURN(const double tiles, read_number(call, 1));
  ASSIGN_OR_RETURN(const double given, read_number(call, 2));
  if (!(tiles >= 0 && tiles <= 0x1p40) || !(given >= -rank && given < rank))
    return call.invalid("tiles and axis; got {} and {}, need at least 0 and an axis of {} dimensions", tiles, given,
                        rank);
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, static_cast<int64_t>(given), rank));
  repeats[static_cast<size_t>(axis)] = static_cast<int64_t>(tiles);
  return repeats;
}

}  // namespace

Result<> run_tile(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const auto repeats, read_repeats(call, input->rank()));
  if (static_cast<int>(repeats.size()) != input->rank())
    return call.invalid("repeats; got {} numbers, need {}, one a dimension", repeats.size(), input->rank());
  Dims dims = input->dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    if (repeats[i] < 0) return call.invalid("repeats; got {}, need at least 0", repeats[i]);
    ASSIGN_OR_RETURN(dims[i], multiply_sizes(call, dims[i], repeats[i]));
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), dims));
  if (output->size() == 0) return {};
  const Strides from = dense_strides(input->dims()), to = dense_strides(dims);
  StridedCopy box;
  for (size_t i = 0; i < dims.size(); ++i) {
    box.add(repeats[i], input->dims()[i] * to[i], 0);
    box.add(input->dims()[i], to[i], from[i]);
  }
  copy_strided(call, input->dtype(), box, output->mutable_raw(), input->raw());
  return {};
}

Result<> run_expand(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const auto shape, int_list(call, 1));
  // Aligned at the last dimension; a size of 1 takes the other's.
  std::vector<int64_t> sizes(std::max(shape.size(), input->dims().size()));
  const size_t shape_offset = sizes.size() - shape.size(), input_offset = sizes.size() - input->dims().size();
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t wanted = i >= shape_offset ? shape[i - shape_offset] : 1;
    const int64_t had = i >= input_offset ? input->dims()[i - input_offset] : 1;
    if (wanted != had && wanted != 1 && had != 1)
      return call.invalid("shape; got [{}], which does not fit the input's {}", fmt::join(shape, ", "),
                          to_string(input->dims()));
    sizes[i] = had == 1 ? wanted : had;
  }
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  if (dims == input->dims()) {
    call.set_output(0, *input);
    return {};
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), dims));
  if (output->size() == 0) return {};
  const Strides from = dense_strides(input->dims()), to = dense_strides(dims);
  StridedCopy box;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool kept = i >= input_offset && input->dims()[i - input_offset] == dims[i];
    box.add(dims[i], to[i], kept ? from[i - input_offset] : 0);
  }
  copy_strided(call, input->dtype(), box, output->mutable_raw(), input->raw());
  return {};
}

}  // namespace hearth::operators
