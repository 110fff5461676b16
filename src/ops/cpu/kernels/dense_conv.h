// Convolutions over channels-last images. Direct: each line of output pixels is a matrix product whose rows are
// stride_width pixels apart and whose k numbers are runs of the input; where there is padding, bands of the input are
// copied with their border into scratch that stays in the second-level cache. The other algorithms have files of their
// own.
#pragma once

#include "ops/cpu/kernels/dense_depthwise.h"
#include "ops/cpu/kernels/dense_product.h"
#include "ops/cpu/kernels/dense_small_winograd.h"
#include "ops/cpu/kernels/dense_winograd.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kBandBytes = 384 << 10;  // of input that all panels read before the next band

inline bool plain_matrix(const ConvShape& s) {  // every output pixel is the product of one input pixel, in order
  return s.kernel_height == 1 && s.kernel_width == 1 && s.stride_height == 1 && s.stride_width == 1 && s.groups == 1 &&
         s.out_height == s.height && s.out_width == s.width && s.pad_top == 0 && s.pad_left == 0;
}

class DirectConv {
 public:
  DirectConv(const ConvJob& job, int threads) : job_(job), s_(job.shape) {
    channels_ = s_.channels / s_.groups;
    columns_ = s_.out_channels / s_.groups;
    words_ = words_of(channels_, job.factors);
    group_panels_ = panels_of(columns_);
    k_words_ = s_.kernel_height * s_.kernel_width * words_;
    copy_ = job.factors == Factors::BF16 || s_.pad_top > 0 || s_.pad_left > 0 || lines_for(s_.out_height) > s_.height ||
            pixels_for(s_.out_width) > s_.width;
    const double work = static_cast<double>(s_.batch * s_.out_height * s_.out_width) *
                        static_cast<double>(s_.kernel_height * s_.kernel_width * channels_) *
                        static_cast<double>(s_.out_channels);
    threads_ = work < kSmallProduct ? 1 : threads;
    const int64_t lines = s_.batch * s_.out_height, panels = s_.groups * group_panels_;
    grid_ = cheapest_grid(threads_, lines, s_.out_width, panels, k_words_);
    const Grid across = cheapest_grid(threads_, s_.out_width, lines, panels, k_words_);
    if (across.cost < grid_.cost) {
      grid_ = across;
      across_ = true;
    }
    // Bands: whole images, else whole lines of one image, else parts of a line.
    const int64_t share_width = across_ ? ceil_div(s_.out_width, grid_.rows) : s_.out_width;
    band_width_ = share_width;
    if (line_words(band_width_) * lines_for(1) * 4 > kBandBytes) {
      const int64_t pixel = larger(1, s_.stride_width * pixel_words() * lines_for(1) * 4);
      band_width_ = smaller(share_width, larger(4 * kDenseRows, kBandBytes / pixel));
      band_width_ = ceil_div(share_width, ceil_div(share_width, band_width_));
    }
    band_lines_ = 1;
    const int64_t line = larger(1, line_words(band_width_) * 4);
    if (lines_for(1) * line < kBandBytes)
      band_lines_ = smaller(s_.out_height, 1 + (kBandBytes / line - lines_for(1)) / s_.stride_height);
    if (band_lines_ == s_.out_height)
      band_images_ = larger(1, smaller(s_.batch, kBandBytes / (lines_for(s_.out_height) * line)));
  }

  int threads() const { return threads_; }
  // Bytes of one thread's band.
  size_t band_bytes() const {
    if (!copy_) return 0;
    return static_cast<size_t>(band_images_ * lines_for(band_lines_) * line_words(band_width_) * 4 + 63) / 64 * 64;
  }

