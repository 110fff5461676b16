// Depthwise convolution (groups == channels == out_channels) for the kernel that dispatches convolutions.
#pragma once

#include "ops/cpu/dense.h"

extern "C" void HEARTH_CPU_ENTRY(dense_depthwise)(const hearth::ops::cpu::ConvJob& job,
                                                  hearth::ops::cpu::ThreadPool* pool);

namespace hearth::ops::cpu {
namespace {

// Packed weights: [channels / kLanes, rounded up][kernel_height * kernel_width][kLanes], zeros beyond the channels.
inline size_t depthwise_packed_bytes(const ConvShape& s) {
  const int64_t blocks = (s.channels + kLanes - 1) / kLanes;
  return static_cast<size_t>(blocks * s.kernel_height * s.kernel_width * kLanes) * sizeof(float);
}

// w need not be aligned.
inline void depthwise_pack(const float* w, const ConvShape& s, const float* scale, void* packed) {
  float* out = static_cast<float*>(packed);
  const int64_t taps = s.kernel_height * s.kernel_width;
  for (int64_t c = 0; c < s.channels; c += kLanes)
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t l = c; l < c + kLanes; ++l, ++out) {
        *out = 0;
        if (l >= s.channels) continue;
        memcpy(out, w + l * taps + t, sizeof(float));
        if (scale != nullptr) *out *= scale[l];
      }
}

inline size_t depthwise_scratch(const ConvJob&, int) {
  return 0;
}

// w: packed by depthwise_pack. Needs no scratch.
inline void depthwise(const ConvJob& job, void*, ThreadPool* pool) {
  HEARTH_CPU_ENTRY(dense_depthwise)(job, pool);
}

}  // namespace
}  // namespace hearth::ops::cpu
