// Depthwise convolution of bytes (groups == channels == out_channels) for the kernel that dispatches convolutions.
#pragma once

#include "ops/cpu/quantised.h"

extern "C" void HEARTH_CPU_ENTRY(quantised_depthwise)(const hearth::ops::cpu::QuantisedConvJob& job,
                                                      hearth::ops::cpu::ThreadPool* pool);

namespace hearth::ops::cpu {
namespace {

inline bool is_depthwise(const ConvShape& s) {
  return s.groups > 1 && s.groups == s.channels && s.groups == s.out_channels;
}

// Packed weights: the sums of each channel's, then [channels / kLanes, rounded up][taps][kLanes], zeros beyond the
// channels.
inline size_t byte_depthwise_bytes(const ConvShape& s) {
  const int64_t channels = (s.channels + kLanes - 1) / kLanes * kLanes;
  return static_cast<size_t>(channels * (s.kernel_height * s.kernel_width + 1)) * sizeof(int32_t);
}

inline void pack_byte_depthwise(const int8_t* w, const ConvShape& s, void* packed) {
  const int64_t channels = (s.channels + kLanes - 1) / kLanes * kLanes, taps = s.kernel_height * s.kernel_width;
  auto* sums = static_cast<int32_t*>(packed);
  int32_t* out = sums + channels;
  memset(packed, 0, byte_depthwise_bytes(s));
  for (int64_t c = 0; c < s.channels; ++c)
    for (int64_t t = 0; t < taps; ++t) {
      out[(c / kLanes * taps + t) * kLanes + c % kLanes] = w[c * taps + t];
      sums[c] += w[c * taps + t];
    }
}

}  // namespace
}  // namespace hearth::ops::cpu
