#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/densify.h"
#include "operators/element_storage.h"

namespace hearth::operators {

namespace {

template <class T>
Result<> set_values(Call& call, DType dtype, const Dims& dims, std::span<const T> values) {
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, dtype, dims));
  std::ranges::copy(values, output->mutable_data<T>());
  return {};
}

Dims length_of(size_t count) {
  return {static_cast<int64_t>(count)};
}

}  // namespace

Result<> run_constant(Call& call) {
  const graph::Node& node = call.node();
  int given = 0;
  for (const char* name : {"value", "sparse_value", "value_int", "value_ints", "value_float", "value_floats",
                           "value_string", "value_strings"})
    given += node.has(name);
  if (given != 1) return call.invalid("attributes with a value; got {}, need one", given);
  if (const Tensor* value = node.tensor("value")) {
    call.set_output(0, *value);
    return {};
  }
  if (node.has("value_int")) {
    const int64_t value = node.int_or("value_int", 0);
    return set_values<int64_t>(call, DType::I64, {}, {&value, 1});
  }
  if (node.has("value_float")) {
    const float value = node.float_or("value_float", 0);
    return set_values<float>(call, DType::F32, {}, {&value, 1});
  }
  if (node.has("value_string")) {
    const std::string value(node.string_or("value_string", ""));
    return set_values<std::string>(call, DType::String, {}, {&value, 1});
  }
  if (node.has("value_ints"))
    return set_values(call, DType::I64, length_of(node.ints("value_ints").size()), node.ints("value_ints"));
  if (node.has("value_floats"))
    return set_values(call, DType::F32, length_of(node.floats("value_floats").size()), node.floats("value_floats"));
  if (node.has("value_strings"))
    return set_values(call, DType::String, length_of(node.strings("value_strings").size()),
                      node.strings("value_strings"));
  const graph::Attribute* sparse = node.find("sparse_value");
  const auto* held = sparse != nullptr ? std::get_if<graph::SparseTensor>(&sparse->data) : nullptr;
  if (held == nullptr) return call.invalid("attribute value; got another type, need a tensor");
  ASSIGN_OR_RETURN(Tensor full, densify(*held, call.memory()));
  call.set_output(0, std::move(full));
  return {};
}

Result<> run_constant_of_shape(Call& call) {
  ASSIGN_OR_RETURN(const auto sizes, int_list(call, 0));
  ASSIGN_OR_RETURN(const Dims dims, to_dims(call, sizes));
  const Tensor* value = call.node().tensor("value");
  if (value != nullptr && value->size() != 1)
    return call.invalid("attribute value; got shape {}, need one element", to_string(value->dims()));
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, value != nullptr ? value->dtype() : DType::F32, dims));
  fill(*output, value != nullptr ? value->raw() : nullptr);
  return {};
}

}  // namespace hearth::operators
