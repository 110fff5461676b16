// What a Slice cuts: its attributes (until opset 9) or inputs, axis by axis.
#pragma once

#include "graph/infer/context.h"

namespace hearth::graph::infer {

struct SliceCut {
  size_t axis = 0;
  std::optional<int64_t> start, end;  // nullopt: not known
  std::optional<int64_t> step;
  std::string end_symbol;  // the end is this size

  // The size cut is the smaller one of end_symbol's and the input's.
  bool is_clipped_symbol() const { return start == 0 && step == 1 && !end_symbol.empty(); }
};
// nullopt when it is not known which axes are cut.
Result<std::optional<std::vector<SliceCut>>> slice_cuts(const InferContext& context, size_t rank);

// First index and count of a cut through `size` elements. Starts and ends are clamped; the step is not 0.
struct SliceRange {
  int64_t first = 0, count = 0;
};
SliceRange slice_range(int64_t start, int64_t end, int64_t step, int64_t size);
Dimension cut_size(const SliceCut& cut, const Dimension& size);

}  // namespace hearth::graph::infer
