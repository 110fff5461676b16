// Operators whose output is as large as their values say: Compress, NonZero.
#include <algorithm>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "operators/element_storage.h"
#include "operators/strided_copy.h"

namespace hearth::operators {

namespace {

// Bits that tell a value from zero: without the sign, so that -0.0 is a zero.
template <class T>
bool is_zero(const T& value, DType dtype) {
  if constexpr (std::is_same_v<T, std::string>) {
    return value.empty();
  } else if constexpr (std::is_same_v<T, Wide128>) {
    return ((value.low | value.high) & 0x7fff'ffff'ffff'ffff) == 0;  // the only type of this width is complex
  } else {
    const DTypeClass kind = info(dtype).kind;
    if (kind == DTypeClass::Complex) return (static_cast<uint64_t>(value) & 0x7fff'ffff'7fff'ffff) == 0;
    if (kind == DTypeClass::Float) return static_cast<T>(value << 1) == 0;
    return value == 0;
  }
}

}  // namespace

Result<> run_compress(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* condition, call.tensor(1));
  if (condition->dtype() != DType::Bool || condition->rank() != 1)
    return call.invalid("condition; got {}{}, need booleans of one dimension", to_string(condition->dtype()),
                        to_string(condition->dims()));
  Dims dims = {input->size()};
  int axis = 0;
  if (call.node().has("axis")) {
    ASSIGN_OR_RETURN(axis, normalise_axis(call, call.node().int_or("axis", 0), input->rank()));
    dims = input->dims();
  }
  const auto at = static_cast<size_t>(axis);
  int64_t outer = 1, run = 1;
  if (input->size() > 0) {
    for (size_t i = 0; i < at; ++i) outer *= dims[i];
    for (size_t i = at + 1; i < dims.size(); ++i) run *= dims[i];
  }
  const int64_t size = dims[at];
  const bool* chosen = condition->data<bool>();
  for (int64_t i = size; i < condition->size(); ++i)
    if (chosen[i]) return call.invalid("condition; got true for position {}, need less than {}", i, size);
  const int64_t looked_at = std::min(size, condition->size());
  dims[at] = std::count(chosen, chosen + looked_at, true);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, input->dtype(), dims));
  if (output->size() == 0) return {};
  with_storage(input->dtype(), [&]<class T>() {
    const T* from = input->data<T>();
    T* to = output->mutable_data<T>();
    for (int64_t row = 0; row < outer; ++row)
      for (int64_t i = 0; i < looked_at; ++i)
        if (chosen[i]) to = std::copy_n(from + (row * size + i) * run, run, to);
  });
  return {};
}

Result<> run_non_zero(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* input, call.tensor(0));
  const DType dtype = input->dtype();
  int64_t count = 0;
  with_storage(dtype, [&]<class T>() {
    const T* data = input->data<T>();
    for (int64_t i = 0; i < input->size(); ++i) count += !is_zero(data[i], dtype);
  });
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::I64, {input->rank(), count}));
  if (count == 0 || input->rank() == 0) return {};
  const int rank = input->rank();
  auto* indices = output->mutable_data<int64_t>();
  int64_t at[HEARTH_MAX_RANK] = {};
  with_storage(dtype, [&]<class T>() {
    const T* data = input->data<T>();
    int64_t found = 0;
    for (int64_t i = 0; i < input->size(); ++i) {
      if (!is_zero(data[i], dtype)) {
        for (int axis = 0; axis < rank; ++axis) indices[axis * count + found] = at[axis];
        ++found;
      }
      for (int axis = rank - 1; axis >= 0 && ++at[axis] == input->dim(axis); --axis) at[axis] = 0;
    }
  });
  return {};
}

}  // namespace hearth::operators
