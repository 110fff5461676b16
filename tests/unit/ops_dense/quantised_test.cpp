// Products, convolutions and pools of bytes in every instruction set, against plain loops over integers.
#include "ops/cpu/quantised.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "product_case.h"

namespace hearth::ops::cpu {
namespace {

template <class T>
std::vector<T> random_integers(int64_t count, uint32_t seed, int low, int high) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> numbers(low, high);
  std::vector<T> made(static_cast<size_t>(count));
  for (T& x : made) x = static_cast<T>(numbers(random));
  return made;
}

std::vector<uint8_t> random_bytes(int64_t count, uint32_t seed) {
  return random_integers<uint8_t>(count, seed, 0, 255);
}

int32_t number(uint8_t byte, ByteType type) {
  return type == ByteType::I8 ? static_cast<int8_t>(byte) : byte;
}

float held(float v, const Quantum& q) {  // rounded and clamped, zero point added
  const float low = static_cast<float>(q.low - q.zero), high = static_cast<float>(q.high - q.zero);
  const float whole = std::nearbyint(v * (1.0f / q.scale));
  return std::min(std::max(std::isnan(whole) ? low : whole, low), high) + static_cast<float>(q.zero);
}

// What a test finishes sums with.
enum class Ending { Floats, Bytes, SumBias, Residual, Between, Program };
constexpr Ending kEndings[] = {Ending::Floats,   Ending::Bytes,   Ending::SumBias,
                               Ending::Residual, Ending::Between, Ending::Program};

class TestFinish {
 public:
  TestFinish(Ending ending, int64_t rows, int64_t n, int64_t k)
      : ending_(ending), rows_(rows), n_(n), added_(random_bytes(rows * n, 23)) {
    const float size = 1.0f / (1000.0f * std::sqrt(static_cast<float>(k + 1)));
    for (const float x : normal_floats(n, 21)) scale_.push_back(size * (0.5f + std::abs(x)));
    bias_ = normal_floats(n, 22);
    sum_bias_ = random_integers<int32_t>(n, 24, -5000, 5000);
    slope_ = normal_floats(n, 25);
    operand_ = {.data = slope_.data(), .spread = Spread::Column};
  }
  bool bytes() const { return ending_ != Ending::Floats; }
  QuantisedFinish over(void* y) const {
    QuantisedFinish f;
    f.scale = scale_.data();
    f.factor = 1.5f;
    f.y = y;
    f.y_stride = n_;
    if (ending_ == Ending::SumBias)
      f.sum_bias = sum_bias_.data();
    else
      f.bias = bias_.data();
    if (ending_ == Ending::Residual || ending_ == Ending::Between) {
      f.added = added_.data();
      f.added_stride = n_;
      f.addend = addend_;
    }
    if (ending_ == Ending::Between) f.between = &between_;
    if (ending_ == Ending::Program) f.program = {steps_, std::span(&operand_, 1)};
    if (bytes()) f.out = &out_;
    return f;
  }
  float want(uint32_t sum, int64_t row, int64_t column) const {
    const auto at = static_cast<size_t>(column);
    if (ending_ == Ending::SumBias) sum += static_cast<uint32_t>(sum_bias_[at]);
    float v = static_cast<float>(static_cast<int32_t>(sum)) * (scale_[at] * 1.5f);
    if (ending_ != Ending::SumBias) v += bias_[at];
    if (ending_ == Ending::Between) v = (held(v, between_) - static_cast<float>(between_.zero)) * between_.scale;
    if (ending_ == Ending::Residual || ending_ == Ending::Between)
      v += static_cast<float>(number(added_[static_cast<size_t>(row * n_ + column)], addend_.type) - addend_.zero) *
           addend_.scale;
    if (ending_ == Ending::Program) v = std::max(0.0f, v * slope_[at]);
    return bytes() ? held(v, out_) : v;
  }
  // Every element of a result whose sums `sum(row, column)` gives.
  template <class Sum>
  void expect(const std::vector<float>& result, const Sum& sum) const {
    const auto* y = reinterpret_cast<const uint8_t*>(result.data());
    for (int64_t row = 0; row < rows_; ++row)
      for (int64_t column = 0; column < n_; ++column) {
        const int64_t at = row * n_ + column;
        const float wanted = want(sum(row, column), row, column);
        const float got = bytes() ? static_cast<float>(number(y[at], out_.type)) : result[static_cast<size_t>(at)];
        ASSERT_EQ(got, wanted) << "ending " << static_cast<int>(ending_) << ", row " << row << ", column " << column;
      }
  }
  int64_t floats() const { return bytes() ? (rows_ * n_ + 3) / 4 : rows_ * n_; }

