// The depthwise kernel over bytes, compiled once an instruction set; its face for others is quantised_depthwise.h. A
// tile is a few output pixels of one row times one vector of channels; taps outside of the image read a row of zero
// points, so that one correction by the sum of the weights serves every pixel.
#pragma once

#include "ops/cpu/kernels/dense_split.h"
#include "ops/cpu/kernels/quantised_depthwise.h"
#include "ops/cpu/kernels/quantised_finish.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kBytePixels = kSumRows < 8 ? kSumRows : 8;

// Sums of `pixels` windows from output pixel [y, x0] of an image on, for the channels of one vector.
template <bool kSigned, bool kTail>
inline void depthwise_sums(const QuantisedConvJob& job, const uint8_t* image, int64_t y, int64_t x0, int64_t pixels,
                           int64_t channel, int lanes, const int32_t* w, I zero, const uint8_t* outside,
                           int32_t* sums) {
  const ConvShape& s = job.shape;
  I sum[kBytePixels];
#pragma GCC unroll 8
  for (int p = 0; p < kBytePixels; ++p) sum[p] = izero();
  for (int64_t i = 0; i < s.kernel_height; ++i) {
    const int64_t row = y * s.stride_height - s.pad_top + i * s.dilation_height;
    const bool inside = row >= 0 && row < s.height;
    const uint8_t* line = image + (inside ? row : 0) * s.width * s.channels + channel;
    for (int64_t j = 0; j < s.kernel_width; ++j, w += kLanes) {
      const I factor = narrow_factor(sub_ints(load_ints(w), zero));
      const int64_t left = x0 * s.stride_width - s.pad_left + j * s.dilation_width;
#pragma GCC unroll 8
      for (int p = 0; p < kBytePixels; ++p) {
        const int64_t column = left + p * s.stride_width;
        const bool here = p < pixels && inside && column >= 0 && column < s.width;
        const uint8_t* at = here ? line + column * s.channels : outside;
        const I x = kTail ? load_bytes<kSigned>(at, lanes) : load_bytes<kSigned>(at);
        sum[p] = multiply_add_narrow(sum[p], x, factor);
      }
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < kBytePixels; ++p) store_ints(sums + p * kSumColumns, sum[p]);
}

// Output lines [from, to), counted over all images.
template <bool kSigned>
inline void depthwise_lines(const QuantisedConvJob& job, int64_t from, int64_t to) {
  const ConvShape& s = job.shape;
  const int64_t taps = s.kernel_height * s.kernel_width, padded = (s.channels + kLanes - 1) / kLanes * kLanes;
  const auto* weight_sums = static_cast<const int32_t*>(job.w);
  uint8_t outside[kLanes];
  memset(outside, job.x_zero & 255, sizeof outside);
  const TileFinish finish(job.finish);
  alignas(64) int32_t sums[kSumRows * kSumColumns];
  alignas(64) int32_t corrected[kSumColumns] = {};
  for (int64_t line = from; line < to; ++line) {
    const uint8_t* image = static_cast<const uint8_t*>(job.x) + line / s.out_height * s.height * s.width * s.channels;
    for (int64_t x0 = 0; x0 < s.out_width; x0 += kBytePixels)
      for (int64_t channel = 0; channel < s.channels; channel += kLanes) {
        const auto lanes = static_cast<int>(smaller(kLanes, s.channels - channel));
        const I zero = job.w_zero != nullptr ? load_ints(job.w_zero + channel, lanes) : izero();
        store_ints(corrected,
                   sub_ints(load_ints(weight_sums + channel), mul_ints(zero, iset(static_cast<int32_t>(taps)))));
        const int32_t* w = weight_sums + padded + channel * taps;
        SumTile t{.sums = sums,
                  .row = line * s.out_width + x0,
                  .rows = smaller(kBytePixels, s.out_width - x0),
                  .column = channel,
                  .columns = lanes,
                  .weight_sums = corrected,
                  .zero = job.x_zero,
                  .row_sums = nullptr,
                  .b_zero = nullptr,
                  .count = taps};
        const int64_t y = line % s.out_height;
        if (lanes == kLanes)
          depthwise_sums<kSigned, false>(job, image, y, x0, t.rows, channel, lanes, w, zero, outside, sums);
        else
          depthwise_sums<kSigned, true>(job, image, y, x0, t.rows, channel, lanes, w, zero, outside, sums);
        finish.finish(t);
      }
  }
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" void HEARTH_CPU_ENTRY(quantised_depthwise)(const hearth::ops::cpu::QuantisedConvJob& job,
                                                      hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  const ConvShape& s = job.shape;
  const int64_t lines = s.batch * s.out_height;
  const int64_t work = lines * s.out_width * s.channels * (1 + s.kernel_height * s.kernel_width / 4);
  split_range(pool, lines, work, [&](int64_t from, int64_t to) {
    if (job.x_type == ByteType::I8)
      depthwise_lines<true>(job, from, to);
    else
      depthwise_lines<false>(job, from, to);
  });
}
