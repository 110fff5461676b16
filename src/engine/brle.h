// Binary run-length encoding (pie:core `brle`): run lengths of alternating bits, the first run counts zeros.
// An empty list means all zero.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace hearth::engine {

struct Brle {
  std::vector<uint32_t> runs;

  static Brle ones(uint32_t count) { return {{0, count}}; }
  static Brle encode(std::span<const uint32_t> words, uint32_t bit_count);  // 32 bits a word, lowest first
  // Bits 0 .. bit_count into words; runs past the end are cut, missing ones are zeros.
  std::vector<uint32_t> decode(uint32_t bit_count) const;
  uint64_t length() const;                      // sum of all runs
  bool starts_with_ones(uint64_t count) const;  // the first `count` bits are all set
};

}  // namespace hearth::engine