 private:
  Ending ending_;
  int64_t rows_, n_;
  std::vector<float> scale_, bias_, slope_;
  std::vector<int32_t> sum_bias_;
  std::vector<uint8_t> added_;
  Quantum out_{.type = ByteType::I8, .scale = 0.0625f, .zero = 3, .low = -100, .high = 127};
  Quantum between_{.type = ByteType::U8, .scale = 0.0625f, .zero = 100, .low = 90, .high = 255};
  Quantum addend_{.type = ByteType::I8, .scale = 0.03125f, .zero = -7, .low = -128, .high = 127};
  std::vector<PointwiseStep> steps_{{.op = Pointwise::Mul, .operand = 0}, {.op = Pointwise::Relu}};
  Operand operand_;
};

struct Sides {
  ByteType type;
  int32_t zero;
  bool weight_zeros;
};
constexpr Sides kSides[] = {{ByteType::U8, 0, false},
                            {ByteType::U8, 131, false},
                            {ByteType::I8, 0, false},
                            {ByteType::I8, -128, true},
                            {ByteType::U8, 7, true}};

void test_matmul(Isa isa, int64_t m, int64_t n, int64_t k, const Sides& sides, Ending ending, int extreme = 0) {
  SCOPED_TRACE(fmt::format("{} {} x {} x {}, type {} zero {} weight zeros {}", to_string(isa), m, n, k,
                           static_cast<int>(sides.type), sides.zero, sides.weight_zeros));
  const auto& kernels = quantised_kernels(isa);
  auto a = random_bytes(m * k, 1);
  auto b = random_integers<int8_t>(k * n, 2, -128, 127);
  auto zeros = random_integers<int32_t>(n, 3, -256, 255);
  if (extreme != 0) {  // the largest products there are
    std::fill(a.begin(), a.end(), sides.type == ByteType::I8 ? 128 : 255);
    std::fill(b.begin(), b.end(), static_cast<int8_t>(extreme));
  }
  Scratch packed(kernels.packed_matrix_bytes(k, n));
  kernels.pack_matrix(b.data(), n, 1, k, n, packed.data());
  const TestFinish finish(ending, m, n, k);
  const auto result = run_with_threads(finish.floats(), "product of bytes", [&](ThreadPool* pool, float* y) {
    QuantisedMatmulJob job{.m = m, .n = n, .k = k, .a = a.data(), .a_type = sides.type, .a_zero = sides.zero, .lda = k};
    job.b = packed.data();
    job.b_zero = sides.weight_zeros ? zeros.data() : nullptr;
    job.finish = finish.over(y);
    Scratch scratch(kernels.matmul_scratch(job, pool != nullptr ? pool->threads() : 1));
    kernels.matmul(job, scratch.data(), pool);
  });
  finish.expect(result, [&](int64_t row, int64_t column) {
    uint32_t sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      const int32_t x = number(a[static_cast<size_t>(row * k + i)], sides.type) - sides.zero;
      const int32_t w =
          b[static_cast<size_t>(i * n + column)] - (sides.weight_zeros ? zeros[static_cast<size_t>(column)] : 0);
      sum += static_cast<uint32_t>(x * w);
    }
    return sum;
  });
}

