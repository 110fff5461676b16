#include <cmath>

#include "operators/arguments.h"
#include "operators/array/array_kernels.h"
#include "tensor/element.h"

namespace hearth::operators {

namespace {

constexpr int64_t kFloatNumber = 1, kDoubleNumber = 11;  // TensorProto.DataType

Result<> check_scalars(const Call& call) {
  for (int i = 0; i < 3; ++i) {
    ASSIGN_OR_RETURN(const Tensor* tensor, call.tensor(i));
    if (tensor->size() != 1)
      return call.invalid("input {}; got shape {}, need one element", i, to_string(tensor->dims()));
    if (tensor->dtype() != call.input(0).dtype())
      return call.invalid("element types; got {} and {}, need one", to_string(call.input(0).dtype()),
                          to_string(tensor->dtype()));
  }
  return {};
}

template <class T>
Result<> run_integers(Call& call) {
  const int64_t start = *call.input(0).data<T>(), limit = *call.input(1).data<T>(), delta = *call.input(2).data<T>();
  if (delta == 0) return call.invalid("delta; got 0, need another number");
  // Unsigned: the distance of two int64 needs 64 bits.
  const bool up = delta > 0;
  const auto from = static_cast<uint64_t>(up ? start : limit), past = static_cast<uint64_t>(up ? limit : start);
  const uint64_t step = up ? static_cast<uint64_t>(delta) : 0 - static_cast<uint64_t>(delta);
  const uint64_t count = (up ? start < limit : start > limit) ? (past - from - 1) / step + 1 : 0;
  if (count > static_cast<uint64_t>(kMaxTensorElements))
    return call.invalid("{} to {} by {}; got more than {} elements", start, limit, delta, kMaxTensorElements);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, call.input(0).dtype(), {static_cast<int64_t>(count)}));
  T* to = output->mutable_data<T>();
  for (uint64_t i = 0; i < count; ++i)
    to[i] = static_cast<T>(static_cast<uint64_t>(start) + i * static_cast<uint64_t>(delta));
  return {};
}

// Computes in C: the type of the stash for half precision, double otherwise.
template <class T, class C>
Result<> run_floats(Call& call) {
  const auto read = [&](int i) { return static_cast<double>(static_cast<ComputeType<T>>(*call.input(i).data<T>())); };
  const double start = read(0), limit = read(1), delta = read(2);
  if (!std::isfinite(start) || !std::isfinite(limit) || !std::isfinite(delta) || delta == 0)
    return call.invalid("start, limit, delta; got {}, {}, {}, need finite numbers and a delta that is not 0", start,
                        limit, delta);
  const double count = std::max(0.0, std::ceil((limit - start) / delta));
  if (!(count <= static_cast<double>(kMaxTensorElements)))
    return call.invalid("{} to {} by {}; got more than {} elements", start, limit, delta, kMaxTensorElements);
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, call.input(0).dtype(), {static_cast<int64_t>(count)}));
  T* to = output->mutable_data<T>();
  const C first = static_cast<C>(start), step = static_cast<C>(delta);
  for (int64_t i = 0; i < output->size(); ++i) to[i] = T(static_cast<ComputeType<T>>(first + static_cast<C>(i) * step));
  return {};
}

}  // namespace

Result<> run_range(Call& call) {
  TRY(check_scalars(call));
  const int64_t stash = call.node().int_or("stash_type", kFloatNumber);
  if (stash != kFloatNumber && stash != kDoubleNumber)
    return call.unsupported("attribute stash_type; got {}, need {} (float) or {} (double)", stash, kFloatNumber,
                            kDoubleNumber);
  const bool wide = stash == kDoubleNumber;
  switch (call.input(0).dtype()) {
    case DType::F32:
      return run_floats<float, double>(call);
    case DType::F64:
      return run_floats<double, double>(call);
    case DType::F16:
      return wide ? run_floats<Half, double>(call) : run_floats<Half, float>(call);
    case DType::BF16:
      return wide ? run_floats<BFloat16, double>(call) : run_floats<BFloat16, float>(call);
    case DType::I16:
      return run_integers<int16_t>(call);
    case DType::I32:
      return run_integers<int32_t>(call);
    case DType::I64:
      return run_integers<int64_t>(call);
    default:
      return call.invalid("element type; got {}, need float16, bfloat16, float, double, int16, int32 or int64",
                          to_string(call.input(0).dtype()));
  }
}

}  // namespace hearth::operators