  void run(int part, void* scratch) const {
    const int64_t r = part / grid_.columns, c = part % grid_.columns;
    if (r >= grid_.rows) return;
    Share share{.lines = {0, s_.batch * s_.out_height}, .pixels = {0, s_.out_width}};
    Range& cut = across_ ? share.pixels : share.lines;
    cut = cut.part(r, grid_.rows);
    share.panels = Range{0, s_.groups * group_panels_}.part(c, grid_.columns);
    share.band = reinterpret_cast<float*>(static_cast<char*>(scratch) + static_cast<size_t>(part) * band_bytes());
    const int64_t strips = ceil_div(share.pixels.count(), band_width_);
    for (int64_t i = 0; i < strips; ++i) strip(share, share.pixels.part(i, strips));
  }

 private:
  struct Range {
    int64_t begin = 0, end = 0;
    int64_t count() const { return end - begin; }
    Range part(int64_t i, int64_t n) const { return {begin + count() * i / n, begin + count() * (i + 1) / n}; }
  };
  struct Share {
    Range lines, pixels, panels;
    float* band = nullptr;
  };

  // Input lines and pixels that so many output ones read, the border included.
  int64_t lines_for(int64_t n) const {
    return (n - 1) * s_.stride_height + (s_.kernel_height - 1) * s_.dilation_height + 1;
  }
  int64_t pixels_for(int64_t n) const {
    return (n - 1) * s_.stride_width + (s_.kernel_width - 1) * s_.dilation_width + 1;
  }
  int64_t pixel_words() const { return copy_ ? words_ : job_.x_stride; }
  int64_t line_words(int64_t out_pixels) const { return pixels_for(out_pixels) * pixel_words(); }

  void strip(const Share& share, Range pixels) const {
    for (int64_t line = share.lines.begin; line < share.lines.end;) {
      const int64_t y = line % s_.out_height, left = share.lines.end - line;
      int64_t lines = smaller(s_.out_height - y, left);
      if (y == 0 && lines == s_.out_height && band_lines_ == s_.out_height)
        lines = smaller(band_images_, left / s_.out_height) * s_.out_height;
      else
        lines = ceil_div(lines, ceil_div(lines, band_lines_));
      band(share, line, lines, pixels);
      line += lines;
    }
  }

  void band(const Share& share, int64_t line, int64_t lines, Range pixels) const {
    const int64_t image = line / s_.out_height, y = line % s_.out_height;
    const int64_t images = ceil_div(lines, s_.out_height), image_lines = lines_for(smaller(lines, s_.out_height));
    Product p;
    p.lines = lines;
    p.width = pixels.count();
    p.lines_per_image = s_.out_height;
    p.line_rows = s_.out_width;
    p.factors = job_.factors;
    p.n = columns_;
    p.ldc = job_.y_stride;
    p.program = &job_.program;
    p.program_row = line * s_.out_width + pixels.begin;
    const int64_t pixel = pixel_words();
    const int64_t in_line = copy_ ? line_words(pixels.count()) : s_.width * pixel;
    p.lda = s_.stride_width * pixel;
    p.line_stride = s_.stride_height * in_line;
    p.image_stride = copy_ ? image_lines * in_line : s_.height * in_line;
    p.runs = runs_of(pixel, in_line);
    for (int64_t g = share.panels.begin / group_panels_; g * group_panels_ < share.panels.end; ++g) {
      if (copy_)
        for (int64_t i = 0; i < images; ++i)
          copy_image(image + i, y, image_lines, pixels, g, share.band + i * p.image_stride);
      p.a = copy_ ? share.band
                  : job_.x +
                        ((image * s_.height + y * s_.stride_height) * s_.width + pixels.begin * s_.stride_width) *
                            job_.x_stride +
                        g * channels_;
      p.panels = static_cast<const float*>(job_.w) + g * group_panels_ * kPanelRows * k_words_;
      p.bias = job_.bias != nullptr ? job_.bias + g * columns_ : nullptr;
      p.c = job_.y + p.program_row * job_.y_stride + g * columns_;
      p.program_column = g * columns_;
      HEARTH_CPU_ENTRY(dense_product)(&p, larger(0, share.panels.begin - g * group_panels_),
                                      smaller(group_panels_, share.panels.end - g * group_panels_));
    }
  }

