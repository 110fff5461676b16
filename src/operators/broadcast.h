// Multi-directional broadcasting of dense row-major tensors, as ONNX defines it: sizes are aligned at the end, a 1 (or
// a missing dimension) repeats. Neighbouring dimensions that every operand walks alike are merged, so that the
// innermost loop is as long as it can be and moves each operand by 0 or 1 elements.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "base/result.h"
#include "operators/kernel.h"

namespace hearth::operators {

// The sizes all of them broadcast to. Invalid when two do not fit.
Result<Dims> broadcast_dims(const Call& call, std::span<const Dims* const> operands);
inline Result<Dims> broadcast_dims(const Call& call, std::initializer_list<const Dims*> operands) {
  return broadcast_dims(call, std::span(operands.begin(), operands.size()));
}

// `from` repeats to exactly `to` (unidirectional broadcasting).
bool broadcasts_to(const Dims& from, const Dims& to);

namespace detail {
// Merges dimensions of `dims` (output sizes) with the strides of `count` operands. Returns the merged rank, at least 1;
// sizes and strides[k] receive merged values, innermost last. Every operand must broadcast to dims.
int merge_dimensions(const Dims& dims, std::span<const Dims* const> operands, int64_t* sizes,
                     int64_t (*strides)[HEARTH_MAX_RANK]);
}  // namespace detail

// How kOperands inputs are walked to fill an output of `dims` in order.
template <int kOperands>
class Broadcast {
 public:
  using Offsets = std::array<int64_t, kOperands>;  // of elements

  // Each operand must broadcast to dims: broadcast_dims() made it, or broadcasts_to() was asked.
  Broadcast(const Dims& dims, const std::array<const Dims*, kOperands>& operands) {
    size_ = 1;
    for (const int64_t size : dims) size_ *= size;
    if (size_ == 0) return;
    rank_ = detail::merge_dimensions(dims, operands, sizes_, strides_);
  }

  // Elements of the output.
  int64_t size() const { return size_; }
  // Length of the innermost loop.
  int64_t run() const { return sizes_[rank_ - 1]; }
  // Whether operand k moves along the innermost loop; else its one element serves the whole run.
  bool moves(int k) const { return strides_[k][rank_ - 1] != 0; }
  // Every operand is as large as the output, or a single element.
  bool flat() const { return rank_ == 1; }

  // f(at, count, offsets) for each piece of a run inside output elements [begin, end): `at` is the output element it
  // starts at, offsets[k] operand k's. Operand k's following elements are at offsets[k] + i when moves(k).
  template <class Function>
  void visit(int64_t begin, int64_t end, Function&& f) const {
    if (begin >= end) return;
    int64_t index[HEARTH_MAX_RANK] = {};
    Offsets offsets{};
    int64_t rest = begin;
    for (int d = rank_ - 1; d >= 0; --d) {
      index[d] = rest % sizes_[d];
      rest /= sizes_[d];
      for (int k = 0; k < kOperands; ++k) offsets[k] += index[d] * strides_[k][d];
    }
    const int last = rank_ - 1;
    for (int64_t at = begin; at < end;) {
      const int64_t count = std::min(sizes_[last] - index[last], end - at);
      f(at, count, offsets);
      at += count;
      // The run is over (or everything is): back to its start, then the next run.
      for (int k = 0; k < kOperands; ++k) offsets[k] -= index[last] * strides_[k][last];
      index[last] = 0;
      for (int d = last - 1; d >= 0; --d) {
        for (int k = 0; k < kOperands; ++k) offsets[k] += strides_[k][d];
        if (++index[d] < sizes_[d]) break;
        for (int k = 0; k < kOperands; ++k) offsets[k] -= sizes_[d] * strides_[k][d];
        index[d] = 0;
      }
    }
  }

 private:
  int64_t size_ = 0;
  int rank_ = 1;
  int64_t sizes_[HEARTH_MAX_RANK] = {};
  int64_t strides_[kOperands][HEARTH_MAX_RANK] = {};
};

}  // namespace hearth::operators
