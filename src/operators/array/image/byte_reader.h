// Numbers from bytes of either order, with every access checked.
#pragma once

#include <cstdint>
#include <span>

namespace hearth::operators {

class ByteReader {
 public:
  ByteReader(std::span<const uint8_t> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  // The number at `at`; 0 beyond the end, where ok() becomes false for good.
  uint32_t u16(uint64_t at) { return number(at, 2); }
  uint32_t u32(uint64_t at) { return number(at, 4); }
  uint32_t number(uint64_t at, unsigned size) {
    if (at > bytes_.size() || bytes_.size() - at < size) {
      ok_ = false;
      return 0;
    }
    uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= uint32_t{bytes_[at + i]} << (8 * (big_endian_ ? size - 1 - i : i));
    return value;
  }
  bool ok() const { return ok_; }

 private:
  std::span<const uint8_t> bytes_;
  bool big_endian_;
  bool ok_ = true;
};

}  // namespace hearth::operators
