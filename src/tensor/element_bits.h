// How wide an element is by its type's definition: narrower than a byte for some that take a byte each in memory.
#pragma once

#include "tensor/dtype.h"

namespace hearth {

// Not for block-quantised types.
constexpr int bits_of(DType type) {
  switch (type) {
    case DType::I4:
    case DType::U4:
    case DType::F4E2M1:
      return 4;
    case DType::I2:
    case DType::U2:
      return 2;
    default:
      return 8 * info(type).block_bytes;
  }
}

}  // namespace hearth
