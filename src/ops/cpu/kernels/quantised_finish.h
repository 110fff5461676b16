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

template <bool kFull>
inline F byte_numbers(const uint8_t* p, ByteType type, int n) {
  if constexpr (kFull) return to_float(type == ByteType::I8 ? load_bytes<true>(p) : load_bytes<false>(p));
  return to_float(type == ByteType::I8 ? load_bytes<true>(p, n) : load_bytes<false>(p, n));
}

template <bool kFull>
inline void store_quanta(uint8_t* p, F quotient, const VectorQuantum& q, int n) {
  const I bytes = add_ints(nearest_ints(q.whole(quotient)), q.zero);
  if constexpr (kFull)
    store_bytes(p, bytes);
  else
    store_bytes(p, bytes, n);
}

// A QuantisedFinish with its numbers as vectors.
class TileFinish {
 public:
  explicit TileFinish(const QuantisedFinish& f)
      : f_(f),
        out_(f.out != nullptr ? *f.out : Quantum{}),
        between_(f.between != nullptr ? *f.between : Quantum{}),
        addend_(f.addend) {}

  // Brings what a tile will read and write into the cache, while its sums are made.
  void fetch(const SumTile& t) const {
    for (int64_t m = 0; m < t.rows; ++m) {
      const int64_t at = (t.row + m) * f_.y_stride + t.column;
      prefetch(static_cast<const char*>(f_.y) + at * (f_.out != nullptr ? 1 : 4));
      if (f_.added != nullptr) prefetch(static_cast<const char*>(f_.added) + (t.row + m) * f_.added_stride + t.column);
    }
  }

  void finish(const SumTile& t) const {
    if (t.columns == kSumColumns)
      finish_rows<kSumVectors, true>(t);
    else if (t.columns == kLanes)
      finish_rows<1, true>(t);
    else
      finish_rows<kSumVectors, false>(t);
  }

 private:
  template <int V, bool kFull>
  void finish_rows(const SumTile& t) const {
    constexpr int L = kLanes;
    const int vectors = kFull ? V : static_cast<int>((t.columns + L - 1) / L);
    I start[V], b_zero[V];
    F scale[V], bias[V];
    int n[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      n[v] = kFull ? L : static_cast<int>(larger(0, smaller(L, t.columns - v * L)));
      const int64_t column = t.column + (n[v] > 0 ? v * L : 0);
      start[v] = mul_ints(iset(-t.zero), load_ints(t.weight_sums + v * L));
      if (f_.sum_bias != nullptr) start[v] = add_ints(start[v], load_ints(f_.sum_bias + column, n[v]));
      scale[v] = mul(load(f_.scale + column, n[v]), fset(f_.factor));
      bias[v] = f_.bias != nullptr ? load(f_.bias + column, n[v]) : fzero();
      b_zero[v] = t.b_zero != nullptr ? load_ints(t.b_zero + v * L, n[v]) : izero();
    }
    const bool program = !f_.program.steps.empty(), direct = f_.out != nullptr && !program;
    alignas(64) float numbers[kSumRows * kSumColumns];
    auto* bytes = static_cast<uint8_t*>(f_.y) + t.row * f_.y_stride + t.column;
    float* to = f_.out != nullptr ? numbers : static_cast<float*>(f_.y) + t.row * f_.y_stride + t.column;
    const int64_t stride = f_.out != nullptr ? kSumColumns : f_.y_stride;
    const auto missing = static_cast<uint32_t>(t.count) * static_cast<uint32_t>(t.zero);
    for (int64_t m = 0; m < t.rows; ++m) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) {
        I s = add_ints(load_ints(t.sums + m * kSumColumns + v * L), start[v]);
        if (t.b_zero != nullptr) {
          const auto rest = static_cast<int32_t>(static_cast<uint32_t>(t.row_sums[m]) - missing);
          s = sub_ints(s, mul_ints(b_zero[v], iset(rest)));
        }
        F x = mul(to_float(s), scale[v]);
        if (f_.bias != nullptr) x = add(x, bias[v]);
        if (f_.between != nullptr) x = mul(nearest(between_.whole(mul(x, between_.inverse))), between_.scale);
        if (f_.added != nullptr) {
          const auto* from = static_cast<const uint8_t*>(f_.added) + (t.row + m) * f_.added_stride + t.column + v * L;
          const F q = byte_numbers<kFull>(from, f_.addend.type, n[v]);
          x = add(x, mul(sub(q, to_float(addend_.zero)), addend_.scale));
        }
        if (direct)
          store_quanta<kFull>(bytes + m * f_.y_stride + v * L, mul(x, out_.inverse), out_, n[v]);
        else if constexpr (kFull)
          store(to + m * stride + v * L, x);
        else
          store_some(to + m * stride + v * L, x, n[v]);
      }
    }
    if (!program) return;
    apply_program(f_.program, to, stride, t.row, t.rows, t.column, t.columns);
    if (f_.out == nullptr) return;
    for (int64_t m = 0; m < t.rows; ++m)
      for (int v = 0; v < vectors; ++v) {
        const F x = load(numbers + m * kSumColumns + v * L, n[v]);
        store_quanta<kFull>(bytes + m * f_.y_stride + v * L, mul(x, out_.inverse), out_, n[v]);
      }
  }

  const QuantisedFinish& f_;
  VectorQuantum out_, between_, addend_;
};

}  // namespace
}  // namespace hearth::ops::cpu
