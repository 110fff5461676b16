// Memory for kernels that shows what they do beside their contract, and random numbers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include "ops/cpu/isa.h"

namespace hearth::ops::cpu {

// 64-byte aligned. Holds NaN at first, so that a kernel that reads what it has not written is seen in its results, and
// a guard behind it.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes), memory_(new(std::align_val_t{64}) uint8_t[bytes + kGuard]) {
    std::memset(memory_.get(), 0xff, bytes_ + kGuard);
  }
  ~Scratch() {
    for (size_t i = 0; i < kGuard; ++i)
      if (memory_[bytes_ + i] != 0xff) {
        ADD_FAILURE() << "byte " << i << " behind an area of " << bytes_ << " was written";
        break;
      }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  void* data() { return memory_.get(); }

 private:
  static constexpr size_t kGuard = 256;
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  size_t bytes_;
  std::unique_ptr<uint8_t[], Free> memory_;
};

inline std::vector<float> normal_floats(int64_t count, uint32_t seed, float spread = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = normal(random);
  return values;
}

}  // namespace hearth::ops::cpu
