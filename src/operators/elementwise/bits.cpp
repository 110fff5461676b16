// BitShift and Bitwise*: signed integers have the bits of unsigned ones, so each loop exists once a width.
#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

struct And {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <class T>
  T operator()(T x) const {
    return static_cast<T>(~x);
  }
};
// Shifting by the width or more leaves nothing.
struct ShiftLeft {
  template <class T>
  T operator()(T a, T b) const {
    return b < T(sizeof(T) * 8) ? static_cast<T>(static_cast<uint64_t>(a) << b) : T(0);
  }
};
struct ShiftRight {
  template <class T>
  T operator()(T a, T b) const {
    return b < T(sizeof(T) * 8) ? static_cast<T>(a >> b) : T(0);
  }
};

template <class Op>
Result<> of_width(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  const Op op;
  BinaryLoop loop = nullptr;
  if (is_integer(a->dtype()))
    with_width(bytes_of(a->dtype(), 1), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) loop = binary_loop<Op, T, T>;
    });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(a->dtype()));
  return run_binary(call, *a, *b, a->dtype(), &op, loop, kCheapGrain);
}

}  // namespace

Result<> bit_shift(Call& call) {
  const std::string_view direction = call.node().string_or("direction", "");
  if (direction != "LEFT" && direction != "RIGHT")
    return call.invalid("direction; got '{}', need 'LEFT' or 'RIGHT'", direction);
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  if (!is_unsigned(a->dtype())) return call.unsupported("element type; got {}", to_string(a->dtype()));
  return direction == "LEFT" ? of_width<ShiftLeft>(call) : of_width<ShiftRight>(call);
}
Result<> bitwise_and(Call& call) {
  return of_width<And>(call);
}
Result<> bitwise_or(Call& call) {
  return of_width<Or>(call);
}
Result<> bitwise_xor(Call& call) {
  return of_width<Xor>(call);
}
Result<> bitwise_not(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const Not op;
  UnaryLoop loop = nullptr;
  if (is_integer(x->dtype()))
    with_width(bytes_of(x->dtype(), 1), [&]<class T>() {
      if constexpr (std::is_integral_v<T>) loop = unary_loop<Not, T, T>;
    });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(x->dtype()));
  return run_unary(call, *x, x->dtype(), &op, loop, kCheapGrain);
}

}  // namespace hearth::operators::elementwise
