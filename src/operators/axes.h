// Axes as attributes and inputs give them: negative ones counted from the end, held against the rank.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "operators/kernel.h"

namespace hearth::operators {

// `axis` in [-rank, rank) as one in [0, rank). Invalid otherwise, naming `what`.
Result<int> normalise_axis(const Call& call, int64_t axis, int rank, std::string_view what = "axis");

// Several, each at most once. [d] tells whether axis d is among them.
struct AxisSet {
  uint32_t bits = 0;
  int count = 0;
  bool operator[](int axis) const { return (bits >> axis & 1) != 0; }
};
Result<AxisSet> normalise_axes(const Call& call, std::span<const int64_t> axes, int rank);

// Input i, a tensor of int32 or int64 of rank 0 or 1 (sizes, axes, splits), as int64. At most kMaxListInput numbers.
inline constexpr int64_t kMaxListInput = 1 << 20;
Result<std::vector<int64_t>> int_list(const Call& call, int i);
// Input i as one integer: exactly one element, int32 or int64.
Result<int64_t> one_int(const Call& call, int i);

// A tensor seen from one axis: element (o, a, i) is at (o * size + a) * inner + i.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
};
AxisView around_axis(const Dims& dims, int axis);

}  // namespace hearth::operators
