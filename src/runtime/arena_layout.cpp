#include "runtime/arena_layout.h"

#include <algorithm>
#include <numeric>

namespace hearth::runtime {

ArenaLayout lay_out(std::span<const BlockLife> blocks) {
  ArenaLayout layout;
  layout.offsets.resize(blocks.size());
  std::vector<uint32_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](uint32_t i) { return blocks[i].bytes; });

  std::vector<uint32_t> placed;  // by offset
  for (const uint32_t i : order) {
    const size_t need = arena_bytes(blocks[i].bytes);
    size_t end = 0, best = 0, best_gap = ~size_t{0};  // end: of what was walked over
    for (const uint32_t other : placed) {
      if (blocks[other].begin >= blocks[i].end || blocks[i].begin >= blocks[other].end) continue;
      const size_t at = layout.offsets[other];
      if (at > end && at - end >= need && at - end < best_gap) {
        best = end;
        best_gap = at - end;
      }
      end = std::max(end, at + arena_bytes(blocks[other].bytes));
    }
    layout.offsets[i] = best_gap != ~size_t{0} ? best : end;
    layout.bytes = std::max(layout.bytes, layout.offsets[i] + need);
    placed.insert(
        std::ranges::upper_bound(placed, layout.offsets[i], {}, [&](uint32_t j) { return layout.offsets[j]; }), i);
  }
  return layout;
}

}  // namespace hearth::runtime