TEST(QuantisedMatmul, EveryTypeSizeAndEnding) {
  constexpr int64_t kSizes[][3] = {{1, 1, 1},    {1, 70, 5},   {3, 17, 4},  {14, 32, 64}, {15, 33, 63},
                                   {29, 65, 31}, {7, 100, 96}, {64, 8, 12}, {2, 5, 300}};
  for (const Isa isa : dense_sets_of_this_machine())
    for (const auto& [m, n, k] : kSizes)
      for (const Sides& sides : kSides)
        for (const Ending ending : kEndings) test_matmul(isa, m, n, k, sides, ending);
}

TEST(QuantisedMatmul, ManyThreadsAndBlocks) {
  for (const Isa isa : dense_sets_of_this_machine()) {
    test_matmul(isa, 150, 130, 260, kSides[1], Ending::Bytes);
    test_matmul(isa, 60, 40, 4100, kSides[3], Ending::Residual);
  }
}

TEST(QuantisedMatmul, TheLargestProductsDoNotSaturate) {
  for (const Isa isa : dense_sets_of_this_machine())
    for (const Sides& sides : kSides)
      for (const int weight : {-128, 127}) test_matmul(isa, 5, 40, 258, sides, Ending::Floats, weight);
}

TEST(QuantisedMatmul, OtherOrdersOfTheWeights) {
  for (const Isa isa : dense_sets_of_this_machine()) {
    const auto& kernels = quantised_kernels(isa);
    const int64_t n = 35, k = 19;
    const auto b = random_integers<int8_t>(k * n, 2, -128, 127);
    std::vector<int8_t> turned(b.size());
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < n; ++j) turned[static_cast<size_t>(j * k + i)] = b[static_cast<size_t>(i * n + j)];
    const size_t bytes = kernels.packed_matrix_bytes(k, n);
    Scratch first(bytes), second(bytes);
    kernels.pack_matrix(b.data(), n, 1, k, n, first.data());
    kernels.pack_matrix(turned.data(), 1, k, k, n, second.data());
    EXPECT_EQ(std::memcmp(first.data(), second.data(), bytes), 0);
  }
}

TEST(QuantisedMatmul, NoRows) {
  for (const Isa isa : dense_sets_of_this_machine()) test_matmul(isa, 0, 5, 3, kSides[1], Ending::Bytes);
}

