#include <limits>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

template <class T>
struct Clip {
  T smallest, largest;
  T operator()(T x) const {
    const T raised = x < smallest ? smallest : x;  // NaN stays
    return raised > largest ? largest : raised;    // the upper bound wins
  }
  void loop(const float* x, float* y, int64_t count) const {
    const float p[2] = {static_cast<float>(smallest), static_cast<float>(largest)};
    float_loops().clip(p, x, y, count);
  }
};

template <class T>
Result<> run(Call& call, const Tensor& x, T smallest, T largest) {
  const Clip<T> op{smallest, largest};
  return run_unary(call, x, x.dtype(), &op, unary_loop<Clip<T>, T, T>, kCheapGrain);
}

// The bound in input i as the loop's type; `otherwise` when it is left out.
template <class T>
Result<T> bound(const Call& call, int i, DType dtype, T otherwise) {
  if (!call.has(i)) return otherwise;
  ASSIGN_OR_RETURN(const Tensor* given, call.tensor(i));
  if (given->dtype() != dtype)
    return call.invalid("bound in input {}; got {}, need {}", i, to_string(given->dtype()), to_string(dtype));
  if (given->size() != 1) return call.invalid("bound in input {}; got {} elements, need 1", i, given->size());
  if constexpr (std::is_same_v<T, float>) {
    float value = 0;
    to_floats(dtype, given->raw(), &value, 1);
    return value;
  } else {
    return *given->data<T>();
  }
}

}  // namespace

Result<> clip_6(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const float smallest = call.node().float_or("min", std::numeric_limits<float>::lowest());
  const float largest = call.node().float_or("max", std::numeric_limits<float>::max());
  if (loop_type(x->dtype()) == DType::F32) return run<float>(call, *x, smallest, largest);
  if (x->dtype() == DType::F64) return run<double>(call, *x, smallest, largest);
  return call.unsupported("element type; got {}", to_string(x->dtype()));
}

Result<> clip_11(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  Result<> done;
  const auto clip = [&]<class T>() -> Result<> {
    // A bound left out bounds nothing: infinities stay, as in the function that defines the operator.
    using Limits = std::numeric_limits<T>;
    constexpr T kLowest = Limits::has_infinity ? static_cast<T>(-Limits::infinity()) : Limits::lowest();
    constexpr T kHighest = Limits::has_infinity ? Limits::infinity() : Limits::max();
    ASSIGN_OR_RETURN(const T smallest, bound<T>(call, 1, x->dtype(), kLowest));
    ASSIGN_OR_RETURN(const T largest, bound<T>(call, 2, x->dtype(), kHighest));
    return run<T>(call, *x, smallest, largest);
  };
  if (!with_type(TypeList<float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>{},
                 loop_type(x->dtype()), [&]<class T>() { done = clip.template operator()<T>(); }))
    return call.unsupported("element type; got {}", to_string(x->dtype()));
  return done;
}

}  // namespace hearth::operators::elementwise
