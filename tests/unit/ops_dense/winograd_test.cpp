// Winograd convolutions through the entries of each instruction set: threads, programs, scratch. What those of float32
// factors compute is held against ref by the inventory's cases (conv2d); those of rounded ones, which no case has, are
// held against loops in double here.
#include <cmath>

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/thread_pool.h"
#include "scratch.h"

namespace hearth::ops::cpu {
namespace {

struct ConvEntries {
  Isa isa;
  Factors factors;
  decltype(DenseKernels::packed_conv_bytes) packed_bytes;
  decltype(DenseKernels::pack_conv) pack;
  decltype(DenseKernels::conv_scratch) scratch;
  decltype(DenseKernels::conv) conv;
};
std::string name_of(const ConvEntries& e) {
  return std::string(to_string(e.isa)) + (e.factors == Factors::BF16 ? " bf16" : " f32");
}
#define ENTRIES(isa, name, factors)                                                                 \
  ConvEntries {                                                                                     \
    isa, factors, hearth_cpu_##name##_dense_packed_conv_bytes, hearth_cpu_##name##_dense_pack_conv, \
        hearth_cpu_##name##_dense_conv_scratch, hearth_cpu_##name##_dense_conv                      \
  }
const ConvEntries kEntries[] = {
    ENTRIES(Isa::Portable, portable, Factors::F32), ENTRIES(Isa::Portable, portable, Factors::BF16),
    ENTRIES(Isa::Avx2, avx2, Factors::F32),         ENTRIES(Isa::Avx2, avx2, Factors::BF16),
    ENTRIES(Isa::Avx512, avx512, Factors::F32),     ENTRIES(Isa::Avx512, avx512, Factors::BF16)};

struct Image {
  int64_t batch, height, width, channels, out_channels;
  int64_t top, left, bottom, right;  // padding
  int64_t x_gap = 0, y_gap = 0;      // floats between pixels that are not theirs
};

ConvShape shape_of(const Image& i) {
  ConvShape s;
  s.batch = i.batch;
  s.height = i.height;
  s.width = i.width;
  s.channels = i.channels;
  s.out_channels = i.out_channels;
  s.out_height = i.height + i.top + i.bottom - 2;
  s.out_width = i.width + i.left + i.right - 2;
  s.kernel_height = s.kernel_width = 3;
  s.pad_top = i.top;
  s.pad_left = i.left;
  return s;
}

struct Case {
  explicit Case(const Image& image) : i(image), s(shape_of(image)) {
    x_stride = i.channels + i.x_gap;
    y_stride = i.out_channels + i.y_gap;
    x = normal_floats(s.batch * s.height * s.width * x_stride, 1);
    for (size_t at = 0; at < x.size(); ++at)  // nobody may read the gaps
      if (static_cast<int64_t>(at) % x_stride >= i.channels) x[at] = std::nanf("");
    w = normal_floats(s.out_channels * s.channels * 9, 2);
    bias = normal_floats(s.out_channels, 3);
  }
  int64_t pixels() const { return s.batch * s.out_height * s.out_width; }

  std::vector<float> run(const ConvEntries& e, int threads, PointwiseProgram program = {}) const {
    Scratch packed(e.packed_bytes(s, ConvAlgorithm::Winograd, e.factors));
    e.pack(w.data(), s, nullptr, ConvAlgorithm::Winograd, e.factors, packed.data());
    std::vector<float> y(static_cast<size_t>(pixels() * y_stride), 7.0f);
    ConvJob job;
    job.shape = s;
    job.algorithm = ConvAlgorithm::Winograd;
    job.factors = e.factors;
    job.x = x.data();
    job.x_stride = x_stride;
    job.w = packed.data();
    job.bias = bias.data();
    job.y = y.data();
    job.y_stride = y_stride;
    job.program = program;
    Scratch scratch(e.scratch(job, threads));
    if (threads == 1) {
      e.conv(job, scratch.data(), nullptr);
    } else {
      ThreadPool pool(threads);
      e.conv(job, scratch.data(), &pool);
    }
    return y;
  }

  double expected(int64_t pixel, int64_t k) const {
    const int64_t ox = pixel % s.out_width, oy = pixel / s.out_width % s.out_height;
    double sum = double{bias[static_cast<size_t>(k)]};
    for (int64_t dy = 0; dy < 3; ++dy)
      for (int64_t dx = 0; dx < 3; ++dx) {
        const int64_t iy = oy + dy - s.pad_top, ix = ox + dx - s.pad_left;
        if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
        const int64_t from = pixel / s.out_width / s.out_height * s.height * s.width + iy * s.width + ix;
        for (int64_t c = 0; c < s.channels; ++c)
          sum += double{x[static_cast<size_t>(from * x_stride + c)]} *
                 double{w[static_cast<size_t>((k * s.channels + c) * 9 + dy * 3 + dx)]};
      }
    return sum;
  }

