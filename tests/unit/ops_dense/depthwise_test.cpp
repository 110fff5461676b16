// Depthwise convolutions with programs, against plain loops in double. Shapes are the inventory's cases (conv2d).
#include <array>

#include "each_isa.h"
#include "ops/cpu/thread_pool.h"

#define HEARTH_DEPTHWISE(isa) \
  extern "C" void hearth_cpu_##isa##_dense_depthwise(const hearth::ops::cpu::ConvJob&, hearth::ops::cpu::ThreadPool*);
HEARTH_DEPTHWISE(portable)
HEARTH_DEPTHWISE(avx2)
HEARTH_DEPTHWISE(avx512)

namespace hearth::ops::cpu {
namespace {

using Depthwise = decltype(hearth_cpu_portable_dense_depthwise);
const IsaEntry<Depthwise> kDepthwise[] = HEARTH_EACH_ISA(dense_depthwise);

struct Case {
  int64_t batch, height, width, channels, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, top, left;
  int64_t out_height, out_width;
};
constexpr Case kTilesOfSeven = {1, 14, 14, 48, 3, 3, 1, 1, 1, 1, 1, 1, 14, 14};
constexpr Case kTwoTilesARow = {2, 9, 16, 33, 3, 3, 1, 1, 1, 1, 1, 1, 9, 16};  // and a channel too many for vectors

struct Memory {
  ConvJob job;
  std::vector<float> x, weights, bias, packed;
  std::vector<double> wanted;
};

// As dense_depthwise.h has it: blocks of as many channels as the vector has lanes, [taps][lanes] each.
std::vector<float> packed_weights(const ConvShape& s, const std::vector<float>& w, int64_t lanes) {
  const int64_t taps = s.kernel_height * s.kernel_width;
  std::vector<float> packed;
  for (int64_t c = 0; c < s.channels; c += lanes)
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t l = c; l < c + lanes; ++l)
        packed.push_back(l < s.channels ? w[static_cast<size_t>(l * taps + t)] : 0);
  return packed;
}

Memory memory_of(const Case& c, bool with_bias) {
  Memory m;
  ConvShape& s = m.job.shape;
  s = {c.batch,    c.height,   c.width,    c.channels,   c.out_height, c.out_width, c.channels, c.kernel_h,
       c.kernel_w, c.stride_h, c.stride_w, c.dilation_h, c.dilation_w, c.top,       c.left,     c.channels};
  m.job.algorithm = ConvAlgorithm::Depthwise;
  m.job.x_stride = c.channels;
  m.job.y_stride = c.channels;
  m.x = random_numbers(c.batch * c.height * c.width * m.job.x_stride, 71);
  m.weights = random_numbers(c.channels * c.kernel_h * c.kernel_w, 72);
  m.bias = random_numbers(c.channels, 73);
  m.job.x = m.x.data();
  m.job.bias = with_bias ? m.bias.data() : nullptr;
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t oy = 0; oy < c.out_height; ++oy)
      for (int64_t ox = 0; ox < c.out_width; ++ox)
        for (int64_t ch = 0; ch < c.channels; ++ch) {
          double sum = with_bias ? m.bias[static_cast<size_t>(ch)] : 0;
          for (int64_t ky = 0; ky < c.kernel_h; ++ky)
            for (int64_t kx = 0; kx < c.kernel_w; ++kx) {
              const int64_t y = oy * c.stride_h - c.top + ky * c.dilation_h,
                            x = ox * c.stride_w - c.left + kx * c.dilation_w;
              if (y < 0 || x < 0 || y >= c.height || x >= c.width) continue;
              sum += static_cast<double>(
                         m.x[static_cast<size_t>(((b * c.height + y) * c.width + x) * m.job.x_stride + ch)]) *
                     m.weights[static_cast<size_t>((ch * c.kernel_h + ky) * c.kernel_w + kx)];
            }
          m.wanted.push_back(sum);
        }
  return m;
}

