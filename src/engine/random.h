// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011). No state: a number is a function of key and
// counter.
#pragma once

#include <array>
#include <cstdint>

namespace hearth::engine {

constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0], b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

constexpr std::array<uint32_t, 4> philox(uint64_t seed, uint64_t low, uint64_t high = 0) {
  return philox({static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), static_cast<uint32_t>(high),
                 static_cast<uint32_t>(high >> 32)},
                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
}

// In [0, 1), a multiple of 2^-24: exact in a float.
constexpr float uniform(uint64_t seed, uint64_t index) {
  return static_cast<float>(philox(seed, index)[0] >> 8) * 0x1p-24f;
}

// The seed of a draw that asked for a fresh one.
constexpr uint64_t fresh_seed(uint64_t engine_seed, uint64_t pass, uint64_t slot) {
  const auto words = philox(engine_seed, pass, slot + 1);
  return (uint64_t{words[1]} << 32) | words[0];
}

}  // namespace hearth::engine
