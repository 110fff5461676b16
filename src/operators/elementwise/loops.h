// What the elementwise kernels share: walking, splitting over threads and converting are here, compiled once; a kernel
// brings a loop over contiguous elements of one type.
#pragma once

#include "operators/broadcast.h"
#include "operators/convert.h"
#include "operators/elementwise/float_loops.h"
#include "operators/kernel.h"

namespace hearth::operators {

// `op` is the kernel's own object (attributes it read), handed through.
using UnaryLoop = void (*)(const void* op, const void* x, void* y, int64_t count);
// An operand that does not move is one element for the whole run.
using BinaryLoop = void (*)(const void* op, const void* a, const void* b, void* y, int64_t count, bool a_moves,
                            bool b_moves);

// Elements a thread should have at least: about 20 us of work.
inline constexpr int64_t kCheapGrain = 64 << 10;  // additions and such
inline constexpr int64_t kDearGrain = 8 << 10;    // a function of the mathematical library an element

// Output 0 of x's sizes and of type `made`. The loop's x is of x's type, or f32 when x is narrower (computes_in_float);
// its y likewise of `made`.
Result<> run_unary(Call& call, const Tensor& x, DType made, const void* op, UnaryLoop loop, int64_t grain);

// Input 1 as broadcasting from the last dimension needs it: before opset 7 the attributes `broadcast` and `axis` say
// where in a's sizes those of b stand. From opset 7 on, b itself.
Result<Tensor> aligned(const Call& call, const Tensor& a, const Tensor& b);

// Output 0 of the broadcast sizes of a and b, of type `made`; types as above. a and b have one type (Invalid
// otherwise).
Result<> run_binary(Call& call, const Tensor& a, const Tensor& b, DType made, const void* op, BinaryLoop loop,
                    int64_t grain, bool in_place = false);
// The same without a look at the opset: b is aligned. `in_place`: the loop is right when y is a or b, and these are
// inputs 0 and 1 of the call.
Result<> run_broadcast(Call& call, const Tensor& a, const Tensor& b, DType made, const void* op, BinaryLoop loop,
                       int64_t grain, bool in_place = false);

// The type a loop sees for elements of `dtype`.
inline DType loop_type(DType dtype) {
  return computes_in_float(dtype) ? DType::F32 : dtype;
}

// Kernels from function objects. Op is constructed from the node and called with an element; what it returns is the
// output's element. An Op with a member `loop(const float*, float*, int64_t)` brings its own loop for f32.
template <class Op, class T, class R>
void unary_loop(const void* held, const void* from, void* to, int64_t count) {
  const Op op = *static_cast<const Op*>(held);
  const T* x = static_cast<const T*>(from);
  R* y = static_cast<R*>(to);
  if constexpr (std::is_same_v<T, float> && requires { op.loop(x, y, count); }) {
    op.loop(x, y, count);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<R>(op(x[i]));
  }
}

template <class Op, class T, class R>
void binary_loop(const void* held, const void* left, const void* right, void* to, int64_t count, bool a_moves,
                 bool b_moves) {
  const Op op = *static_cast<const Op*>(held);
  const T* a = static_cast<const T*>(left);
  const T* b = static_cast<const T*>(right);
  R* y = static_cast<R*>(to);
  if constexpr (std::is_same_v<T, float> && requires { op.loop(a, b, y, count, a_moves, b_moves); }) {
    op.loop(a, b, y, count, a_moves, b_moves);
  } else if (a_moves && b_moves) {
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<R>(op(a[i], b[i]));
  } else if (a_moves) {
    const T one = *b;
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<R>(op(a[i], one));
  } else if (b_moves) {
    const T one = *a;
    for (int64_t i = 0; i < count; ++i) y[i] = static_cast<R>(op(one, b[i]));
  } else {
    const R one = static_cast<R>(op(*a, *b));
    for (int64_t i = 0; i < count; ++i) y[i] = one;
  }
}

template <class Op>
Op make_op(const Call& call) {
  if constexpr (requires { Op(call.node()); })
    return Op(call.node());
  else
    return Op();
}

template <class Op>
constexpr int64_t grain_of() {
  if constexpr (requires { Op::kGrain; })
    return Op::kGrain;
  else
    return kCheapGrain;
}

// y of x's type; Types are those the loop is compiled for (f32 serves the narrower floats).
template <class Op, class... Types>
Result<> unary(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* x, call.tensor(0));
  const Op op = make_op<Op>(call);
  UnaryLoop loop = nullptr;
  with_type(TypeList<Types...>{}, loop_type(x->dtype()), [&]<class T>() { loop = unary_loop<Op, T, T>; });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(x->dtype()));
  return run_unary(call, *x, x->dtype(), &op, loop, grain_of<Op>());
}

template <class Op, class... Types>
Result<> binary(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* a, call.tensor(0));
  ASSIGN_OR_RETURN(const Tensor* b, call.tensor(1));
  const Op op = make_op<Op>(call);
  BinaryLoop loop = nullptr;
  with_type(TypeList<Types...>{}, loop_type(a->dtype()), [&]<class T>() { loop = binary_loop<Op, T, T>; });
  if (loop == nullptr) return call.unsupported("element type; got {}", to_string(a->dtype()));
  return run_binary(call, *a, *b, a->dtype(), &op, loop, grain_of<Op>());
}

}  // namespace hearth::operators
