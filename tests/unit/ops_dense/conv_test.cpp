// Direct convolutions with programs of several steps, and the choice of an algorithm. The inventory's cases (conv2d)
// hold shapes, strides and rounded factors against ref.
#include <fmt/format.h>

#include "product_case.h"

namespace hearth::ops::cpu {
namespace {

// The output's size from the input's, with pads below and to the right.
ConvShape sized(ConvShape s, int64_t pad_bottom, int64_t pad_right) {
  s.out_height =
      (s.height + s.pad_top + pad_bottom - (s.kernel_height - 1) * s.dilation_height - 1) / s.stride_height + 1;
  s.out_width = (s.width + s.pad_left + pad_right - (s.kernel_width - 1) * s.dilation_width - 1) / s.stride_width + 1;
  return s;
}
ConvShape square(int64_t batch, int64_t size, int64_t channels, int64_t out, int64_t kernel, int64_t stride = 1,
                 int64_t pad = 0, int64_t dilation = 1, int64_t groups = 1) {
  return sized({.batch = batch,
                .height = size,
                .width = size,
                .channels = channels,
                .out_channels = out,
                .kernel_height = kernel,
                .kernel_width = kernel,
                .stride_height = stride,
                .stride_width = stride,
                .dilation_height = dilation,
                .dilation_width = dilation,
                .pad_top = pad,
                .pad_left = pad,
                .groups = groups},
               pad, pad);
}

struct Options {
  int64_t more_x = 0, more_y = 0;
  bool bias = true;
  Steps steps = Steps::None;
  Factors factors = Factors::F32;
};

std::vector<Want> plain_conv(const ConvShape& s, const Options& o, const std::vector<float>& x,
                             const std::vector<float>& w, const std::vector<float>& bias, const TestProgram& program) {
  const int64_t channels = s.channels / s.groups, columns = s.out_channels / s.groups, x_stride = s.channels + o.more_x;
  std::vector<Want> want(static_cast<size_t>(s.batch * s.out_height * s.out_width * s.out_channels));
  size_t at = 0;
  for (int64_t row = 0; row < s.batch * s.out_height * s.out_width; ++row) {
    const int64_t ox = row % s.out_width, oy = row / s.out_width % s.out_height,
                  image = row / s.out_width / s.out_height;
    for (int64_t oc = 0; oc < s.out_channels; ++oc) {
      Want& sum = want[at++];
      if (o.bias) sum.add(double{bias[static_cast<size_t>(oc)]});
      for (int64_t ky = 0; ky < s.kernel_height; ++ky)
        for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
          const int64_t y = oy * s.stride_height - s.pad_top + ky * s.dilation_height,
                        xx = ox * s.stride_width - s.pad_left + kx * s.dilation_width;
          if (y < 0 || y >= s.height || xx < 0 || xx >= s.width) continue;
          const float* pixel = x.data() + ((image * s.height + y) * s.width + xx) * x_stride + oc / columns * channels;
          for (int64_t c = 0; c < channels; ++c)
            sum.add(factor(pixel[c], o.factors) *
                    factor(w[static_cast<size_t>(((oc * channels + c) * s.kernel_height + ky) * s.kernel_width + kx)],
                           o.factors));
        }
      sum = program.apply(sum, row, oc);
    }
  }
  return want;
}

void check(const ConvShape& s, const Options& o = {}) {
  const int64_t x_stride = s.channels + o.more_x, y_stride = s.out_channels + o.more_y;
  const int64_t rows = s.batch * s.out_height * s.out_width;
  const std::vector<float> x = normal_floats(s.batch * s.height * s.width * x_stride, 1),
                           w = normal_floats(s.out_channels * s.channels / s.groups * s.kernel_height * s.kernel_width,
                                             2),
                           bias = normal_floats(s.out_channels, 3);
  const TestProgram program(o.steps, rows, s.out_channels);
  const std::vector<Want> want = plain_conv(s, o, x, w, bias, program);
  for (Isa isa : dense_sets_of_this_machine()) {
    const DenseKernels& kernels = dense_kernels(isa);
    const std::string what =
        fmt::format("{}{} {}x{}x{}x{} to {}x{}x{}, kernel {}x{}, strides {} {}, dilations {} {}, pads {} {}, groups {}",
                    to_string(isa), o.factors == Factors::BF16 ? " bf16" : "", s.batch, s.height, s.width, s.channels,
                    s.out_height, s.out_width, s.out_channels, s.kernel_height, s.kernel_width, s.stride_height,
                    s.stride_width, s.dilation_height, s.dilation_width, s.pad_top, s.pad_left, s.groups);
    Scratch packed(kernels.packed_conv_bytes(s, ConvAlgorithm::Direct, o.factors));
    kernels.pack_conv(w.data(), s, nullptr, ConvAlgorithm::Direct, o.factors, packed.data());
    const std::vector<float> y = run_with_threads(rows * y_stride, what, [&](ThreadPool* pool, float* out) {
      const ConvJob job{.shape = s,
                        .algorithm = ConvAlgorithm::Direct,
                        .factors = o.factors,
                        .x = x.data(),
                        .x_stride = x_stride,
                        .w = packed.data(),
                        .bias = o.bias ? bias.data() : nullptr,
                        .y = out,
                        .y_stride = y_stride,
                        .program = program.program()};
      Scratch scratch(kernels.conv_scratch(job, pool != nullptr ? pool->threads() : 1));
      kernels.conv(job, scratch.data(), pool);
    });
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t j = 0; j < y_stride; ++j) {
        const float got = y[static_cast<size_t>(row * y_stride + j)];
        if (j >= s.out_channels) {
          ASSERT_EQ(got, kUntouched) << what << ": behind pixel " << row;
          continue;
        }
        const Want& value = want[static_cast<size_t>(row * s.out_channels + j)];
        ASSERT_NEAR(double{got}, value.value, value.bound()) << what << " [" << row << ", " << j << "]";
      }
  }
}

