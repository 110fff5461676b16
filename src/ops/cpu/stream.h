// What a CPU kernel gets as `stream`: the threads and the scratch memory of its device. Read by kernels that are
// compiled for one instruction set, so plain data and functions that live in common objects: nothing inline.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hearth::ops::cpu {

class ThreadPool;
struct RowScan;  // ops/cpu/select.h

// Scratch areas that may be in use at the same time within one op.
enum ScratchSlot : int {
  kScratchActivations,
  kScratchSums,
  kScratchAttention,
  kScratchRope,
  kScratchRows,
  kScratchWeights,
  kScratchDense,
  kScratchSlots
};

struct CpuStream {
  CpuStream() = default;
  ~CpuStream();
  CpuStream(const CpuStream&) = delete;
  CpuStream& operator=(const CpuStream&) = delete;

  ThreadPool* pool = nullptr;
  const RowScan* scan = nullptr;
  struct Area {
    void* data = nullptr;
    size_t bytes = 0;
  } areas[kScratchSlots];
  // The rotary table of the last call: cosines then sines of `rope_rows` rows of `rope_pairs`, and what it was made
  // from.
  int64_t rope_rows = 0, rope_pairs = 0;
  float rope_factor = 0;
};

int thread_count(const CpuStream& stream);

// Runs fn(context, part, parts) for every part, parts = thread_count, and returns when all are done.
void fork(CpuStream& stream, void (*fn)(void* context, int part, int parts), void* context);

// 64-byte aligned memory of at least `bytes`, kept for later calls (its contents are not); nullptr when there is none.
void* scratch(CpuStream& stream, ScratchSlot slot, size_t bytes);

// Cosines [m, r] then sines [m, r] of positions[i] * inv_freq[j], times factor. Kept while the arguments hold the same
// values: the layers of one step share it. nullptr when there is no memory.
const float* rope_table(CpuStream& stream, const int32_t* positions, int64_t m, const float* inv_freq, int64_t r,
                        float factor);

}  // namespace hearth::ops::cpu
