#include "engine/brle.h"

#include <algorithm>

namespace hearth::engine {

Brle Brle::encode(std::span<const uint32_t> words, uint32_t bit_count) {
  Brle result;
  uint32_t run = 0;
  bool current = false;
  for (uint32_t i = 0; i < bit_count; ++i) {
    const bool bit = i / 32 < words.size() && ((words[i / 32] >> (i % 32)) & 1u) != 0;
    if (bit != current) {
      result.runs.push_back(run);
      run = 0;
      current = bit;
    }
    ++run;
  }
  if (run > 0 && current) result.runs.push_back(run);  // trailing zeros need no run
  return result;
}

std::vector<uint32_t> Brle::decode(uint32_t bit_count) const {
  std::vector<uint32_t> words((uint64_t{bit_count} + 31) / 32, 0);
  uint64_t at = 0;
  bool current = false;
  for (const uint32_t run : runs) {
    const uint64_t end = std::min<uint64_t>(at + run, bit_count);
    if (current) {
      for (uint64_t i = at; i < end;) {
        if (i % 32 == 0 && end - i >= 32) {
          words[i / 32] = ~uint32_t{0};
          i += 32;
        } else {
          words[i / 32] |= uint32_t{1} << (i % 32);
          ++i;
        }
      }
    }
    if (end == bit_count) break;
    at = end;
    current = !current;
  }
  return words;
}

uint64_t Brle::length() const {
  uint64_t sum = 0;
  for (const uint32_t run : runs) sum += run;
  return sum;
}

bool Brle::starts_with_ones(uint64_t count) const {
  uint64_t ones = 0;
  for (size_t i = 0; i < runs.size() && ones < count; ++i) {
    if (i % 2 == 0 && runs[i] != 0) return false;
    if (i % 2 == 1) ones += runs[i];
  }
  return ones >= count;
}

}  // namespace hearth::engine