TEST(DenseConv, ProgramsSeeTheirRowsAndColumns) {
  const Options every{.steps = Steps::EverySpread};
  for (int64_t kernel : {1, 2, 3, 5})
    for (int64_t stride : {1, 2, 3}) check(square(2, 9, 16, 8, kernel, stride, kernel / 2), every);
  check(square(1, 37, 3, 64, 7, 2, 3), every);
  check(square(1, 17, 6, 20, 3, 1, 2, 2), every);
  check(square(2, 12, 18, 40, 3, 1, 1), {.more_x = 7, .more_y = 5, .steps = Steps::EverySpread});
  check(square(2, 10, 12, 9, 3, 2, 0, 1, 3), {.more_x = 3, .more_y = 2, .steps = Steps::EverySpread});
  check(square(1, 9, 8, 80, 3, 1, 1, 2, 2), every);
  check(square(2, 15, 16, 36, 3, 1, 1), {.steps = Steps::EverySpread, .factors = Factors::BF16});
}

// Inputs beyond one band: lines of an image, several images in a band, parts of a line.
TEST(DenseConv, ProgramsSeeTheirRowsInEveryBand) {
  check(square(1, 60, 48, 10, 3, 1, 1), {.steps = Steps::EverySpread});
  check(square(9, 14, 80, 10, 3, 1, 1), {.steps = Steps::EverySpread});
  check(sized({.height = 3,
               .width = 400,
               .channels = 200,
               .out_channels = 6,
               .kernel_height = 3,
               .kernel_width = 3,
               .pad_top = 1,
               .pad_left = 1},
              1, 1),
        {.steps = Steps::EverySpread});
}

TEST(DenseConv, StepsThatTilesDoBeforeTheyStore) {
  for (Steps steps : kFoldedSteps) {
    check(square(2, 17, 8, 45, 3, 1, 1), {.steps = steps});
    check(square(2, 17, 8, 64, 3, 2, 1), {.more_y = 4, .steps = steps});
    check(square(1, 9, 8, 80, 3, 1, 1, 1, 2), {.steps = steps});
    check(square(3, 10, 20, 32, 1), {.steps = steps});
  }
}

