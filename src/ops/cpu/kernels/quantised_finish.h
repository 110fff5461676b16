// From sums of products of bytes to the numbers or bytes that they stand for: a tile of the result at a time, while it
// is in the first-level cache.
#pragma once

#include "ops/cpu/kernels/dense_pointwise.h"
#include "ops/cpu/quantised.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kSumVectors = kWideVectors, kSumColumns = kSumVectors * kLanes;  // of a tile
constexpr int kSumRows = kDenseRows;

// Sums of rows x columns from [row, column] of the result on, kSumColumns apart, and what they lack: the sum of
// (a - zero) * (b - b_zero) over count products is  sums - zero * weight_sums - b_zero * (row_sums - count * zero).
struct SumTile {
  const int32_t* sums;
  int64_t row, rows, column, columns;
  const int32_t* weight_sums;  // from the first column on, whole vectors
  int32_t zero;
  const int32_t* row_sums;  // from the first row on; only with b_zero
  const int32_t* b_zero;    // from the first column on, or nullptr
  int64_t count;
};

struct VectorQuantum {
  explicit VectorQuantum(const Quantum& q)
      : inverse(fset(1.0f / q.scale)),
        scale(fset(q.scale)),
        low(fset(static_cast<float>(q.low - q.zero))),
        high(fset(static_cast<float>(q.high - q.zero))),
        zero(iset(q.zero)) {}
  F whole(F v) const { return min(max(v, low), high); }  // NaN: low
  F inverse, scale, low, high;
  I zero;
};

inline F byte_numbers(const uint8_t* p, ByteType type, int n) {
  if (n == kLanes) return to_float(type == ByteType::I8 ? load_bytes<true>(p) : load_bytes<false>(p));
  return to_float(type == ByteType::I8 ? load_bytes<true>(p, n) : load_bytes<false>(p, n));
}

inline void store_quanta(uint8_t* p, F quotient, const VectorQuantum& q, int n) {
  const I bytes = add_ints(nearest_ints(q.whole(quotient)), q.zero);
  if (n == kLanes)
    store_bytes(p, bytes);
  else
    store_bytes(p, bytes, n);
}

// One vector of columns of all rows; `emit(row, v)` takes the numbers.
template <class Emit>
inline void finish_vector(const QuantisedFinish& f, const SumTile& t, int64_t at, int n, const Emit& emit) {
  const int64_t column = t.column + at;
  I start = mul_ints(iset(-t.zero), load_ints(t.weight_sums + at));
  if (f.sum_bias != nullptr) start = add_ints(start, load_ints(f.sum_bias + column, n));
  const F scale = mul(load(f.scale + column, n), fset(f.factor));
  const F bias = f.bias != nullptr ? load(f.bias + column, n) : fzero();
  const I b_zero = t.b_zero != nullptr ? load_ints(t.b_zero + at, n) : izero();
  const VectorQuantum between(f.between != nullptr ? *f.between : Quantum{});
  const F addend_scale = fset(f.addend.scale), addend_zero = fset(static_cast<float>(f.addend.zero));
  const auto missing = static_cast<uint32_t>(t.count) * static_cast<uint32_t>(t.zero);
  for (int64_t m = 0; m < t.rows; ++m) {
    I s = add_ints(load_ints(t.sums + m * kSumColumns + at), start);
    if (t.b_zero != nullptr) {
      const auto rest = static_cast<int32_t>(static_cast<uint32_t>(t.row_sums[m]) - missing);
      s = sub_ints(s, mul_ints(b_zero, iset(rest)));
    }
    F v = mul(to_float(s), scale);
    if (f.bias != nullptr) v = add(v, bias);
    if (f.between != nullptr) v = mul(nearest(between.whole(mul(v, between.inverse))), between.scale);
    if (f.added != nullptr) {
      const auto* from = static_cast<const uint8_t*>(f.added) + (t.row + m) * f.added_stride + column;
      v = add(v, mul(sub(byte_numbers(from, f.addend.type, n), addend_zero), addend_scale));
    }
    emit(m, v);
  }
}

inline void finish_tile(const QuantisedFinish& f, const SumTile& t) {
  alignas(64) float numbers[kSumRows * kSumColumns];
  const bool program = !f.program.steps.empty();
  const VectorQuantum out(f.out != nullptr ? *f.out : Quantum{});
  auto* bytes = static_cast<uint8_t*>(f.y) + t.row * f.y_stride + t.column;
  float* to = f.out != nullptr ? numbers : static_cast<float*>(f.y) + t.row * f.y_stride + t.column;
  const int64_t stride = f.out != nullptr ? kSumColumns : f.y_stride;
  for (int64_t at = 0; at < t.columns; at += kLanes) {
    const auto n = static_cast<int>(smaller(kLanes, t.columns - at));
    if (f.out != nullptr && !program)
      finish_vector(f, t, at, n,
                    [&](int64_t m, F v) { store_quanta(bytes + m * f.y_stride + at, mul(v, out.inverse), out, n); });
    else
      finish_vector(f, t, at, n, [&](int64_t m, F v) { store_some(to + m * stride + at, v, n); });
  }
  if (!program) return;
  apply_program(f.program, to, stride, t.row, t.rows, t.column, t.columns);
  if (f.out == nullptr) return;
  for (int64_t m = 0; m < t.rows; ++m)
    for (int64_t at = 0; at < t.columns; at += kLanes) {
      const auto n = static_cast<int>(smaller(kLanes, t.columns - at));
      store_quanta(bytes + m * f.y_stride + at, mul(load(numbers + m * kSumColumns + at, n), out.inverse), out, n);
    }
}

}  // namespace
}  // namespace hearth::ops::cpu
