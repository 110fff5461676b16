// Operators that give the same elements under other sizes. Their output shares the input's memory.
#include "operators/arguments.h"
#include "operators/array/array_kernels.h"

namespace hearth::operators {

namespace {

// The axes of Squeeze and Unsqueeze: input 1 from opset 13 on, an attribute before.
Result<std::vector<int64_t>> axes_of(const Call& call) {
  if (call.has(1)) return int_list(call, 1);
  const auto axes = call.node().ints("axes");
  return std::vector<int64_t>(axes.begin(), axes.end());
}

// Fills the sizes that the request leaves open: 0 (the input's, unless zeros are meant) and one -1.
Result<Dims> complete_sizes(const Call& call, const Tensor& data, std::vector<int64_t> sizes, bool zeros_are_meant) {
  int64_t open = -1, known = 1;
  bool zero = false;
  Dims uncancelled = data.dims();  // without sizes of zero that the request copies
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      if (open >= 0) return call.invalid("shape; got more than one -1");
      open = static_cast<int64_t>(i);
      continue;
    }
    if (sizes[i] == 0 && !zeros_are_meant) {
      if (i >= data.dims().size())
        return call.invalid("shape; got 0 for dimension {}, which the input of shape {} lacks", i,
                            to_string(data.dims()));
      sizes[i] = data.dims()[i];
      if (sizes[i] == 0) uncancelled[i] = 1;
    }
    if (sizes[i] < 0) return call.invalid("shape; got size {}, need -1 or more", sizes[i]);
    if (sizes[i] == 0) {
      zero = true;
    } else {
      ASSIGN_OR_RETURN(known, multiply_sizes(call, known, sizes[i]));
    }
  }
  if (open >= 0) {
    if (zero && zeros_are_meant) return call.invalid("shape; got -1 beside 0, which leaves it undetermined");
    // Beside a copied zero any value fits; the useful one keeps the rest: [0, 3, 4] as [0, -1] is [0, 12].
    ASSIGN_OR_RETURN(const int64_t elements, count_elements(uncancelled));
    if (!zero && elements % known != 0)
      return call.invalid("shape; got [{}], which {} elements do not fill", fmt::join(sizes, ", "), elements);
    const int64_t found = elements / known;
    sizes[static_cast<size_t>(open)] = found;
    zero |= found == 0;
    known *= found == 0 ? 1 : found;  // at most `elements`
  }
  if ((zero ? 0 : known) != data.size())
    return call.invalid("shape; got [{}], need {} elements, as the input of shape {} has", fmt::join(sizes, ", "),
                        data.size(), to_string(data.dims()));
  return to_dims(call, sizes);
}

}  // namespace

Result<> run_reshape(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  std::vector<int64_t> sizes;
  if (call.opset() >= 5) {
    ASSIGN_OR_RETURN(sizes, int_list(call, 1));
  } else {
    const auto given = call.node().ints("shape");
    sizes.assign(given.begin(), given.end());
  }
  ASSIGN_OR_RETURN(const Dims dims,
                   complete_sizes(call, *data, std::move(sizes), call.node().int_or("allowzero", 0) != 0));
  call.set_output(0, data->reshaped(dims));
  return {};
}

Result<> run_flatten(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  int64_t axis = call.node().int_or("axis", 1);
  const int rank = data->rank();
  if (axis < -rank || axis > rank) return call.invalid("axis; got {}, need {} to {}", axis, -rank, rank);
  if (axis < 0) axis += rank;
  // Not by division: a size may be zero, and then the other product still has to be told.
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < rank; ++i) {
    int64_t& product = i < axis ? rows : columns;
    ASSIGN_OR_RETURN(product, multiply_sizes(call, product, data->dim(i)));
  }
  call.set_output(0, data->reshaped({rows, columns}));
  return {};
}

Result<> run_squeeze(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const auto given, axes_of(call));
  const bool all = !call.has(1) && !call.node().has("axes");
  ASSIGN_OR_RETURN(const auto axes, resolve_axes(call, given, data->rank()));
  uint64_t dropped = 0;
  for (const int axis : axes) {
    if (data->dim(axis) != 1)
      return call.invalid("axis {} has size {}, need 1; the input's shape is {}", axis, data->dim(axis),
                          to_string(data->dims()));
    dropped |= uint64_t{1} << axis;
  }
  Dims dims;
  for (int i = 0; i < data->rank(); ++i)
    if (all ? data->dim(i) != 1 : (dropped >> i & 1) == 0) dims.push_back(data->dim(i));
  call.set_output(0, data->reshaped(dims));
  return {};
}

Result<> run_unsqueeze(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  if (call.opset() >= 13) TRY(call.tensor(1));
  ASSIGN_OR_RETURN(const auto given, axes_of(call));
  if (!Dims::fits(data->dims().size() + given.size()))
    return call.unsupported("dimensions of the output; got {}, need at most {}", data->dims().size() + given.size(),
                            HEARTH_MAX_RANK);
  const int rank = data->rank() + static_cast<int>(given.size());
  ASSIGN_OR_RETURN(const auto axes, resolve_axes(call, given, rank));
  uint64_t added = 0;
  for (const int axis : axes) added |= uint64_t{1} << axis;
  Dims dims;
  int next = 0;
  for (int i = 0; i < rank; ++i) dims.push_back((added >> i & 1) != 0 ? 1 : data->dim(next++));
  call.set_output(0, data->reshaped(dims));
  return {};
}

}  // namespace hearth::operators
