// Block-quantised element types, as GGUF lays them out: rows to f32 and back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace hearth {

// `count` consecutive elements of a row, a whole number of the type's blocks, to f32. Float types and quantised types.
void dequantise_row(DType type, const void* source, float* destination, int64_t count);

// f32 to `type`, each block rounded to nearest; `count` is a whole number of blocks. Not the encoder of any other tool:
// it serves tests and small generated models.
void quantise_row(DType type, const float* source, void* destination, int64_t count);

}  // namespace hearth
