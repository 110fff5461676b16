#include "operators/array/split.h"

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/convert.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

// Input 1 (opsets 1 and 13 on; in opset 1 of the data's own type), an attribute (opsets 1 to 12), or none.
Result<std::vector<int64_t>> given_sizes(const Call& call) {
  std::vector<int64_t> sizes;
  if (call.has(1)) {
    ASSIGN_OR_RETURN(const Tensor* split, call.tensor(1));
    if (split->dtype() == DType::F32 && call.opset() < 2) {
      for (int64_t i = 0; i < split->size(); ++i) {
        const float size = split->data<float>()[i];
        if (!(size >= 0 && size <= 0x1p40f)) return call.invalid("input split; got {}, need at least 0", size);
        sizes.push_back(static_cast<int64_t>(size));
      }
      return sizes;
    }
    return int_list(call, 1);
  }
  const auto attribute = call.node().ints("split");
  sizes.assign(attribute.begin(), attribute.end());
  return sizes;
}

Result<std::vector<int64_t>> equal_sizes(const Call& call, int64_t size, int64_t parts) {
  if (parts < 1) return call.invalid("parts; got {}, need at least 1", parts);
  if (call.opset() < 18) {
    if (size % parts != 0) return call.invalid("size of the axis; got {}, need a multiple of {} outputs", size, parts);
    return std::vector<int64_t>(static_cast<size_t>(parts), size / parts);
  }
  const int64_t each = size / parts + (size % parts != 0);
  std::vector<int64_t> sizes;
  for (int64_t i = 0, left = size; i < parts; ++i) {
    sizes.push_back(std::min(each, left));
    left -= sizes.back();
  }
  return sizes;
}

}  // namespace

void copy_part(Call& call, const Tensor& tensor, int axis, int64_t begin, Tensor& part) {
  if (part.size() == 0) return;
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; ++i) outer *= tensor.dim(i);
  for (int i = axis + 1; i < tensor.rank(); ++i) inner *= tensor.dim(i);
  const int64_t run = part.dim(axis) * inner;
  StridedCopy box;
  box.add(outer, run, tensor.dim(axis) * inner);
  box.add(run, 1, 1);
  copy_strided(call, tensor.dtype(), box, part.mutable_raw(), element_at(tensor.dtype(), tensor.raw(), begin * inner));
}

Result<> run_split(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), input->rank()));
  const int64_t size = input->dim(axis);
  std::vector<int64_t> sizes;
  if (call.has(1) || call.node().has("split")) {
    if (call.node().has("num_outputs")) return call.invalid("split and num_outputs; got both, need one of them");
    ASSIGN_OR_RETURN(sizes, given_sizes(call));
  } else {
    const int64_t parts = call.node().int_or("num_outputs", call.output_count());
    if (parts != call.output_count())
      return call.invalid("attribute num_outputs; got {}, need {}, as many as outputs", parts, call.output_count());
    ASSIGN_OR_RETURN(sizes, equal_sizes(call, size, parts));
  }
  if (static_cast<int>(sizes.size()) != call.output_count())
    return call.invalid("sizes of parts; got {}, need {}, as many as outputs", sizes.size(), call.output_count());
  int64_t total = 0;
  for (const int64_t part : sizes) {
    if (part < 0) return call.invalid("size of a part; got {}, need at least 0", part);
    ASSIGN_OR_RETURN(total, add_sizes(call, total, part));
  }
  if (total != size) return call.invalid("sizes of parts; got a sum of {}, need {}", total, size);
  int64_t begin = 0;
  for (int i = 0; i < call.output_count(); ++i) {
    Dims dims = input->dims();
    dims[static_cast<size_t>(axis)] = sizes[static_cast<size_t>(i)];
    if (call.wants(i)) {
      ASSIGN_OR_RETURN(Tensor * part, call.output(i, input->dtype(), dims));
      copy_part(call, *input, axis, begin, *part);
    }
    begin += sizes[static_cast<size_t>(i)];
  }
  return {};
}

}  // namespace hearth::operators
