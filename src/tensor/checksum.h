// A fast 64-bit checksum for finding damage and telling files apart. Not for security.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace hearth {

// Folds 16 bytes at a time through a 64 x 64 -> 128 bit product. The result depends on all bytes, their number and the
// seed.
inline uint64_t checksum(std::span<const std::byte> bytes, uint64_t seed = 0) {
  __extension__ using Wide = unsigned __int128;
  const auto fold = [](uint64_t a, uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  constexpr uint64_t kA = 0x9E3779B97F4A7C15u, kB = 0xD6E8FEB86659FD93u, kC = 0xA0761D6478BD642Fu;
  uint64_t state = fold(seed ^ kA, bytes.size() ^ kB);
  size_t i = 0;
  uint64_t pair[2];
  for (; i + 16 <= bytes.size(); i += 16) {
    std::memcpy(pair, bytes.data() + i, 16);
    state = fold(pair[0] ^ kC, pair[1] ^ state) + kA;
  }
  pair[0] = pair[1] = 0;
  if (i < bytes.size()) std::memcpy(pair, bytes.data() + i, bytes.size() - i);
  return fold(fold(pair[0] ^ kB, pair[1] ^ state) ^ kC, state ^ kA);
}
inline uint64_t checksum(std::string_view text, uint64_t seed = 0) {
  return checksum(std::as_bytes(std::span(text.data(), text.size())), seed);
}

}  // namespace hearth
