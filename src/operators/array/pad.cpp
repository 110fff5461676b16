#include <algorithm>
#include <numeric>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/array/mapped_copy.h"
#include "operators/convert.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

enum class Mode { Constant, Reflect, Edge, Wrap };

// What one axis loses (crop) and gains (pad) at each end.
struct AxisPads {
  int64_t before = 0, after = 0;  // negative: cropped
  int64_t crop_before() const { return before < 0 ? -before : 0; }
  int64_t crop_after() const { return after < 0 ? -after : 0; }
  int64_t pad_before() const { return std::max<int64_t>(before, 0); }
};

Result<Mode> read_mode(const Call& call) {
  const std::string_view name = call.node().string_or("mode", "constant");
  if (name == "constant") return Mode::Constant;
  if (name == "reflect") return Mode::Reflect;
  if (name == "edge") return Mode::Edge;
  if (name == "wrap") return Mode::Wrap;
  return call.invalid("attribute mode; got '{}', need constant, reflect, edge or wrap", name);
}

// An input from opset 11 on, an attribute before.
Result<std::vector<AxisPads>> read_pads(const Call& call, int rank) {
  std::vector<int64_t> numbers;
  if (call.opset() >= 11) {
    ASSIGN_OR_RETURN(numbers, int_list(call, 1));
  } else {
    const auto given = call.node().ints(call.opset() >= 2 ? "pads" : "paddings");
    numbers.assign(given.begin(), given.end());
  }
  std::vector<int> axes(static_cast<size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  if (call.has(3)) {
    ASSIGN_OR_RETURN(const auto given, int_list(call, 3));
    ASSIGN_OR_RETURN(axes, resolve_axes(call, given, rank));
  }
  if (numbers.size() != 2 * axes.size())
    return call.invalid("pads; got {} numbers, need {}, two for each axis", numbers.size(), 2 * axes.size());
  std::vector<AxisPads> pads(static_cast<size_t>(rank));
  for (size_t i = 0; i < axes.size(); ++i) pads[static_cast<size_t>(axes[i])] = {numbers[i], numbers[axes.size() + i]};
  for (const auto& [before, after] : pads)
    if (before < -kMaxTensorElements || after < -kMaxTensorElements)
      return call.invalid("pads; got {}, need at least {}", std::min(before, after), -kMaxTensorElements);
  return pads;
}

// The element of the padding as the data's type: input 2 from opset 11 on, a float attribute before.
Result<Tensor> read_value(Call& call, DType dtype) {
  if (call.opset() >= 11 && call.has(2)) {
    ASSIGN_OR_RETURN(const Tensor* value, call.tensor(2));
    if (value->dtype() != dtype || value->size() != 1)
      return call.invalid("constant_value; got {}{}, need one {}", to_string(value->dtype()), to_string(value->dims()),
                          to_string(dtype));
    return *value;
  }
  ASSIGN_OR_RETURN(Tensor value, Tensor::allocate(dtype, {}, call.memory()));
  fill(value);
  const float given = call.opset() >= 11 ? 0.0f : call.node().float_or("value", 0.0f);
  if (given != 0.0f && !with_type(FloatTypes{}, dtype, [&]<class T>() { *value.mutable_data<T>() = T(given); }))
    return call.invalid("attribute value; got {} for elements of {}, need floats", given, to_string(dtype));
  return value;
}

void pad_constant(Call& call, const Tensor& data, std::span<const AxisPads> pads, const Tensor& value, Tensor& output) {
  fill(output, value.raw());
  const Strides from = dense_strides(data.dims()), to = dense_strides(output.dims());
  StridedCopy box;
  int64_t from_offset = 0, to_offset = 0;
  for (int i = 0; i < data.rank(); ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t first = pads[at].crop_before();
    const int64_t count = data.dim(i) - first - pads[at].crop_after();
    if (count <= 0) return;  // nothing of the input is left
    from_offset += first * from[at], to_offset += pads[at].pad_before() * to[at];
    box.add(count, to[at], from[at]);
  }
  copy_strided(call, data.dtype(), box, element_at(data.dtype(), output.mutable_raw(), to_offset),
               element_at(data.dtype(), data.raw(), from_offset));
}

int64_t modulo(int64_t a, int64_t b) {
  return (a % b + b) % b;
}

// For each position of an output axis the position of the input axis that it shows. Crops come first, then the rest is
// padded.
void map_axis(Mode mode, const AxisPads& pads, int64_t input_size, std::span<int64_t> map) {
  const int64_t size = input_size - pads.crop_before() - pads.crop_after();
  for (size_t o = 0; o < map.size(); ++o) {
    int64_t at = static_cast<int64_t>(o) - pads.pad_before();
    if (at >= 0 && at < size) {
      // Most of them: no division.
    } else if (mode == Mode::Edge) {
      at = std::clamp<int64_t>(at, 0, size - 1);
    } else if (mode == Mode::Wrap) {
      at = modulo(at, size);
    } else {  // mirrored without repeating the first and the last, as often as it takes
      at = size == 1 ? 0 : modulo(at, 2 * (size - 1));
      if (at >= size) at = 2 * (size - 1) - at;
    }
    map[o] = at + pads.crop_before();
  }
}

Result<> pad_mapped(Call& call, Mode mode, const Tensor& data, std::span<const AxisPads> pads, Tensor& output) {
  int64_t total = 0;
  for (const int64_t size : output.dims()) total += size;
  ASSIGN_OR_RETURN(Tensor maps, Tensor::allocate(DType::I64, {total}, call.memory()));
  const int64_t* starts[HEARTH_MAX_RANK] = {};
  auto* next = maps.mutable_data<int64_t>();
  for (int i = 0; i < data.rank(); ++i) {
    starts[i] = next;
    map_axis(mode, pads[static_cast<size_t>(i)], data.dim(i), {next, static_cast<size_t>(output.dim(i))});
    next += output.dim(i);
  }
  copy_mapped(call, data, starts, nullptr, output);
  return {};
}

}  // namespace

Result<> run_pad(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* data, call.tensor(0));
  ASSIGN_OR_RETURN(const Mode mode, read_mode(call));
  ASSIGN_OR_RETURN(const auto pads, read_pads(call, data->rank()));
  ASSIGN_OR_RETURN(const Tensor value, read_value(call, data->dtype()));
  Dims dims = data->dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    ASSIGN_OR_RETURN(dims[i], add_sizes(call, dims[i], pads[i].before));
    ASSIGN_OR_RETURN(dims[i], add_sizes(call, dims[i], pads[i].after));
    if (dims[i] < 0)
      return call.invalid("pads of axis {}; got {} and {} for a size of {}, which leave less than nothing", i,
                          pads[i].before, pads[i].after, data->dim(static_cast<int>(i)));
    const int64_t kept = data->dim(static_cast<int>(i)) - pads[i].crop_before() - pads[i].crop_after();
    if (mode != Mode::Constant && kept <= 0 && dims[i] > 0)
      return call.invalid("pads of axis {}; got {} and {} for a size of {}, which leave nothing to pad with", i,
                          pads[i].before, pads[i].after, data->dim(static_cast<int>(i)));
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, data->dtype(), dims));
  if (output->size() == 0) return {};
  if (data->rank() == 0 || mode == Mode::Constant) {
    pad_constant(call, *data, pads, value, *output);
    return {};
  }
  return pad_mapped(call, mode, *data, pads, *output);
}

}  // namespace hearth::operators
