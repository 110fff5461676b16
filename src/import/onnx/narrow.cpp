#include "import/onnx/narrow.h"

namespace hearth::import::onnx {

uint64_t packed_bytes(DType dtype, int64_t elements) {
  return (static_cast<uint64_t>(elements) * static_cast<uint64_t>(bits_of(dtype)) + 7) / 8;
}

void unpack(std::string_view packed, DType dtype, int64_t elements, uint8_t* out) {
  const int bits = bits_of(dtype), per_byte = 8 / bits;
  const bool is_signed = dtype == DType::I4 || dtype == DType::I2;
  for (int64_t i = 0; i < elements; ++i) {
    const auto byte = static_cast<uint8_t>(packed[static_cast<size_t>(i / per_byte)]);
    const auto high = static_cast<uint8_t>(byte << (8 - bits - bits * static_cast<int>(i % per_byte)));
    out[i] = is_signed ? static_cast<uint8_t>(static_cast<int8_t>(high) >> (8 - bits))
                       : static_cast<uint8_t>(high >> (8 - bits));
  }
}

std::string pack(const uint8_t* elements, DType dtype, int64_t count) {
  const int bits = bits_of(dtype), per_byte = 8 / bits;
  std::string packed(packed_bytes(dtype, count), '\0');
  for (int64_t i = 0; i < count; ++i) {
    char& byte = packed[static_cast<size_t>(i / per_byte)];
    const int low = elements[i] & ((1 << bits) - 1);
    byte = static_cast<char>(byte | low << (bits * static_cast<int>(i % per_byte)));
  }
  return packed;
}

}  // namespace hearth::import::onnx
