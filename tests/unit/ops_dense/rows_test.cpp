// Softmax, normalisation, means, transposition and pooling against plain loops in double.
#include <array>
#include <limits>

#include "each_isa.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::ops::cpu {
namespace {

template <auto kMember>
using EntryOf = std::remove_pointer_t<std::remove_cvref_t<decltype(std::declval<DenseKernels>().*kMember)>>;
using Softmax = EntryOf<&DenseKernels::softmax>;
using LayerNorm = EntryOf<&DenseKernels::layer_norm>;
using Means = EntryOf<&DenseKernels::column_means>;
using Transpose = EntryOf<&DenseKernels::transpose>;
using Pool = EntryOf<&DenseKernels::pool>;
const IsaEntry<Softmax> kSoftmax[] = HEARTH_EACH_ISA(dense_softmax);
const IsaEntry<LayerNorm> kLayerNorm[] = HEARTH_EACH_ISA(dense_layer_norm);
const IsaEntry<Means> kMeans[] = HEARTH_EACH_ISA(dense_column_means);
const IsaEntry<Transpose> kTranspose[] = HEARTH_EACH_ISA(dense_transpose);
const IsaEntry<Pool> kPool[] = HEARTH_EACH_ISA(dense_pool);

constexpr float kInf = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kGuard = 1234.5f;

// A result of n numbers by one thread, behind which nothing was written and which three threads give too.
template <class Run>
std::vector<float> checked(int64_t n, const Run& run) {
  static ThreadPool three(3);
  std::vector<float> y(static_cast<size_t>(n) + 32, kGuard), z = y;
  run(y.data(), static_cast<ThreadPool*>(nullptr));
  run(z.data(), &three);
  EXPECT_TRUE(same_bits(y, z)) << "three threads differ from one";
  for (size_t i = static_cast<size_t>(n); i < y.size(); ++i) EXPECT_EQ(y[i], kGuard) << "written beyond the result";
  y.resize(static_cast<size_t>(n));
  return y;
}

TEST(DenseRows, Softmax) {
  for (const auto& [rows, columns] :
       {std::array<int64_t, 2>{1, 1}, {5, 3}, {7, 17}, {3, 64}, {200, 128}, {9, 1000}, {2, 4099}}) {
    std::vector<float> x = random_numbers(rows * columns, 21, 8.0f);
    x[0] = -kInf;                    // alone in its row when there is one column
    if (columns > 2) x[2] = 300.0f;  // e^300 is no float
    on_each_isa(kSoftmax, [&, rows = rows, columns = columns](Softmax* run) {
      const std::vector<float> y =
          checked(rows * columns, [&](float* out, ThreadPool* pool) { run(x.data(), out, rows, columns, pool); });
      for (int64_t r = 0; r < rows; ++r) {
        double top = -INFINITY, sum = 0;
        for (int64_t c = 0; c < columns; ++c) top = std::fmax(top, x[static_cast<size_t>(r * columns + c)]);
        for (int64_t c = 0; c < columns; ++c) sum += std::exp(x[static_cast<size_t>(r * columns + c)] - top);
        for (int64_t c = 0; c < columns; ++c) {
          const size_t i = static_cast<size_t>(r * columns + c);
          ASSERT_TRUE(near(y[i], std::exp(x[i] - top) / sum, 1e-9, 3e-6)) << r << "," << c << " of " << columns;
        }
      }
      std::vector<float> place = x;
      run(place.data(), place.data(), rows, columns, nullptr);
      EXPECT_TRUE(same_bits(place, y)) << "in place";
    });
  }
}

TEST(DenseRows, SoftmaxOfHiddenAndOfBrokenRows) {
  on_each_isa(kSoftmax, [](Softmax* run) {
    constexpr size_t kColumns = 37;
    std::vector<float> x(4 * kColumns, -kInf);
    x[kColumns + 36] = 2;  // all but one hidden
    for (size_t i = 0; i < kColumns; ++i) x[2 * kColumns + i] = x[3 * kColumns + i] = static_cast<float>(i);
    x[2 * kColumns + 5] = kNaN;
    x[3 * kColumns + 6] = kInf;
    std::vector<float> y(x.size());
    run(x.data(), y.data(), 4, kColumns, nullptr);
    for (size_t i = 0; i < kColumns; ++i) {
      EXPECT_TRUE(std::isnan(y[i])) << "everything hidden";
      EXPECT_EQ(y[kColumns + i], i == 36 ? 1.0f : 0.0f);
      EXPECT_TRUE(std::isnan(y[2 * kColumns + i])) << "a NaN";
    }
    EXPECT_TRUE(std::isnan(y[3 * kColumns + 6])) << "inf / inf";
  });
}

TEST(DenseRows, LayerNorm) {
  for (const auto& [rows, columns] :
       {std::array<int64_t, 2>{1, 1}, {4, 5}, {3, 16}, {6, 77}, {70, 768}, {300, 384}, {2, 3001}})
    for (const bool shifted : {false, true}) {
      std::vector<float> x = random_numbers(rows * columns, 31, 2.0f);
      for (int64_t c = 0; c < columns; ++c) x[static_cast<size_t>(c)] += 100.0f;  // a mean far from 0
      const std::vector<float> scale = random_numbers(columns, 32), shift = random_numbers(columns, 33);
      on_each_isa(kLayerNorm, [&, rows = rows, columns = columns](LayerNorm* run) {
        const std::vector<float> y = checked(rows * columns, [&](float* out, ThreadPool* pool) {
          run(x.data(), scale.data(), shifted ? shift.data() : nullptr, 1e-5f, out, rows, columns, pool);
        });
        for (int64_t r = 0; r < rows; ++r) {
          const float* row = x.data() + r * columns;
          double mean = 0, variance = 0;
          for (int64_t c = 0; c < columns; ++c) mean += row[c];
          mean /= static_cast<double>(columns);
          for (int64_t c = 0; c < columns; ++c) variance += (row[c] - mean) * (row[c] - mean);
          variance /= static_cast<double>(columns);
          for (int64_t c = 0; c < columns; ++c) {
            const size_t i = static_cast<size_t>(c);
            const double want = (row[c] - mean) / std::sqrt(variance + 1e-5) * scale[i] + (shifted ? shift[i] : 0.0f);
            ASSERT_TRUE(near(y[static_cast<size_t>(r * columns + c)], want, columns == 1 ? 1e-6 : 4e-5, 4e-6))
                << r << "," << c << " of " << columns;
          }
        }
      });
    }
}

TEST(DenseRows, ColumnMeans) {
  for (const auto& [batch, rows, columns] :
       {std::array<int64_t, 3>{1, 1, 1}, {2, 49, 7}, {3, 65, 64}, {1, 49, 1280}, {2, 200, 131}, {1, 12544, 19}}) {
    const std::vector<float> x = random_numbers(batch * rows * columns, 41);
    on_each_isa(kMeans, [&, batch = batch, rows = rows, columns = columns](Means* run) {
      const std::vector<float> y = checked(
          batch * columns, [&](float* out, ThreadPool* pool) { run(x.data(), out, batch, rows, columns, pool); });
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t c = 0; c < columns; ++c) {
          double sum = 0;
          for (int64_t r = 0; r < rows; ++r) sum += x[static_cast<size_t>((b * rows + r) * columns + c)];
          ASSERT_TRUE(near(y[static_cast<size_t>(b * columns + c)], sum / static_cast<double>(rows), 1e-6, 1e-6));
        }
    });
  }
}

