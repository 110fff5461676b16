// Which part of a pool's window lies in the image.
#pragma once

#include "ops/cpu/kernels/common.h"

namespace hearth::ops::cpu {
namespace {

// The rows or columns of a window that lie in the image: taps [first, end), and how many more the average counts.
struct PoolSpan {
  int64_t start, first, end, counted;
};

// Not tap by tap: a window may have millions of taps that all miss the image.
inline int64_t taps_before(int64_t edge, int64_t start, int64_t kernel, int64_t dilation) {
  if (edge <= start) return 0;
  return smaller(kernel, (edge - start + dilation - 1) / dilation);
}
inline PoolSpan pool_span(int64_t out, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation, int64_t size,
                          int64_t pad_end) {
  const int64_t start = out * stride - pad;
  const int64_t first = taps_before(0, start, kernel, dilation);
  return {start, first, larger(first, taps_before(size, start, kernel, dilation)),
          taps_before(size + pad_end, start, kernel, dilation)};
}

}  // namespace
}  // namespace hearth::ops::cpu