  Image i;
  ConvShape s;
  int64_t x_stride, y_stride;
  std::vector<float> x, w, bias;
};

const Image kImages[] = {
    {1, 8, 8, 16, 32, 1, 1, 1, 1},
    {1, 9, 7, 19, 37, 1, 1, 1, 1, 3, 5},  // ragged everywhere, gaps between pixels
    {2, 13, 22, 33, 70, 1, 1, 1, 1},      // tiles go over the border between images
    {1, 6, 6, 64, 8, 0, 0, 0, 0},         // one tile, nothing outside
    {1, 3, 3, 5, 3, 0, 0, 0, 0},          // one pixel
    {3, 1, 1, 7, 9, 1, 1, 1, 1},          // images smaller than the kernel
    {1, 5, 11, 24, 40, 2, 0, 0, 2},       // paddings that differ, and wider than a pixel
    {1, 4, 5, 3, 17, 3, 7, 6, 5},         // whole tiles outside the image
    {1, 40, 44, 48, 34, 1, 1, 1, 1},      // several blocks a thread
    {1, 14, 14, 80, 144, 1, 1, 1, 1},     // few tiles: threads share them
    {2, 7, 7, 300, 65, 1, 1, 1, 1, 0, 2},
};

// Rounding a normal number to 8 bits errs by 0.0015 of it (root mean square), the product of two by 0.0022. The
// transforms make 16 products of 36, of numbers that are sums themselves: 5/3 of that in the result, 0.0036 of a
// typical sum. None may be five times as far off.
TEST(Winograd, RoundedFactorsAgreeWithLoopsInDouble) {
  for (const Image& image : kImages) {
    const Case c(image);
    for (const ConvEntries& e : kEntries) {
      if (!missing_flags(e.isa).empty() || e.factors != Factors::BF16) continue;
      SCOPED_TRACE(testing::Message() << name_of(e) << " " << image.height << "x" << image.width << " "
                                      << image.channels << " to " << image.out_channels);
      const std::vector<float> y = c.run(e, 1);
      double worst = 0, squares = 0;
      for (int64_t p = 0; p < c.pixels(); ++p)
        for (int64_t k = 0; k < c.y_stride; ++k) {
          const float got = y[static_cast<size_t>(p * c.y_stride + k)];
          if (k >= image.out_channels) {
            ASSERT_EQ(got, 7.0f) << "written between pixels " << p << " and " << p + 1;
            continue;
          }
          const double error = std::fabs(double{got} - c.expected(p, k)) / (3 * std::sqrt(double(image.channels)));
          ASSERT_FALSE(std::isnan(error)) << "pixel " << p << " channel " << k;
          worst = std::max(worst, error);
          squares += error * error;
        }
      EXPECT_LT(worst, 0.018);
      EXPECT_LT(std::sqrt(squares / static_cast<double>(c.pixels() * image.out_channels)), 0.0045);
    }
  }
}

TEST(Winograd, PackingScalesEachOutputChannel) {
  const Case c(kImages[1]);
  const std::vector<float> scale = normal_floats(c.i.out_channels, 9);
  for (const ConvEntries& e : kEntries) {
    if (!missing_flags(e.isa).empty()) continue;
    std::vector<float> scaled = c.w;
    for (size_t i = 0; i < scaled.size(); ++i) scaled[i] *= scale[i / static_cast<size_t>(9 * c.i.channels)];
    const size_t bytes = e.packed_bytes(c.s, ConvAlgorithm::Winograd, e.factors);
    Scratch before(bytes), inside(bytes);
    e.pack(scaled.data(), c.s, nullptr, ConvAlgorithm::Winograd, e.factors, before.data());
    e.pack(c.w.data(), c.s, scale.data(), ConvAlgorithm::Winograd, e.factors, inside.data());
    EXPECT_EQ(std::memcmp(before.data(), inside.data(), bytes), 0) << name_of(e);
  }
}

// Also: nothing is written behind the scratch memory that was asked for.
TEST(Winograd, ThreadsDoNotChangeABit) {
  for (const Image& image : kImages) {
    const Case c(image);
    for (const ConvEntries& e : kEntries) {
      if (!missing_flags(e.isa).empty()) continue;
      const std::vector<float> one = c.run(e, 1);
      for (int threads : {2, 3, 8}) {
        const std::vector<float> many = c.run(e, threads);
        EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)), 0)
            << name_of(e) << " with " << threads << " threads " << image.height << "x" << image.width;
      }
    }
  }
}