TEST(DenseRows, Transpose) {
  for (const auto& [batch, rows, columns] : {std::array<int64_t, 3>{1, 1, 9},
                                             {2, 9, 1},
                                             {2, 2, 31},
                                             {1, 3, 50176},
                                             {2, 5000, 3},
                                             {3, 4, 17},
                                             {2, 33, 4},
                                             {1, 5, 5},
                                             {2, 16, 16},
                                             {1, 64, 3136},
                                             {1, 3136, 64},
                                             {3, 37, 129},
                                             {2, 300, 21},
                                             {1, 8, 100}}) {
    const std::vector<float> x = random_numbers(batch * rows * columns, 51);
    on_each_isa(kTranspose, [&, batch = batch, rows = rows, columns = columns](Transpose* run) {
      const std::vector<float> y = checked(batch * rows * columns, [&](float* out, ThreadPool* pool) {
        run(x.data(), out, batch, rows, columns, pool);
      });
      for (int64_t b = 0; b < batch; ++b)
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t c = 0; c < columns; ++c)
            ASSERT_EQ(y[static_cast<size_t>((b * columns + c) * rows + r)],
                      x[static_cast<size_t>((b * rows + r) * columns + c)])
                << b << "," << r << "," << c << " of " << rows << "," << columns;
    });
  }
}

