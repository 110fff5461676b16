// Convolutions of bytes over channels-last images by implicit matrix products, as dense_conv.h does them with floats:
// each line of output pixels is a product whose rows are stride_width pixels apart and whose k are runs of the input;
// where there is padding, or a pixel does not fill whole words, bands of the input are copied with their border.
#pragma once

#include "ops/cpu/kernels/quantised_depthwise.h"
#include "ops/cpu/kernels/quantised_product.h"

namespace hearth::ops::cpu {
namespace {

constexpr int64_t kByteBand = 256 << 10;  // bytes of input that all panels read before the next band

inline bool is_plain_matrix(const ConvShape& s) {  // every output pixel is the product of one input pixel, in order
  return s.kernel_height == 1 && s.kernel_width == 1 && s.stride_height == 1 && s.stride_width == 1 && s.groups == 1 &&
         s.out_height == s.height && s.out_width == s.width && s.pad_top == 0 && s.pad_left == 0;
}

class ByteConv {
 public:
  ByteConv(const QuantisedConvJob& job, int threads) : job_(job), s_(job.shape) {
    channels_ = s_.channels / s_.groups;
    columns_ = s_.out_channels / s_.groups;
    words_ = byte_words(channels_);
    group_panels_ = sum_panels(columns_);
    k_words_ = s_.kernel_height * s_.kernel_width * words_;
    copy_ = !kBytes || channels_ % kWordFactors != 0 || s_.pad_top > 0 || s_.pad_left > 0 ||
            lines_for(s_.out_height) > s_.height || pixels_for(s_.out_width) > s_.width ||
            reinterpret_cast<uintptr_t>(job.x) % sizeof(ByteWord) != 0;
    const double work = static_cast<double>(s_.batch * s_.out_height * s_.out_width) *
                        static_cast<double>(s_.kernel_height * s_.kernel_width * channels_) *
                        static_cast<double>(s_.out_channels);
    threads_ = work < kSmallByteProduct ? 1 : threads;
    grid_ = cheapest_grid(threads_, s_.batch * s_.out_height, s_.out_width, s_.groups * group_panels_, k_words_);
    const Grid across =
        cheapest_grid(threads_, s_.out_width, s_.batch * s_.out_height, s_.groups * group_panels_, k_words_);
    if (across.cost < grid_.cost) {
      grid_ = across;
      across_ = true;
    }
    // Bands: whole lines of one image, or parts of a line.
    const int64_t share_width = across_ ? ceil_div(s_.out_width, grid_.rows) : s_.out_width;
    band_width_ = share_width;
    if (line_bytes(band_width_) * lines_for(1) > kByteBand) {
      const int64_t pixel = larger(1, s_.stride_width * pixel_words() * lines_for(1)) * word_bytes();
      band_width_ = smaller(share_width, larger(4 * kSumRows, kByteBand / pixel));
    }
    band_lines_ = 1;
    const int64_t line = larger(1, line_bytes(band_width_));
    if (lines_for(1) * line < kByteBand)
      band_lines_ = smaller(s_.out_height, 1 + (kByteBand / line - lines_for(1)) / s_.stride_height);
    if (band_lines_ == s_.out_height)
      band_images_ = larger(1, smaller(s_.batch, kByteBand / (lines_for(s_.out_height) * line)));
  }

  int threads() const { return threads_; }
  // Bytes of one thread's band.
  size_t band_bytes() const {
    if (!copy_) return 0;
    return static_cast<size_t>(band_images_ * lines_for(band_lines_) * line_bytes(band_width_) + 63) / 64 * 64;
  }

  void run(int part, void* scratch) const {
    const int64_t r = part / grid_.columns, c = part % grid_.columns;
    if (r >= grid_.rows) return;
    Share share{.lines = {0, s_.batch * s_.out_height}, .pixels = {0, s_.out_width}};
    Range& cut = across_ ? share.pixels : share.lines;
    cut = cut.part(r, grid_.rows);
    share.panels = Range{0, s_.groups * group_panels_}.part(c, grid_.columns);
    share.band = reinterpret_cast<ByteWord*>(static_cast<char*>(scratch) + static_cast<size_t>(part) * band_bytes());
    if (share.pixels.count() == 0) return;
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
    ByteWord* band = nullptr;
  };

