#include <algorithm>
#include <numeric>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/convert.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

struct Request {
  std::vector<int64_t> starts, ends, axes, steps;
};

Result<Request> read_request(const Call& call) {
  Request request;
  bool axes_given = false;
  if (call.opset() >= 10) {
    ASSIGN_OR_RETURN(request.starts, int_list(call, 1));
    ASSIGN_OR_RETURN(request.ends, int_list(call, 2));
    axes_given = call.has(3);
    if (axes_given) {
      ASSIGN_OR_RETURN(request.axes, int_list(call, 3));
    }
    if (call.has(4)) {
      ASSIGN_OR_RETURN(request.steps, int_list(call, 4));
    }
  } else {
    const auto copy = [&](std::string_view name) {
      const auto ints = call.node().ints(name);
      return std::vector<int64_t>(ints.begin(), ints.end());
    };
    request.starts = copy("starts"), request.ends = copy("ends"), request.axes = copy("axes");
    axes_given = call.node().has("axes");
  }
  const size_t count = request.starts.size();
  if (!axes_given) {
    request.axes.resize(count);
    std::iota(request.axes.begin(), request.axes.end(), 0);
  }
  if (request.steps.empty()) request.steps.assign(count, 1);
  if (request.ends.size() != count || request.axes.size() != count || request.steps.size() != count)
    return call.invalid("starts, ends, axes, steps; got {}, {}, {}, {} of them, need as many of each", count,
                        request.ends.size(), request.axes.size(), request.steps.size());
  return request;
}

struct Span {
  int64_t first, count, step;
};

// Positions of an axis of `size`; everything outside is clamped.
Span clamp_span(int64_t start, int64_t end, int64_t step, int64_t size) {
  if (size == 0) return {0, 0, 1};
  if (start < 0) start += size;
  if (end < 0) end += size;
  // A step longer than the axis takes one element however long it is: this keeps the arithmetic below in range.
  step = std::clamp(step, -size - 1, size + 1);
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, size), end = std::clamp<int64_t>(end, 0, size);
    return {start, end > start ? (end - start - 1) / step + 1 : 0, step};
  }
  start = std::clamp<int64_t>(start, 0, size - 1), end = std::clamp<int64_t>(end, -1, size - 1);
  return {start, start > end ? (start - end - 1) / -step + 1 : 0, step};
}

}  // namespace

Result<> run_slice(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Request request, read_request(call));
  ASSIGN_OR_RETURN(const auto axes, resolve_axes(call, request.axes, data->rank()));
  Span spans[HEARTH_MAX_RANK];
  for (int i = 0; i < data->rank(); ++i) spans[i] = {0, data->dim(i), 1};
  for (size_t i = 0; i < axes.size(); ++i) {
    if (request.steps[i] == 0) return call.invalid("step; got 0, need another number");
    spans[axes[i]] = clamp_span(request.starts[i], request.ends[i], request.steps[i], data->dim(axes[i]));
  }
  Dims dims = data->dims();
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = spans[i].count;
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), dims));
  if (output->size() == 0) return {};
  const Strides from = dense_strides(data->dims()), to = dense_strides(dims);
  StridedCopy box;
  int64_t offset = 0;
  for (size_t i = 0; i < dims.size(); ++i) {
    offset += spans[i].first * from[i];
    // One element needs no step; its stride would keep axes from being joined.
    box.add(dims[i], to[i], dims[i] == 1 ? from[i] : spans[i].step * from[i]);
  }
  copy_strided(call, data->dtype(), box, output->mutable_raw(), element_at(data->dtype(), data->raw(), offset));
  return {};
}

}  // namespace hearth::operators
