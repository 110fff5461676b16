#include "operators/elementwise/loops.h"

#include <algorithm>

#include "operators/axes.h"

namespace hearth::operators {

namespace {

// A run of `count` elements through buffers of f32 on the sides whose types are narrower.
void unary_piece(const void* op, UnaryLoop loop, DType from, const void* x, DType made, void* y, int64_t count) {
  const bool widen = computes_in_float(from), narrow = computes_in_float(made);
  if (!widen && !narrow) return loop(op, x, y, count);
  alignas(64) float in[kChunk], out[kChunk];
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t n = std::min(kChunk, count - begin);
    const void* source = element_at(from, x, begin);
    void* target = element_at(made, y, begin);
    if (widen) to_floats(from, source, in, n);
    loop(op, widen ? in : source, narrow ? out : target, n);
    if (narrow) from_floats(out, made, target, n);
  }
}

void binary_piece(const void* op, BinaryLoop loop, DType from, const void* a, const void* b, DType made, void* y,
                  int64_t count, bool a_moves, bool b_moves) {
  const bool widen = computes_in_float(from), narrow = computes_in_float(made);
  if (!widen && !narrow) return loop(op, a, b, y, count, a_moves, b_moves);
  alignas(64) float left[kChunk], right[kChunk], out[kChunk];
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t n = std::min(kChunk, count - begin);
    const void* source_a = element_at(from, a, a_moves ? begin : 0);
    const void* source_b = element_at(from, b, b_moves ? begin : 0);
    void* target = element_at(made, y, begin);
    if (widen) {
      to_floats(from, source_a, left, a_moves ? n : 1);
      to_floats(from, source_b, right, b_moves ? n : 1);
    }
    loop(op, widen ? left : source_a, widen ? right : source_b, narrow ? out : target, n, a_moves, b_moves);
    if (narrow) from_floats(out, made, target, n);
  }
}

}  // namespace

Result<> run_unary(Call& call, const Tensor& x, DType made, const void* op, UnaryLoop loop, int64_t grain) {
  // Every loop reads an element before it writes the one of the same place.
  const bool in_place = made == x.dtype() && call.has(0) && call.value(0).tensor() == &x;
  ASSIGN_OR_RETURN(Tensor * y, in_place ? call.output_reusing(0, 0, made, x.dims()) : call.output(0, made, x.dims()));
  const void* from = x.raw();
  void* to = y->mutable_raw();
  const auto piece = [&](int64_t begin, int64_t end) {
    unary_piece(op, loop, x.dtype(), element_at(x.dtype(), from, begin), made, element_at(made, to, begin),
                end - begin);
  };
  if (x.size() < 2 * grain)
    piece(0, x.size());
  else
    call.parallel(x.size(), grain, piece);
  return {};
}

Result<Tensor> aligned(const Call& call, const Tensor& a, const Tensor& b) {
  if (call.opset() >= 7) return b;
  if (call.node().int_or("broadcast", 0) == 0) {
    if (a.dims() == b.dims()) return b;
    return call.invalid("sizes of the inputs; got {} and {}, need the same (broadcast is 0)", to_string(a.dims()),
                        to_string(b.dims()));
  }
  if (!call.node().has("axis") || b.size() == 1) return b;
  ASSIGN_OR_RETURN(const int axis, normalise_axis(call, call.node().int_or("axis", 0), a.rank()));
  if (axis + b.rank() > a.rank())
    return call.invalid("axis; got {} for sizes {}, need room for {}", axis, to_string(a.dims()), to_string(b.dims()));
  Dims dims = b.dims();
  while (axis + dims.rank() < a.rank()) dims.push_back(1);
  return b.reshaped(dims);
}

Result<> run_binary(Call& call, const Tensor& a, const Tensor& given, DType made, const void* op, BinaryLoop loop,
                    int64_t grain, bool in_place) {
  if (call.opset() >= 7) return run_broadcast(call, a, given, made, op, loop, grain, in_place);
  ASSIGN_OR_RETURN(const Tensor b, aligned(call, a, given));
  return run_broadcast(call, a, b, made, op, loop, grain);
}

Result<> run_broadcast(Call& call, const Tensor& a, const Tensor& b, DType made, const void* op, BinaryLoop loop,
                       int64_t grain, bool in_place) {
  if (a.dtype() != b.dtype())
    return call.invalid("element types; got {} and {}, need one", to_string(a.dtype()), to_string(b.dtype()));
  ASSIGN_OR_RETURN(const Dims dims, broadcast_dims(call, {&a.dims(), &b.dims()}));
  // In the memory of an operand as large as the result, whose element of the same place is then read first.
  ASSIGN_OR_RETURN(Tensor * y, !in_place || made != a.dtype() ? call.output(0, made, dims)
                               : a.dims() == dims             ? call.output_reusing(0, 0, made, dims)
                               : b.dims() == dims             ? call.output_reusing(0, 1, made, dims)
                                                              : call.output(0, made, dims));
  const Broadcast<2> walk(dims, {&a.dims(), &b.dims()});
  const DType from = a.dtype();
  void* to = y->mutable_raw();
  const auto piece = [&](int64_t begin, int64_t end) {
    const bool a_moves = walk.moves(0), b_moves = walk.moves(1);
    walk.visit(begin, end, [&](int64_t at, int64_t count, const auto& offsets) {
      binary_piece(op, loop, from, element_at(from, a.raw(), offsets[0]), element_at(from, b.raw(), offsets[1]), made,
                   element_at(made, to, at), count, a_moves, b_moves);
    });
  };
  if (walk.size() < 2 * grain)
    piece(0, walk.size());
  else
    call.parallel(walk.size(), grain, piece);
  return {};
}

}  // namespace hearth::operators
