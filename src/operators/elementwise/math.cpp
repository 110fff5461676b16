// Functions of one element.
#include <cmath>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

// HEARTH_MATH(Op, std function): f32 and f64 of the library.
#define HEARTH_MATH(Op, function)                 \
  struct Op {                                     \
    static constexpr int64_t kGrain = kDearGrain; \
    template <class T>                            \
    T operator()(T x) const {                     \
      return std::function(x);                    \
    }                                             \
  };
// The same with a loop of float_loops.h for f32.
#define HEARTH_MATH_LOOP(Op, name, expression)                 \
  struct Op {                                                  \
    static constexpr int64_t kGrain = kCheapGrain / 4;         \
    template <class T>                                         \
    T operator()(T x) const {                                  \
      return expression;                                       \
    }                                                          \
    void loop(const float* x, float* y, int64_t count) const { \
      float_loops().name(nullptr, x, y, count);                \
    }                                                          \
  };

HEARTH_MATH(Acos, acos)
HEARTH_MATH(Acosh, acosh)
HEARTH_MATH(Asin, asin)
HEARTH_MATH(Asinh, asinh)
HEARTH_MATH(Atan, atan)
HEARTH_MATH(Atanh, atanh)
HEARTH_MATH(Cos, cos)
HEARTH_MATH(Cosh, cosh)
HEARTH_MATH(Sin, sin)
HEARTH_MATH(Sinh, sinh)
HEARTH_MATH(Tan, tan)
HEARTH_MATH_LOOP(Ceil, ceil, std::ceil(x))
HEARTH_MATH_LOOP(Erf, erf, std::erf(x))
HEARTH_MATH_LOOP(Exp, exp, std::exp(x))
HEARTH_MATH_LOOP(Floor, floor, std::floor(x))
HEARTH_MATH_LOOP(Log, log, std::log(x))
HEARTH_MATH_LOOP(Reciprocal, reciprocal, T(1) / x)
HEARTH_MATH_LOOP(Round, round, std::nearbyint(x))
HEARTH_MATH_LOOP(Sqrt, sqrt, std::sqrt(x))
HEARTH_MATH_LOOP(Tanh, tanh, std::tanh(x))

// Signed integers through unsigned ones: the smallest has no positive counterpart and stays.
template <class T>
T wrapped_negative(T x) {
  using Unsigned = std::make_unsigned_t<T>;
  return static_cast<T>(static_cast<Unsigned>(Unsigned{0} - static_cast<Unsigned>(x)));
}

struct Abs {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>)
      return std::abs(x);
    else if constexpr (std::is_signed_v<T>)
      return x < 0 ? wrapped_negative(x) : x;
    else
      return x;
  }
  void loop(const float* x, float* y, int64_t count) const { float_loops().abs(nullptr, x, y, count); }
};

struct Neg {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>)
      return -x;
    else
      return wrapped_negative(x);
  }
  void loop(const float* x, float* y, int64_t count) const { float_loops().negate(nullptr, x, y, count); }
};

struct Sign {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>)
      return x > 0 ? T(1) : x < 0 ? T(-1) : x;  // zero and NaN are their own sign
    else if constexpr (std::is_signed_v<T>)
      return static_cast<T>((x > 0) - (x < 0));
    else
      return static_cast<T>(x > 0);
  }
};

// Opset 9 allowed Erf of integers: the real value cut to an integer.
struct ErfOfInteger {
  template <class T>
  T operator()(T x) const {
    return truncated<T>(std::erf(static_cast<double>(x)));
  }
};

}  // namespace

#define HEARTH_FLOAT_KERNEL(name, Op)      \
  Result<> name(Call& call) {              \
    return unary<Op, float, double>(call); \
  }
HEARTH_FLOAT_KERNEL(acos, Acos)
HEARTH_FLOAT_KERNEL(acosh, Acosh)
HEARTH_FLOAT_KERNEL(asin, Asin)
HEARTH_FLOAT_KERNEL(asinh, Asinh)
HEARTH_FLOAT_KERNEL(atan, Atan)
HEARTH_FLOAT_KERNEL(atanh, Atanh)
HEARTH_FLOAT_KERNEL(ceil, Ceil)
HEARTH_FLOAT_KERNEL(cos, Cos)
HEARTH_FLOAT_KERNEL(cosh, Cosh)
HEARTH_FLOAT_KERNEL(exp, Exp)
HEARTH_FLOAT_KERNEL(floor, Floor)
HEARTH_FLOAT_KERNEL(log, Log)
HEARTH_FLOAT_KERNEL(reciprocal, Reciprocal)
HEARTH_FLOAT_KERNEL(round, Round)
HEARTH_FLOAT_KERNEL(sin, Sin)
HEARTH_FLOAT_KERNEL(sinh, Sinh)
HEARTH_FLOAT_KERNEL(sqrt, Sqrt)
HEARTH_FLOAT_KERNEL(tan, Tan)
HEARTH_FLOAT_KERNEL(tanh, Tanh)
#undef HEARTH_FLOAT_KERNEL

Result<> abs(Call& call) {
  return unary<Abs, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(call);
}
Result<> neg(Call& call) {
  return unary<Neg, float, double, int8_t, int16_t, int32_t, int64_t>(call);
}
Result<> sign(Call& call) {
  return unary<Sign, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(call);
}
Result<> erf(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  if (is_integer(x->dtype()))
    return unary<ErfOfInteger, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(call);
  return unary<Erf, float, double>(call);
}

}  // namespace hearth::operators::elementwise
