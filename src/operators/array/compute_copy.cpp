#include "operators/array/compute_copy.h"

#include <algorithm>

#include "operators/convert.h"

namespace hearth::operators {

namespace {

using ThroughFloat = TypeList<Half, BFloat16, int8_t, int16_t, uint8_t, uint16_t, bool>;
using ThroughDouble = TypeList<int32_t, int64_t, uint32_t, uint64_t>;

template <class Wide, class Types>
bool narrow_from(Types types, const Tensor& wide, Rounding rounding, Tensor& narrowed) {
  return with_type(types, narrowed.dtype(), [&]<class T>() {
    const Wide* from = wide.data<Wide>();
    std::transform(from, from + wide.size(), narrowed.mutable_data<T>(),
                   [rounding](Wide value) { return narrow_to<T>(value, rounding); });
  });
}

}  // namespace

std::optional<DType> widened(DType dtype) {
  switch (dtype) {
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::I8:
    case DType::I16:
    case DType::U8:
    case DType::U16:
    case DType::Bool:
      return DType::F32;
    case DType::F64:
    case DType::I32:
    case DType::I64:
    case DType::U32:
    case DType::U64:
      return DType::F64;
    case DType::C64:
    case DType::C128:
      return dtype;
    default:
      return std::nullopt;
  }
}

Result<Tensor> widen(Call& call, const Tensor& tensor) {
  const auto dtype = widened(tensor.dtype());
  if (!dtype) return call.invalid("element type; got {}, which is not computed with", to_string(tensor.dtype()));
  if (*dtype == tensor.dtype()) return tensor;
  return *dtype == DType::F32 ? as_floats(call, tensor) : as_doubles(call, tensor);
}

Result<> narrow(Call& call, const Tensor& wide, Rounding rounding, int index, DType dtype) {
  CHECK(widened(dtype) == wide.dtype());
  if (wide.dtype() == dtype) {
    call.set_output(index, wide);
    return {};
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(index, dtype, wide.dims()));
  CHECK(wide.dtype() == DType::F32 ? narrow_from<float>(ThroughFloat{}, wide, rounding, *output)
                                   : narrow_from<double>(ThroughDouble{}, wide, rounding, *output));
  return {};
}

}  // namespace hearth::operators
