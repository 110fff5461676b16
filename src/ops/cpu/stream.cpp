#include "ops/cpu/stream.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "ops/cpu/thread_pool.h"

namespace hearth::ops::cpu {

CpuStream::~CpuStream() {
  for (Area& area : areas) std::free(area.data);
}

int thread_count(const CpuStream& stream) {
  return stream.pool->threads();
}

void fork(CpuStream& stream, void (*fn)(void* context, int part, int parts), void* context) {
  stream.pool->run(fn, context);
}

void* scratch(CpuStream& stream, ScratchSlot slot, size_t bytes) {
  CpuStream::Area& area = stream.areas[slot];
  if (area.bytes >= bytes && area.data != nullptr) return area.data;
  const size_t rounded = (bytes + bytes / 4 + 4095) / 4096 * 4096;
  std::free(area.data);
  area.data = std::aligned_alloc(64, rounded);
  area.bytes = area.data != nullptr ? rounded : 0;
  if (slot == kScratchRope) stream.rope_rows = 0;
  return area.data;
}

// The area holds cosines, sines, then the positions and frequencies they were made from.
const float* rope_table(CpuStream& stream, const int32_t* positions, int64_t m, const float* inv_freq, int64_t r,
                        float factor) {
  const size_t rows = static_cast<size_t>(m), pairs = static_cast<size_t>(r);
  auto* table = static_cast<float*>(scratch(stream, kScratchRope, (2 * rows * pairs + rows + pairs) * 4 + 64));
  if (table == nullptr) return nullptr;
  float* kept_positions = table + 2 * rows * pairs;
  float* kept_frequencies = kept_positions + rows;
  if (stream.rope_rows == m && stream.rope_pairs == r && stream.rope_factor == factor &&
      std::memcmp(kept_positions, positions, rows * 4) == 0 && std::memcmp(kept_frequencies, inv_freq, pairs * 4) == 0)
    return table;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < r; ++j) {
      const double angle = static_cast<double>(positions[i]) * static_cast<double>(inv_freq[j]);
      table[i * r + j] = static_cast<float>(std::cos(angle) * static_cast<double>(factor));
      table[(m + i) * r + j] = static_cast<float>(std::sin(angle) * static_cast<double>(factor));
    }
  std::memcpy(kept_positions, positions, rows * 4);
  std::memcpy(kept_frequencies, inv_freq, pairs * 4);
  stream.rope_rows = m;
  stream.rope_pairs = r;
  stream.rope_factor = factor;
  return table;
}

}  // namespace hearth::ops::cpu
