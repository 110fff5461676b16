// Queries, keys and values seen head by head, whichever way the heads lie.
#pragma once

#include <cmath>

#include "operators/matrix/multiply.h"

namespace hearth::operators {

// [batch][heads][length][size], rows contiguous, everything else at a stride.
template <class C>
struct Heads {
  const C* data = nullptr;
  int64_t batch = 0, heads = 0, length = 0, size = 0;
  int64_t batch_stride = 0, head_stride = 0, row_stride = 0;

  const C* row(int64_t b, int64_t h, int64_t at) const {
    return data + b * batch_stride + h * head_stride + at * row_stride;
  }
  // Rows from `at` on as a left factor; transposed(), all rows as a right one.
  Factor<C> rows(int64_t b, int64_t h, int64_t at = 0) const { return {row(b, h, at), row_stride, 1}; }
};

// `dims` is [batch, heads, length, size].
template <class C>
Heads<C> heads_first(const C* data, const Dims& dims) {
  return {data, dims[0], dims[1], dims[2], dims[3], dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3]};
}
// `dims` is [batch, length, heads * size].
template <class C>
Heads<C> heads_last(const C* data, const Dims& dims, int64_t heads) {
  const int64_t size = dims[2] / heads;
  return {data, dims[0], heads, dims[1], size, dims[1] * dims[2], size, dims[2]};
}

// values[i] = exp(values[i] - max) / sum of them, exponentials and sum in S. A row of -inf gives NaN, as the definition
// does.
template <class S, class C>
void softmax_row(C* values, int64_t count) {
  C largest = values[0];
  for (int64_t i = 1; i < count; ++i) largest = values[i] > largest || values[i] != values[i] ? values[i] : largest;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const S e = std::exp(static_cast<S>(values[i]) - static_cast<S>(largest));
    values[i] = static_cast<C>(e);
    sum += static_cast<double>(e);
  }
  const S factor = static_cast<S>(1 / sum);
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<C>(static_cast<S>(values[i]) * factor);
}

}  // namespace hearth::operators