struct Window {
  int64_t batch, height, width, channels, kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int64_t top, left, bottom, right, extra;  // extra: windows that begin in reach but end beyond the padding (ceil mode)
};
constexpr Window kWindows[] = {
    {1, 112, 112, 64, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 0}, {1, 20, 20, 70, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 0},
    {2, 9, 13, 3, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 1},     {2, 7, 8, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 0},
    {1, 15, 14, 19, 3, 3, 2, 2, 1, 1, 0, 0, 0, 0, 1},   {1, 1, 40, 21, 1, 4, 1, 3, 1, 1, 0, 1, 0, 2, 0},
    {2, 12, 11, 65, 3, 2, 1, 2, 2, 3, 1, 0, 2, 1, 0},   {1, 7, 7, 130, 7, 7, 1, 1, 1, 1, 0, 0, 0, 0, 0},
    {1, 6, 9, 16, 4, 3, 2, 2, 1, 1, 3, 1, 3, 1, 0},     {1, 4, 3, 8, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 0}};

PoolJob pool_job(const Window& w) {
  PoolJob job;
  ConvShape& s = job.shape;
  s.batch = w.batch;
  s.height = w.height;
  s.width = w.width;
  s.channels = w.channels;
  s.kernel_height = w.kernel_h;
  s.kernel_width = w.kernel_w;
  s.stride_height = w.stride_h;
  s.stride_width = w.stride_w;
  s.dilation_height = w.dilation_h;
  s.dilation_width = w.dilation_w;
  s.pad_top = w.top;
  s.pad_left = w.left;
  job.pad_bottom = w.bottom;
  job.pad_right = w.right;
  s.out_height = (w.height + w.top + w.bottom - (w.kernel_h - 1) * w.dilation_h - 1) / w.stride_h + 1 + w.extra;
  s.out_width = (w.width + w.left + w.right - (w.kernel_w - 1) * w.dilation_w - 1) / w.stride_w + 1 + w.extra;
  return job;
}

double pooled(const PoolJob& job, int64_t b, int64_t oy, int64_t ox, int64_t c) {
  const ConvShape& s = job.shape;
  double most = -INFINITY, sum = 0;
  int64_t inside = 0, counted = 0;
  bool nan = false;
  for (int64_t ky = 0; ky < s.kernel_height; ++ky)
    for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
      const int64_t y = oy * s.stride_height - s.pad_top + ky * s.dilation_height;
      const int64_t x = ox * s.stride_width - s.pad_left + kx * s.dilation_width;
      if (y < s.height + job.pad_bottom && x < s.width + job.pad_right) ++counted;
      if (y < 0 || x < 0 || y >= s.height || x >= s.width) continue;
      ++inside;
      const double v = job.x[((b * s.height + y) * s.width + x) * s.channels + c];
      nan |= std::isnan(v);
      most = std::fmax(most, v);
      sum += v;
    }
  if (!job.average) return nan ? NAN : most;
  return sum / static_cast<double>(job.count_include_pad ? counted : inside);
}

TEST(DenseRows, Pool) {
  for (const Window& w : kWindows)
    for (const int kind : {0, 1, 2}) {
      PoolJob job = pool_job(w);
      job.average = kind > 0;
      job.count_include_pad = kind == 2;
      const ConvShape& s = job.shape;
      std::vector<float> x = random_numbers(s.batch * s.height * s.width * s.channels, 61);
      x[x.size() / 2] = kNaN;
      x[x.size() / 3] = kInf;
      x[x.size() / 4] = -kInf;
      job.x = x.data();
      on_each_isa(kPool, [&](Pool* run) {
        const std::vector<float> y =
            checked(s.batch * s.out_height * s.out_width * s.channels, [&](float* out, ThreadPool* pool) {
              job.y = out;
              run(job, pool);
            });
        size_t at = 0;
        for (int64_t b = 0; b < s.batch; ++b)
          for (int64_t oy = 0; oy < s.out_height; ++oy)
            for (int64_t ox = 0; ox < s.out_width; ++ox)
              for (int64_t c = 0; c < s.channels; ++c, ++at)
                ASSERT_TRUE(near(y[at], pooled(job, b, oy, ox, c), kind > 0 ? 2e-6 : 0, 0))
                    << "kind " << kind << " kernel " << s.kernel_height << "x" << s.kernel_width << " at " << oy << ","
                    << ox << "," << c;
      });
    }
}

}  // namespace
}  // namespace hearth::ops::cpu