std::vector<float> run_depthwise(Memory& m, Depthwise* run, Isa isa, ThreadPool* pool) {
  m.packed = packed_weights(m.job.shape, m.weights, isa == Isa::Avx512 ? 16 : 8);
  m.job.w = m.packed.data();
  const int64_t pixels = m.job.shape.batch * m.job.shape.out_height * m.job.shape.out_width;
  std::vector<float> y(static_cast<size_t>(pixels * m.job.y_stride), 99.0f);
  m.job.y = y.data();
  run(m.job, pool);
  return y;
}

TEST(Depthwise, TheProgramSeesItsRowsAndColumnsOnce) {
  ThreadPool three(3);
  const Case c = kTwoTilesARow;
  Memory m = memory_of(c, true);
  const int64_t pixels = c.batch * c.out_height * c.out_width;
  const std::vector<float> column = random_numbers(c.channels, 74), full = random_numbers(pixels * c.channels, 75),
                           row = random_numbers(pixels, 76);
  const Operand operands[] = {{column.data(), Spread::Column},
                              {full.data(), Spread::Full, c.channels, pixels},
                              {row.data(), Spread::Row, 1, pixels}};
  const PointwiseStep clip_first[] = {{Pointwise::Clip, -1, -1.5f, 1.0f}, {Pointwise::Add, 0}, {Pointwise::Mul, 2}};
  const PointwiseStep relu_only[] = {{Pointwise::Relu}};
  const PointwiseStep add_first[] = {{Pointwise::Add, 1}, {Pointwise::Relu}};
  const PointwiseStep slopes_first[] = {
      {Pointwise::Prelu, 0}, {Pointwise::Add, 1}, {Pointwise::Mul, 2}, {Pointwise::Abs}};
  for (const auto& e : kDepthwise) {
    if (!missing_flags(e.isa).empty()) continue;
    for (const std::span<const PointwiseStep> steps :
         {std::span<const PointwiseStep>(clip_first), std::span<const PointwiseStep>(relu_only),
          std::span<const PointwiseStep>(add_first), std::span<const PointwiseStep>(slopes_first)}) {
      m.job.program = {steps, operands};
      const std::vector<float> y = run_depthwise(m, e.entry, e.isa, nullptr);
      for (size_t i = 0; i < y.size(); ++i) {
        const size_t ch = i % static_cast<size_t>(c.channels);
        const double v = m.wanted[i];
        const double number = row[i / static_cast<size_t>(c.channels)];
        const double want = steps.size() == 4   ? std::fabs(((v < 0 ? v * column[ch] : v) + full[i]) * number)
                            : steps.size() == 3 ? (std::fmin(1.0, std::fmax(-1.5, v)) + column[ch]) * number
                            : steps.size() == 1 ? std::fmax(v, 0)
                                                : std::fmax(v + full[i], 0);
        ASSERT_TRUE(near(y[i], want, 2e-5, 2e-6)) << to_string(e.isa) << " number " << i;
      }
      EXPECT_TRUE(same_bits(run_depthwise(m, e.entry, e.isa, &three), y));
    }
    m.job.program = {};
  }
}

TEST(Depthwise, NaNStaysInItsWindows) {
  const Case c = kTilesOfSeven;
  Memory m = memory_of(c, false);
  const PointwiseStep clip[] = {{Pointwise::Clip, -1, 0.0f, 6.0f}};
  m.job.program = {clip, {}};
  m.x[static_cast<size_t>((4 * c.width + 6) * c.channels + 20)] = NAN;  // row 4, column 6, channel 20
  for (const auto& e : kDepthwise) {
    if (!missing_flags(e.isa).empty()) continue;
    const std::vector<float> y = run_depthwise(m, e.entry, e.isa, nullptr);
    for (int64_t oy = 0; oy < c.out_height; ++oy)
      for (int64_t ox = 0; ox < c.out_width; ++ox)
        for (int64_t ch = 0; ch < c.channels; ++ch)
          ASSERT_EQ(std::isnan(y[static_cast<size_t>((oy * c.out_width + ox) * c.channels + ch)]),
                    ch == 20 && std::abs(oy - 4) <= 1 && std::abs(ox - 6) <= 1)
              << to_string(e.isa) << " " << oy << "," << ox << "," << ch;
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