  TileRuns runs_of(int64_t pixel, int64_t line) const {
    const int64_t down = s_.dilation_height * line;
    if (s_.dilation_width == 1 && pixel == words_)
      return {.runs = s_.kernel_height, .run = s_.kernel_width * words_, .run_stride = down};
    return {.runs = s_.kernel_width,
            .run = words_,
            .run_stride = s_.dilation_width * pixel,
            .planes = s_.kernel_height,
            .plane_stride = down};
  }

  // Group g of the input that output lines from y on and `pixels` read, as words, zeros beyond the border.
  void copy_image(int64_t image, int64_t y, int64_t lines, Range pixels, int64_t g, float* to) const {
    const int64_t count = pixels_for(pixels.count()), x0 = pixels.begin * s_.stride_width - s_.pad_left;
    const int64_t begin = smaller(count, larger(0, -x0)), end = larger(begin, smaller(count, s_.width - x0));
    for (int64_t i = 0; i < lines; ++i, to += count * words_) {
      const int64_t in_y = y * s_.stride_height - s_.pad_top + i;
      if (in_y < 0 || in_y >= s_.height) {
        memset(to, 0, static_cast<size_t>(count * words_) * sizeof(float));
        continue;
      }
      memset(to, 0, static_cast<size_t>(begin * words_) * sizeof(float));
      memset(to + end * words_, 0, static_cast<size_t>((count - end) * words_) * sizeof(float));
      if (end > begin)
        copy_pixels(job_.x + ((image * s_.height + in_y) * s_.width + x0 + begin) * job_.x_stride + g * channels_,
                    end - begin, to + begin * words_);
    }
  }
  void copy_pixels(const float* from, int64_t count, float* to) const {
    if (job_.factors == Factors::F32 && job_.x_stride == channels_) {
      memcpy(to, from, static_cast<size_t>(count * channels_) * sizeof(float));
      return;
    }
    if (job_.factors == Factors::BF16) return round_rows(from, job_.x_stride, count, channels_, to, words_);
    for (int64_t i = 0; i < count; ++i, from += job_.x_stride, to += words_)
      each_vector(channels_, [&](int64_t j, int n) { store_some(to + j, load_some(from + j, n), n); });
  }

  const ConvJob& job_;
  const ConvShape& s_;
  int64_t channels_ = 0, columns_ = 0, words_ = 0;  // of a group; words of a pixel of it
  int64_t group_panels_ = 0, k_words_ = 0;
  bool copy_ = false, across_ = false;  // across: threads share the pixels of lines, not lines
  int threads_ = 1;
  Grid grid_;
  int64_t band_width_ = 0, band_lines_ = 1, band_images_ = 1;
};

inline MatmulJob matrix_of(const ConvJob& job) {
  const ConvShape& s = job.shape;
  return {.m = s.batch * s.height * s.width,
          .n = s.out_channels,
          .k = s.channels,
          .a = job.x,
          .lda = job.x_stride,
          .b = job.w,
          .factors = job.factors,
          .bias = job.bias,
          .c = job.y,
          .ldc = job.y_stride,
          .program = job.program};
}