TEST(DenseConv, ScalesWeightsAsItPacksThem) {
  const ConvShape plain = square(1, 9, 21, 37, 3, 1, 1), grouped = square(1, 9, 24, 36, 2, 1, 0, 1, 3),
                  one_tap = square(1, 9, 50, 70, 1), depthwise = square(1, 9, 37, 37, 3, 1, 1, 1, 37);
  struct Way {
    ConvShape shape;
    ConvAlgorithm algorithm;
    Factors factors;
  };
  for (const Way& way : {Way{plain, ConvAlgorithm::Direct, Factors::F32},
                         {plain, ConvAlgorithm::Direct, Factors::BF16},
                         {plain, ConvAlgorithm::Winograd, Factors::F32},
                         {grouped, ConvAlgorithm::Direct, Factors::F32},
                         {grouped, ConvAlgorithm::Direct, Factors::BF16},
                         {one_tap, ConvAlgorithm::Direct, Factors::F32},
                         {depthwise, ConvAlgorithm::Depthwise, Factors::F32}}) {
    const ConvShape& s = way.shape;
    const int64_t taps = s.channels / s.groups * s.kernel_height * s.kernel_width;
    const std::vector<float> w = normal_floats(s.out_channels * taps, 1), scale = normal_floats(s.out_channels, 2);
    std::vector<float> scaled = w;
    for (size_t i = 0; i < w.size(); ++i) scaled[i] *= scale[i / static_cast<size_t>(taps)];
    for (Isa isa : dense_sets_of_this_machine()) {
      const DenseKernels& kernels = dense_kernels(isa);
      const size_t bytes = kernels.packed_conv_bytes(s, way.algorithm, way.factors);
      Scratch want(bytes), got(bytes);
      kernels.pack_conv(scaled.data(), s, nullptr, way.algorithm, way.factors, want.data());
      kernels.pack_conv(w.data(), s, scale.data(), way.algorithm, way.factors, got.data());
      EXPECT_EQ(std::memcmp(want.data(), got.data(), bytes), 0)
          << to_string(isa) << " algorithm " << static_cast<int>(way.algorithm) << " groups " << s.groups;
    }
  }
}

TEST(DenseConv, ChoosesWhatServesTheShape) {
  for (Isa isa : dense_sets_of_this_machine()) {
    const auto choose = dense_kernels(isa).choose_conv;
    EXPECT_EQ(choose(square(1, 56, 64, 64, 3, 1, 1), Factors::F32), ConvAlgorithm::Winograd);
    EXPECT_EQ(choose(square(1, 56, 64, 64, 3, 1, 1), Factors::BF16),
              isa == Isa::Avx512 && has_bf16_dot() ? ConvAlgorithm::Winograd : ConvAlgorithm::Direct);
    EXPECT_EQ(choose(square(1, 56, 64, 64, 3, 2, 1), Factors::F32), ConvAlgorithm::Direct);
    EXPECT_EQ(choose(square(1, 56, 64, 64, 3, 1, 2, 2), Factors::F32), ConvAlgorithm::Direct);
    EXPECT_EQ(choose(square(1, 56, 3, 64, 3, 1, 1), Factors::F32), ConvAlgorithm::Direct);
    EXPECT_EQ(choose(square(1, 7, 512, 512, 3, 1, 1), Factors::F32), ConvAlgorithm::Direct);
    EXPECT_EQ(choose(square(8, 7, 512, 512, 3, 1, 1), Factors::F32), ConvAlgorithm::Winograd);
    EXPECT_EQ(choose(square(1, 56, 64, 64, 1), Factors::F32), ConvAlgorithm::Direct);
    EXPECT_EQ(choose(square(1, 56, 64, 64, 3, 1, 1, 1, 64), Factors::F32), ConvAlgorithm::Depthwise);
    EXPECT_EQ(choose(square(1, 56, 64, 128, 3, 1, 1, 1, 64), Factors::F32), ConvAlgorithm::Direct);
    EXPECT_EQ(choose({.channels = 64,
                      .out_height = 0,
                      .out_width = 0,
                      .out_channels = 64,
                      .kernel_height = 3,
                      .kernel_width = 3},
                     Factors::F32),
              ConvAlgorithm::Direct);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
