// Elements narrower than a byte: packed in files, the first in the low bits; one a byte in memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/element_bits.h"

namespace hearth::import::onnx {

// Bytes that so many elements take in a file.
uint64_t packed_bytes(DType dtype, int64_t elements);

// `packed` has packed_bytes(dtype, elements) bytes.
void unpack(std::string_view packed, DType dtype, int64_t elements, uint8_t* out);
std::string pack(const uint8_t* elements, DType dtype, int64_t count);

}  // namespace hearth::import::onnx