inline bool empty(const ConvShape& s) {
  return s.batch <= 0 || s.out_height <= 0 || s.out_width <= 0 || s.out_channels <= 0;
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" {

hearth::ops::cpu::ConvAlgorithm HEARTH_CPU_ENTRY(dense_choose_conv)(const hearth::ops::cpu::ConvShape& s,
                                                                    hearth::ops::cpu::Factors factors) {
  using namespace hearth::ops::cpu;
  if (s.groups > 1 && s.groups == s.channels && s.groups == s.out_channels) return ConvAlgorithm::Depthwise;
  const bool fits = s.kernel_height == 3 && s.kernel_width == 3 && s.stride_height == 1 && s.stride_width == 1 &&
                    s.dilation_height == 1 && s.dilation_width == 1 && s.groups == 1;
  if (!fits) return ConvAlgorithm::Direct;
  // Fewer channels or tiles than these do not pay for the transforms.
  const auto tiles_of = [&](int64_t size) {
    return larger(1, s.batch) * ceil_div(s.out_height, size) * ceil_div(s.out_width, size);
  };
  const int64_t channels = smaller(s.channels, s.out_channels);
  if (factors == Factors::F32 ? channels >= 16 && tiles_of(4) >= 9
                              : kLanes == 16 && has_bf16_dot() && channels >= 32 && tiles_of(2) >= 12)
    return ConvAlgorithm::Winograd;
  return ConvAlgorithm::Direct;
}

size_t HEARTH_CPU_ENTRY(dense_packed_conv_bytes)(const hearth::ops::cpu::ConvShape& s,
                                                 hearth::ops::cpu::ConvAlgorithm algorithm,
                                                 hearth::ops::cpu::Factors factors) {
  using namespace hearth::ops::cpu;
  if (algorithm == ConvAlgorithm::Depthwise) return depthwise_packed_bytes(s);
  if (algorithm == ConvAlgorithm::Winograd && factors == Factors::BF16) return small_winograd_bytes(s);
  const int64_t words = s.kernel_height * s.kernel_width * words_of(s.channels / s.groups, factors);
  return static_cast<size_t>(s.groups) * panel_bytes(words, s.out_channels / s.groups);
}

void HEARTH_CPU_ENTRY(dense_pack_conv)(const float* w, const hearth::ops::cpu::ConvShape& s, const float* scale,
                                       hearth::ops::cpu::ConvAlgorithm algorithm, hearth::ops::cpu::Factors factors,
                                       void* packed) {
  using namespace hearth::ops::cpu;
  if (algorithm == ConvAlgorithm::Depthwise) return depthwise_pack(w, s, scale, packed);
  if (algorithm == ConvAlgorithm::Winograd && factors == Factors::BF16) return small_winograd_pack(w, s, scale, packed);
  const int64_t taps = s.kernel_height * s.kernel_width, channels = s.channels / s.groups;
  const int64_t columns = s.out_channels / s.groups;
  const size_t group_bytes = panel_bytes(taps * words_of(channels, factors), columns);
  for (int64_t g = 0; g < s.groups; ++g)
    pack_panels({.at = w + g * columns * channels * taps,
                 .columns = columns,
                 .column_stride = channels * taps,
                 .taps = taps,
                 .tap_stride = 1,
                 .channels = channels,
                 .channel_stride = taps,
                 .scale = scale != nullptr ? scale + g * columns : nullptr},
                factors, static_cast<char*>(packed) + static_cast<size_t>(g) * group_bytes);
}

size_t HEARTH_CPU_ENTRY(dense_conv_scratch)(const hearth::ops::cpu::ConvJob& job, int threads) {
  using namespace hearth::ops::cpu;
  if (empty(job.shape)) return 0;
  if (job.algorithm == ConvAlgorithm::Winograd)
    return job.factors == Factors::BF16 ? small_winograd_scratch(job, threads) : winograd_scratch(job, threads);
  if (job.algorithm == ConvAlgorithm::Depthwise) return depthwise_scratch(job, threads);
  if (plain_matrix(job.shape)) return HEARTH_CPU_ENTRY(dense_matmul_scratch)(matrix_of(job), threads);
  const DirectConv conv(job, threads);
  return conv.band_bytes() * static_cast<size_t>(conv.threads());
}

void HEARTH_CPU_ENTRY(dense_conv)(const hearth::ops::cpu::ConvJob& job, void* scratch,
                                  hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  if (empty(job.shape)) return;
  if (job.algorithm == ConvAlgorithm::Winograd)
    return job.factors == Factors::BF16 ? small_winograd(job, scratch, pool) : winograd(job, scratch, pool);
  if (job.algorithm == ConvAlgorithm::Depthwise) return depthwise(job, scratch, pool);
  if (plain_matrix(job.shape)) return HEARTH_CPU_ENTRY(dense_matmul)(matrix_of(job), scratch, pool);
  const DirectConv conv(job, team_size(pool));
  run_team(conv.threads() == 1 ? nullptr : pool, [&](int part, int) { conv.run(part, scratch); });
}

}  // extern "C"