  static constexpr int64_t word_bytes() { return static_cast<int64_t>(sizeof(ByteWord)); }
  // Input lines and pixels that so many output ones read, the border included.
  int64_t lines_for(int64_t n) const {
    return (n - 1) * s_.stride_height + (s_.kernel_height - 1) * s_.dilation_height + 1;
  }
  int64_t pixels_for(int64_t n) const {
    return (n - 1) * s_.stride_width + (s_.kernel_width - 1) * s_.dilation_width + 1;
  }
  int64_t pixel_words() const { return copy_ ? words_ : s_.channels / kWordFactors; }
  int64_t line_bytes(int64_t out_pixels) const { return pixels_for(out_pixels) * pixel_words() * word_bytes(); }

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
    ByteProduct p;
    p.lines = lines;
    p.width = pixels.count();
    p.lines_per_image = s_.out_height;
    p.line_rows = s_.out_width;
    p.flip = !copy_ && job_.x_type == ByteType::I8;
    p.n = columns_;
    p.count = s_.kernel_height * s_.kernel_width * channels_;
    p.zero = word_zero(job_.x_type, job_.x_zero);
    p.b_zero = job_.w_zero;
    p.finish = &job_.finish;
    p.row = line * s_.out_width + pixels.begin;
    const int64_t pixel = pixel_words();
    const int64_t in_line = copy_ ? pixels_for(pixels.count()) * pixel : s_.width * pixel;
    p.lda = s_.stride_width * pixel;
    p.line_stride = s_.stride_height * in_line;
    p.image_stride = copy_ ? image_lines * in_line : s_.height * in_line;
    p.runs = runs_of(pixel, in_line);
    const size_t group_bytes = packed_words_bytes(k_words_, columns_);
    for (int64_t g = share.panels.begin / group_panels_; g * group_panels_ < share.panels.end; ++g) {
      if (copy_)
        for (int64_t i = 0; i < images; ++i)
          copy_image(image + i, y, image_lines, pixels, g, share.band + i * p.image_stride);
      const uint8_t* first =
          static_cast<const uint8_t*>(job_.x) +
          ((image * s_.height + y * s_.stride_height) * s_.width + pixels.begin * s_.stride_width) * s_.channels +
          g * channels_;
      p.a = copy_ ? share.band : reinterpret_cast<const ByteWord*>(first);
      p.packed = static_cast<const char*>(job_.w) + static_cast<size_t>(g) * group_bytes;
      p.column = g * columns_;
      byte_product(p, larger(0, share.panels.begin - g * group_panels_),
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

  // Group g of the input that output lines from y on and `pixels` read, as words, zero points beyond the border.
  void copy_image(int64_t image, int64_t y, int64_t lines, Range pixels, int64_t g, ByteWord* to) const {
    const int64_t count = pixels_for(pixels.count()), x0 = pixels.begin * s_.stride_width - s_.pad_left;
    const int64_t begin = smaller(count, larger(0, -x0)), end = larger(begin, smaller(count, s_.width - x0));
    for (int64_t i = 0; i < lines; ++i, to += count * words_) {
      const int64_t in_y = y * s_.stride_height - s_.pad_top + i;
      if (in_y < 0 || in_y >= s_.height) {
        fill_pixels(count, to);
        continue;
      }
      fill_pixels(begin, to);
      if (end > begin)
        copy_pixels(static_cast<const uint8_t*>(job_.x) +
                        ((image * s_.height + in_y) * s_.width + x0 + begin) * s_.channels + g * channels_,
                    end - begin, to + begin * words_);
      fill_pixels(count - end, to + end * words_);
    }
  }
  void fill_pixels(int64_t count, ByteWord* to) const {
    const int32_t zero = word_zero(job_.x_type, job_.x_zero);
    if (channels_ % kWordFactors == 0) return fill_words(zero, count * channels_, to);
    for (int64_t i = 0; i < count; ++i) fill_words(zero, channels_, to + i * words_);
  }
  void copy_pixels(const uint8_t* from, int64_t count, ByteWord* to) const {
    if (channels_ % kWordFactors == 0 && s_.groups == 1) return to_words(from, job_.x_type, count * channels_, to);
    int64_t i = 0;
    if (kBytes && words_ == 1)  // a pixel of colours: loads of four bytes, as long as they lie within the run
      for (; (count - i) * s_.channels >= kWordFactors + s_.channels; ++i) to[i] = word_of(from + i * s_.channels);
    for (; i < count; ++i) to_words(from + i * s_.channels, job_.x_type, channels_, to + i * words_);
  }
  // Up to four bytes of a longer run.
  ByteWord word_of(const uint8_t* from) const {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    if (job_.x_type == ByteType::I8) word ^= 0x80808080u;
    return static_cast<ByteWord>(word & (0xffffffffu >> 8 * (kWordFactors - channels_)));
  }

  const QuantisedConvJob& job_;
  const ConvShape& s_;
  int64_t channels_ = 0, columns_ = 0, words_ = 0;  // of a group; words of a pixel of it
  int64_t group_panels_ = 0, k_words_ = 0;
  bool copy_ = false, across_ = false;  // across: threads share the pixels of lines, not lines
  int threads_ = 1;
  Grid grid_;
  int64_t band_width_ = 0, band_lines_ = 1, band_images_ = 1;
};

inline QuantisedMatmulJob matrix_of(const QuantisedConvJob& job) {
  const ConvShape& s = job.shape;
  return {.m = s.batch * s.height * s.width,
          .n = s.out_channels,
          .k = s.channels,
          .a = job.x,
          .a_type = job.x_type,
          .a_zero = job.x_zero,
          .lda = s.channels,
          .b = job.w,
          .b_zero = job.w_zero,
          .finish = job.finish};
}

inline bool empty(const ConvShape& s) {
  return s.batch <= 0 || s.out_height <= 0 || s.out_width <= 0 || s.out_channels <= 0;
}

}  // namespace
}  // namespace hearth::ops::cpu

extern "C" {

size_t HEARTH_CPU_ENTRY(quantised_packed_matrix_bytes)(int64_t k, int64_t n) {
  using namespace hearth::ops::cpu;
  return packed_words_bytes(byte_words(k), n);
}

void HEARTH_CPU_ENTRY(quantised_pack_matrix)(const int8_t* b, int64_t row_stride, int64_t column_stride, int64_t k,
                                             int64_t n, void* packed) {
  using namespace hearth::ops::cpu;
  pack_bytes({.at = b, .columns = n, .column_stride = column_stride, .channels = k, .channel_stride = row_stride},
             packed);
}

size_t HEARTH_CPU_ENTRY(quantised_matmul_scratch)(const hearth::ops::cpu::QuantisedMatmulJob& job, int) {
  return hearth::ops::cpu::byte_matmul_scratch(job);
}

void HEARTH_CPU_ENTRY(quantised_matmul)(const hearth::ops::cpu::QuantisedMatmulJob& job, void* scratch,
                                        hearth::ops::cpu::ThreadPool* pool) {
  if (job.m > 0 && job.n > 0) hearth::ops::cpu::byte_matmul(job, scratch, pool);
}

size_t HEARTH_CPU_ENTRY(quantised_packed_conv_bytes)(const hearth::ops::cpu::ConvShape& s) {
  using namespace hearth::ops::cpu;
  if (is_depthwise(s)) return byte_depthwise_bytes(s);
  const int64_t words = s.kernel_height * s.kernel_width * byte_words(s.channels / s.groups);
  return static_cast<size_t>(s.groups) * packed_words_bytes(words, s.out_channels / s.groups);
}

void HEARTH_CPU_ENTRY(quantised_pack_conv)(const int8_t* w, const hearth::ops::cpu::ConvShape& s, void* packed) {
  using namespace hearth::ops::cpu;
  if (is_depthwise(s)) return pack_byte_depthwise(w, s, packed);
  const int64_t taps = s.kernel_height * s.kernel_width, channels = s.channels / s.groups;
  const int64_t columns = s.out_channels / s.groups;
  const size_t group_bytes = packed_words_bytes(taps * byte_words(channels), columns);
  for (int64_t g = 0; g < s.groups; ++g)
    pack_bytes({.at = w + g * columns * channels * taps,
                .columns = columns,
                .column_stride = channels * taps,
                .taps = taps,
                .tap_stride = 1,
                .channels = channels,
                .channel_stride = taps},
               static_cast<char*>(packed) + static_cast<size_t>(g) * group_bytes);
}

size_t HEARTH_CPU_ENTRY(quantised_conv_scratch)(const hearth::ops::cpu::QuantisedConvJob& job, int threads) {
  using namespace hearth::ops::cpu;
  if (empty(job.shape) || is_depthwise(job.shape)) return 0;
  if (is_plain_matrix(job.shape)) return byte_matmul_scratch(matrix_of(job));
  const ByteConv conv(job, threads);
  return conv.band_bytes() * static_cast<size_t>(conv.threads());
}

void HEARTH_CPU_ENTRY(quantised_conv)(const hearth::ops::cpu::QuantisedConvJob& job, void* scratch,
                                      hearth::ops::cpu::ThreadPool* pool) {
  using namespace hearth::ops::cpu;
  if (empty(job.shape)) return;
  if (is_depthwise(job.shape)) return HEARTH_CPU_ENTRY(quantised_depthwise)(job, pool);
  if (is_plain_matrix(job.shape)) return byte_matmul(matrix_of(job), scratch, pool);
  const ByteConv conv(job, team_size(pool));
  run_team(conv.threads() == 1 ? nullptr : pool, [&](int part, int) { conv.run(part, scratch); });
}

}  // extern "C"
