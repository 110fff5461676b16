// Where blocks of known size and lifetime lie in one piece of memory, so that those that never live at the same time
// share bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hearth::runtime {

inline constexpr size_t kArenaAlignment = 64;

struct BlockLife {
  size_t bytes = 0;
  uint32_t begin = 0, end = 0;  // alive in [begin, end), in units of the caller's; both sides of a clash included
};

struct ArenaLayout {
  std::vector<size_t> offsets;  // by block, multiples of kArenaAlignment; a block takes that much at least
  size_t bytes = 0;             // of the whole
};

// The largest block first, each into the tightest gap between those placed that live at the same time. The time grows
// with the square of the blocks that do.
ArenaLayout lay_out(std::span<const BlockLife> blocks);

// What a block of so many bytes takes of an arena.
constexpr size_t arena_bytes(size_t bytes) {
  return bytes == 0 ? kArenaAlignment : (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

}  // namespace hearth::runtime
