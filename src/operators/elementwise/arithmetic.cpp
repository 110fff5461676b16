// Add, Sub, Mul, Div, Mod. Integers wrap; an integer divisor of zero is an error.
#include <cmath>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

// Sums, differences and products have the same bits for signed and unsigned integers: one loop a width serves both, and
// overflow of a signed type is no undefined behaviour. At least 32 bits wide: narrower types promote to int.
#define HEARTH_ARITHMETIC(Op, name, sign)                                                                  \
  struct Op {                                                                                              \
    template <class T>                                                                                     \
    T operator()(T a, T b) const {                                                                         \
      if constexpr (std::is_floating_point_v<T>) {                                                         \
        return a sign b;                                                                                   \
      } else {                                                                                             \
        using Wide = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;                               \
        return static_cast<T>(static_cast<Wide>(a) sign static_cast<Wide>(b));                             \
      }                                                                                                    \
    }                                                                                                      \
    void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const { \
      float_loops().name(a, b, y, count, a_moves, b_moves);                                                \
    }                                                                                                      \
  };
HEARTH_ARITHMETIC(Add, add, +)
HEARTH_ARITHMETIC(Sub, subtract, -)
HEARTH_ARITHMETIC(Mul, multiply, *)

template <class Op>
Result<> wrapping(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  const Op op;
  const DType dtype = loop_type(a->dtype());
  BinaryLoop loop = nullptr;
  with_type(TypeList<float, double>{}, dtype, [&]<class T>() { loop = binary_loop<Op, T, T>; });
  if (is_integer(dtype) && dtype != DType::I4 && dtype != DType::U4 && dtype != DType::I2 && dtype != DType::U2)
    with_width(bytes_of(dtype, 1), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) loop = binary_loop<Op, T, T>;
    });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(a->dtype()));
  return run_binary(call, *a, *b, a->dtype(), &op, loop, kCheapGrain, true);
}

// The divisor of an integer division has no zero. Nothing divides when either side is empty.
Result<> check_divisor(const Call& call, const Tensor& a, const Tensor& b) {
  if (!is_integer(b.dtype()) || a.size() == 0) return {};
  int64_t zero = -1;
  with_type(IntTypes{}, b.dtype(), [&]<class T>() {
    const T* all = b.data<T>();
    for (int64_t i = 0; i < b.size() && zero < 0; ++i)
      if (all[i] == 0) zero = i;
  });
  if (zero >= 0) return call.invalid("integer divisor; got 0 at element {}, need another number", zero);
  return {};
}

struct Div {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
      if (b == T(-1)) return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a));  // the smallest / -1 wraps
    return static_cast<T>(a / b);
  }
  void loop(const float* a, const float* b, float* y, int64_t count, bool a_moves, bool b_moves) const {
    float_loops().divide(a, b, y, count, a_moves, b_moves);
  }
};

// The remainder has the sign of the divisor. Opset 10 says floats need fmod = 1; those that lack it get the same rule.
struct FlooredMod {
  static constexpr int64_t kGrain = kDearGrain;
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      const T rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    } else if constexpr (std::is_signed_v<T>) {
      if (b == T(-1)) return 0;
      const T rest = static_cast<T>(a % b);
      return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
    } else {
      return static_cast<T>(a % b);
    }
  }
};

// The remainder has the sign of the dividend.
struct TruncatedMod {
  static constexpr int64_t kGrain = kDearGrain;
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return 0;
      return static_cast<T>(a % b);
    }
  }
};

template <class Op>
Result<> dividing(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  TRY(check_divisor(call, *a, *b));
  return binary<Op, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(call);
}

}  // namespace

Result<> add(Call& call) {
  return wrapping<Add>(call);
}
Result<> sub(Call& call) {
  return wrapping<Sub>(call);
}
Result<> mul(Call& call) {
  return wrapping<Mul>(call);
}
Result<> div(Call& call) {
  return dividing<Div>(call);
}
Result<> mod(Call& call) {
  const int64_t fmod = call.node().int_or("fmod", 0);
  if (fmod != 0 && fmod != 1) return call.invalid("fmod; got {}, need 0 or 1", fmod);
  return fmod == 1 ? dividing<TruncatedMod>(call) : dividing<FlooredMod>(call);
}

}  // namespace hearth::operators::elementwise
