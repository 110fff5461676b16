// Copies boxes of elements between two arrangements in memory: the whole of transposing, slicing, expanding, tiling,
// joining and padding.
#pragma once

#include <array>

#include "operators/kernel.h"

namespace hearth::operators {

using Strides = std::array<int64_t, HEARTH_MAX_RANK>;
// In elements, row-major. Meaningless (but not undefined) for a tensor without elements.
Strides dense_strides(const Dims& dims);

// The axes of a box, outermost first. Strides are in elements; negative ones walk backwards, a `from` stride of 0
// repeats.
struct StridedCopy {
  static constexpr int kMaxRank = 2 * HEARTH_MAX_RANK;
  struct Axis {
    int64_t size, to, from;
  };
  int rank = 0;
  Axis axes[kMaxRank] = {};

  void add(int64_t size, int64_t to, int64_t from) {
    CHECK(rank < kMaxRank);
    axes[rank++] = {size, to, from};
  }
};

// `to` and `from` point at the box's first element. No element of the box lies twice in `to`.
void copy_strided(Call& call, DType dtype, const StridedCopy& box, void* to, const void* from);

}  // namespace hearth::operators
