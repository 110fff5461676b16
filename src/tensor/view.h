// A view of a tensor in some device's memory: what crosses every op boundary. Plain C, so that the op entry points
// keep one signature for every backend. It owns nothing.
#pragma once

#include <stdint.h>

#define HEARTH_MAX_RANK 8

typedef struct HearthTensor {
  void* data;                        // first element; device memory
  int32_t dtype;                     // hearth::DType
  int32_t layout;                    // hearth::Layout (tensor/layout.h); 0 = Plain
  int32_t rank;                      // 0..HEARTH_MAX_RANK
  int32_t reserved;                  // 0
  int64_t dims[HEARTH_MAX_RANK];     // in elements
  int64_t strides[HEARTH_MAX_RANK];  // in elements (of blocks' elements for quantised types); last is 1 unless an op
                                     // says otherwise
} HearthTensor;