ConvShape conv_shape(int64_t batch, int64_t height, int64_t width, int64_t channels, int64_t out_channels,
                     int64_t kernel, int64_t stride, int64_t dilation, int64_t pad, int64_t groups) {
  ConvShape s{.batch = batch, .height = height, .width = width, .channels = channels, .out_channels = out_channels};
  s.kernel_height = s.kernel_width = kernel;
  s.stride_height = s.stride_width = stride;
  s.dilation_height = s.dilation_width = dilation;
  s.pad_top = s.pad_left = pad;
  s.groups = groups;
  const auto out = [&](int64_t size) { return (size + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1; };
  s.out_height = out(height);
  s.out_width = out(width);
  return s;
}

void test_conv(Isa isa, const ConvShape& s, const Sides& sides, Ending ending) {
  SCOPED_TRACE(fmt::format("{} {}x{}x{}x{} to {}, kernel {} stride {} dilation {} pad {} groups {}, type {} zero {} {}",
                           to_string(isa), s.batch, s.height, s.width, s.channels, s.out_channels, s.kernel_width,
                           s.stride_width, s.dilation_width, s.pad_left, s.groups, static_cast<int>(sides.type),
                           sides.zero, sides.weight_zeros));
  const auto& kernels = quantised_kernels(isa);
  const int64_t depth = s.channels / s.groups, taps = s.kernel_height * s.kernel_width, n = s.out_channels;
  const auto x = random_bytes(s.batch * s.height * s.width * s.channels, 1);
  const auto w = random_integers<int8_t>(n * depth * taps, 2, -128, 127);
  const auto zeros = random_integers<int32_t>(n, 3, -256, 255);
  Scratch packed(kernels.packed_conv_bytes(s));
  kernels.pack_conv(w.data(), s, packed.data());
  const TestFinish finish(ending, s.batch * s.out_height * s.out_width, n, depth * taps);
  const auto result = run_with_threads(finish.floats(), "convolution of bytes", [&](ThreadPool* pool, float* y) {
    QuantisedConvJob job{.shape = s, .x = x.data(), .x_type = sides.type, .x_zero = sides.zero, .w = packed.data()};
    job.w_zero = sides.weight_zeros ? zeros.data() : nullptr;
    job.finish = finish.over(y);
    Scratch scratch(kernels.conv_scratch(job, pool != nullptr ? pool->threads() : 1));
    kernels.conv(job, scratch.data(), pool);
  });
  finish.expect(result, [&](int64_t row, int64_t column) {
    const int64_t ox = row % s.out_width, oy = row / s.out_width % s.out_height,
                  image = row / s.out_width / s.out_height;
    const int64_t first = column / (n / s.groups) * depth;
    uint32_t sum = 0;
    for (int64_t i = 0; i < s.kernel_height; ++i)
      for (int64_t j = 0; j < s.kernel_width; ++j) {
        const int64_t iy = oy * s.stride_height - s.pad_top + i * s.dilation_height,
                      ix = ox * s.stride_width - s.pad_left + j * s.dilation_width;
        if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
        for (int64_t c = 0; c < depth; ++c) {
          const auto at = static_cast<size_t>(((image * s.height + iy) * s.width + ix) * s.channels + first + c);
          const auto of = static_cast<size_t>((column * depth + c) * taps + i * s.kernel_width + j);
          const int32_t zero = sides.weight_zeros ? zeros[static_cast<size_t>(column)] : 0;
          sum += static_cast<uint32_t>((number(x[at], sides.type) - sides.zero) * (w[of] - zero));
        }
      }
    return sum;
  });
}

TEST(QuantisedConv, EveryTypeShapeAndEnding) {
  const ConvShape shapes[] = {
      conv_shape(1, 5, 5, 3, 8, 3, 1, 1, 1, 1),      conv_shape(2, 9, 7, 16, 33, 3, 2, 1, 1, 1),
      conv_shape(1, 6, 6, 8, 5, 1, 1, 1, 0, 1),      conv_shape(2, 8, 8, 12, 40, 1, 2, 1, 0, 1),
      conv_shape(1, 11, 13, 4, 6, 3, 1, 2, 2, 1),    conv_shape(1, 7, 7, 8, 12, 3, 1, 1, 0, 2),
      conv_shape(1, 7, 7, 6, 9, 3, 1, 1, 1, 3),      conv_shape(1, 7, 7, 24, 24, 3, 1, 1, 1, 24),
      conv_shape(2, 12, 11, 37, 37, 5, 2, 1, 2, 37), conv_shape(1, 9, 19, 16, 16, 3, 1, 2, 2, 16),
  };
  for (const Isa isa : dense_sets_of_this_machine())
    for (const ConvShape& shape : shapes)
      for (const Sides& sides : kSides)
        for (const Ending ending : kEndings) test_conv(isa, shape, sides, ending);
}

TEST(QuantisedConv, ManyBands) {
  for (const Isa isa : dense_sets_of_this_machine()) {
    test_conv(isa, conv_shape(1, 60, 60, 64, 20, 3, 1, 1, 1, 1), kSides[1], Ending::Bytes);
    test_conv(isa, conv_shape(1, 3, 2100, 64, 4, 3, 1, 1, 1, 1), kSides[2], Ending::Bytes);
    test_conv(isa, conv_shape(9, 14, 14, 48, 36, 3, 1, 1, 1, 1), kSides[2], Ending::Residual);
  }
}

TEST(QuantisedConv, NoImages) {
  for (const Isa isa : dense_sets_of_this_machine())
    test_conv(isa, conv_shape(0, 5, 5, 3, 8, 3, 1, 1, 1, 1), kSides[1], Ending::Bytes);
}

TEST(QuantisedPool, MaximaOfBothTypes) {
  for (const Isa isa : dense_sets_of_this_machine())
    for (const ByteType type : {ByteType::U8, ByteType::I8})
      for (const int64_t channels : {1, 19, 64}) {
        const ConvShape s = conv_shape(2, 9, 8, channels, channels, 3, 2, 1, 1, 1);
        const auto x = random_bytes(s.batch * s.height * s.width * channels, 5);
        ThreadPool two(2);
        std::vector<uint8_t> y(static_cast<size_t>(s.batch * s.out_height * s.out_width * channels));
        quantised_kernels(isa).max_pool({.shape = s, .type = type, .x = x.data(), .y = y.data()}, &two);
        for (int64_t at = 0; at < static_cast<int64_t>(y.size()); ++at) {
          const int64_t c = at % channels, ox = at / channels % s.out_width,
                        oy = at / channels / s.out_width % s.out_height,
                        image = at / channels / s.out_width / s.out_height;
          int32_t most = -1000;
          for (int64_t iy = std::max<int64_t>(0, oy * 2 - 1); iy < std::min(s.height, oy * 2 + 2); ++iy)
            for (int64_t ix = std::max<int64_t>(0, ox * 2 - 1); ix < std::min(s.width, ox * 2 + 2); ++ix)
              most = std::max(
                  most, number(x[static_cast<size_t>(((image * s.height + iy) * s.width + ix) * channels + c)], type));
          ASSERT_EQ(number(y[static_cast<size_t>(at)], type), most) << to_string(isa) << " element " << at;
        }
      }
}

TEST(QuantisedBytes, ThereAndBack) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const Isa isa : dense_sets_of_this_machine())
    for (const Quantum& q : {Quantum{.type = ByteType::U8, .scale = 0.1f, .zero = 128},
                             Quantum{.type = ByteType::I8, .scale = 0.25f, .zero = -5, .low = -128, .high = 127}}) {
      auto x = normal_floats(70001, 3, 20.0f);
      const float special[] = {0.125f, 0.375f, -0.125f, -0.375f, inf, -inf, std::nanf(""), 1e30f, -1e30f, 12.8f};
      std::copy(std::begin(special), std::end(special), x.begin() + 5);
      const auto count = static_cast<int64_t>(x.size());
      ThreadPool two(2);
      std::vector<uint8_t> y(x.size());
      quantised_kernels(isa).quantise(x.data(), y.data(), count, q, &two);
      std::vector<float> back(x.size());
      quantised_kernels(isa).dequantise(y.data(), back.data(), count, q, &two);
      for (size_t i = 0; i < x.size(); ++i) {
        const double whole = std::isnan(x[i]) ? -1e9 : std::nearbyint(double{x[i] / q.scale}) + q.zero;
        const auto want = static_cast<int32_t>(std::clamp<double>(whole, q.low, q.high));
        ASSERT_EQ(number(y[i], q.type), want) << to_string(isa) << " of " << x[i];
        ASSERT_EQ(back[i], static_cast<float>(want - q.zero) * q.scale);
      }
    }
}

TEST(QuantisedBytes, RangesHoldZero) {
  for (const Isa isa : dense_sets_of_this_machine()) {
    ThreadPool two(2);
    const auto range = [&](const std::vector<float>& x) {
      float least = 7, most = 7;
      quantised_kernels(isa).range(x.data(), static_cast<int64_t>(x.size()), &least, &most, &two);
      return std::pair(least, most);
    };
    EXPECT_EQ(range({}), std::pair(0.0f, 0.0f));
    EXPECT_EQ(range({1, 2, 3}), std::pair(0.0f, 3.0f));
    EXPECT_EQ(range({-1, std::nanf(""), -3}), std::pair(-3.0f, 0.0f));
    auto many = normal_floats(100003, 4);
    many[70001] = -50;
    many[100002] = 60;
    EXPECT_EQ(range(many), std::pair(-50.0f, 60.0f));
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
