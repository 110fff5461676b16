// Comparisons, And Or Xor Not, IsInf, IsNaN: what makes bools.
#include <cmath>

#include "operators/elementwise/kernels.h"
#include "operators/elementwise/loops.h"

namespace hearth::operators::elementwise {

namespace {

#define HEARTH_COMPARISON(Op, sign)                 \
  struct Op {                                       \
    template <class T>                              \
    bool operator()(const T& a, const T& b) const { \
      return a sign b;                              \
    }                                               \
  };
HEARTH_COMPARISON(Equal, ==)
HEARTH_COMPARISON(Greater, >)
HEARTH_COMPARISON(GreaterOrEqual, >=)
HEARTH_COMPARISON(Less, <)
HEARTH_COMPARISON(LessOrEqual, <=)
// Bools are read as bytes: any number but 0 is true.
#define HEARTH_LOGIC(Op, sign)                    \
  struct Op {                                     \
    bool operator()(uint8_t a, uint8_t b) const { \
      return (a != 0) sign(b != 0);               \
    }                                             \
  };
HEARTH_LOGIC(And, &)
HEARTH_LOGIC(Or, |)
HEARTH_LOGIC(Xor, !=)
HEARTH_LOGIC(SameTruth, ==)

struct Not {
  bool operator()(uint8_t x) const { return x == 0; }
};

struct IsNaN {
  template <class T>
  bool operator()(T x) const {
    return x != x;
  }
};
struct IsInf {
  bool negative, positive;
  explicit IsInf(const graph::Node& node)
      : negative(node.int_or("detect_negative", 1) != 0), positive(node.int_or("detect_positive", 1) != 0) {}
  template <class T>
  bool operator()(T x) const {
    constexpr T kInfinity = std::numeric_limits<T>::infinity();
    return (positive && x == kInfinity) || (negative && x == -kInfinity);
  }
};

template <class Op, class... Types>
Result<> compare(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  const Op op;
  BinaryLoop loop = nullptr;
  with_type(TypeList<Types...>{}, loop_type(a->dtype()), [&]<class T>() { loop = binary_loop<Op, T, bool>; });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(a->dtype()));
  return run_binary(call, *a, *b, DType::Bool, &op, loop, kCheapGrain);
}

template <class Op>
Result<> order(Call& call) {
  return compare<Op, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>(call);
}

template <class Op>
Result<> bools(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  if (a->dtype() != DType::Bool) return call.unsupported("element type; got {}, need bool", to_string(a->dtype()));
  const Op op;
  return run_binary(call, *a, *b, DType::Bool, &op, binary_loop<Op, uint8_t, bool>, kCheapGrain);
}

template <class Op>
Result<> classify(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const Op op = make_op<Op>(call);
  UnaryLoop loop = nullptr;
  with_type(TypeList<float, double>{}, loop_type(x->dtype()), [&]<class T>() { loop = unary_loop<Op, T, bool>; });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(x->dtype()));
  return run_unary(call, *x, DType::Bool, &op, loop, kCheapGrain);
}

}  // namespace

Result<> equal(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  if (a->dtype() == DType::Bool) return bools<SameTruth>(call);
  return compare<Equal, float, double, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
                 std::string>(call);
}
Result<> greater(Call& call) {
  return order<Greater>(call);
}
Result<> greater_or_equal(Call& call) {
  return order<GreaterOrEqual>(call);
}
Result<> less(Call& call) {
  return order<Less>(call);
}
Result<> less_or_equal(Call& call) {
  return order<LessOrEqual>(call);
}
Result<> logical_and(Call& call) {
  return bools<And>(call);
}
Result<> logical_or(Call& call) {
  return bools<Or>(call);
}
Result<> logical_xor(Call& call) {
  return bools<Xor>(call);
}
Result<> logical_not(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  if (x->dtype() != DType::Bool) return call.unsupported("element type; got {}, need bool", to_string(x->dtype()));
  const Not op;
  return run_unary(call, *x, DType::Bool, &op, unary_loop<Not, uint8_t, bool>, kCheapGrain);
}
Result<> is_inf(Call& call) {
  return classify<IsInf>(call);
}
Result<> is_nan(Call& call) {
  return classify<IsNaN>(call);
}

}  // namespace hearth::operators::elementwise
