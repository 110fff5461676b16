// What a compiled graph needs of memory, from the types alone: which values live at the same time, and how large an
// arena holds them. The bytes themselves are handed out while it runs, by the same rule (a value dies after the last
// step that reads it) and the same layout (arena_layout.h), but from what the first run over the shapes really asked
// for (shape_plan.h).
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/program.h"

namespace hearth::runtime {

struct MemoryPlan {
  size_t constants = 0;      // bytes of weights and other constants, mapped or not, and what kernels made of them
  size_t inputs = 0;         // bytes of the graph's inputs
  size_t made = 0;           // bytes of everything that steps make: what a run without reuse would take
  size_t peak = 0;           // most bytes of made values alive at one time
  int32_t peak_step = -1;    // index of the step during which that is; -1: nothing is made
  size_t arena = 0;          // bytes of an arena that holds all that dies in the run
  int64_t unknown = 0;       // values that steps make whose size no type tells; they count as nothing
  std::vector<size_t> live;  // for each step: bytes of made values alive while it runs
};

// `open_size` stands for every dimension that has a symbol and no size. Subgraphs and kernels' scratch are not counted.
MemoryPlan plan_memory(const GraphProgram& program, int64_t open_size);

}  // namespace hearth::runtime