// Which steps the kernel does itself depends on what they are and where they stand; `other` depends on row and column,
// so rows that it misplaces are seen.
TEST(Winograd, ProgramsSeeTheirRowsAndColumns) {
  for (const Image& image : {kImages[1], kImages[2], kImages[9]}) {
    const Case c(image);
    const int64_t columns = image.out_channels, half = c.pixels() / 2;
    const std::vector<float> other = normal_floats(c.pixels() * columns, 4, 9.0f), slope = normal_floats(columns, 5);
    const Operand operands[] = {{other.data(), Spread::Full, columns, c.pixels()},
                                {slope.data(), Spread::Column, 0, 1},
                                {other.data(), Spread::Full, columns, half}};
    const PointwiseStep add{Pointwise::Add, 0}, relu{Pointwise::Relu, -1}, prelu{Pointwise::Prelu, 1},
        clip{Pointwise::Clip, -1, -1.5f, 4.0f}, add_again{Pointwise::Add, 2};
    const auto after_prelu = [&](float v, int64_t k) { return v < 0 ? v * slope[static_cast<size_t>(k)] : v; };
    const std::vector<PointwiseStep> programs[] = {
        {add, relu}, {relu}, {relu, add}, {clip}, {prelu}, {add, prelu}, {add, clip}, {add_again, add, prelu, relu}};
    for (const ConvEntries& e : kEntries) {
      if (!missing_flags(e.isa).empty()) continue;
      const std::vector<float> plain = c.run(e, 1);
      for (const std::vector<PointwiseStep>& steps : programs)
        for (int threads : {1, 3}) {
          const std::vector<float> got = c.run(e, threads, {steps, operands});
          for (int64_t p = 0; p < c.pixels(); ++p)
            for (int64_t k = 0; k < columns; ++k) {
              const size_t at = static_cast<size_t>(p * c.y_stride + k);
              float want = plain[at];
              for (const PointwiseStep& step : steps) switch (step.op) {
                  case Pointwise::Add:
                    want += other[static_cast<size_t>((step.operand == 0 ? p : p % half) * columns + k)];
                    break;
                  case Pointwise::Relu:
                    want = std::max(want, 0.0f);
                    break;
                  case Pointwise::Clip:
                    want = std::min(std::max(want, -1.5f), 4.0f);
                    break;
                  default:
                    want = after_prelu(want, k);
                }
              ASSERT_EQ(got[at], want) << name_of(e) << " pixel " << p << " channel " << k << " program "
                                       << (&steps - programs);
            }
        }
    }
  }
}

TEST(Winograd, NanStaysThroughSteps) {
  Case c({1, 8, 8, 8, 8, 1, 1, 1, 1});
  c.x[static_cast<size_t>((5 * 8 + 5) * c.x_stride)] = std::nanf("");
  const std::vector<float> slope(8, 0.5f);
  const Operand operand{slope.data(), Spread::Column, 0, 1};
  for (const PointwiseStep& step : {PointwiseStep{Pointwise::Relu, -1}, PointwiseStep{Pointwise::Clip, -1, 0, 6},
                                    PointwiseStep{Pointwise::Prelu, 0}})
    for (const ConvEntries& e : kEntries) {
      if (!missing_flags(e.isa).empty()) continue;
      const std::vector<float> y = c.run(e, 1, {{&step, 1}, {&operand, 1}});
      for (int64_t iy = 4; iy <= 6; ++iy)
        for (int64_t ix = 4; ix <= 6; ++ix) EXPECT_TRUE(std::isnan(y[static_cast<size_t>((iy * 8 + ix) * c.y_stride)]));
    }
}

TEST(Winograd, ScratchDoesNotGrowWithTheImage) {
  for (const ConvEntries& e : kEntries) {
    ConvJob small, large;
    small.shape = shape_of({1, 64, 64, 64, 64, 1, 1, 1, 1});
    large.shape = shape_of({8, 1024, 1024, 64, 64, 1, 1, 1, 1});
    small.algorithm = large.algorithm = ConvAlgorithm::Winograd;
    small.factors = large.factors = e.factors;
    EXPECT_LE(e.scratch(large, 2), e.scratch(small, 2) * 3 / 2);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
