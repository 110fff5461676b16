// Softmax of rows in place and of rows without an answer. Sizes are the inventory's cases (softmax).
#include <array>
#include <limits>

#include "each_isa.h"
#include "ops/cpu/thread_pool.h"

namespace hearth::ops::cpu {
namespace {

using Softmax = std::remove_pointer_t<decltype(DenseKernels::softmax)>;
const IsaEntry<Softmax> kSoftmax[] = HEARTH_EACH_ISA(dense_softmax);

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

TEST(DenseSoftmax, MayBeInPlace) {
  for (const auto& [rows, columns] : {std::array<int64_t, 2>{5, 3}, {7, 17}, {200, 128}, {2, 4099}}) {
    std::vector<float> x = random_numbers(rows * columns, 21, 8.0f);
    x[2] = 300.0f;  // e^300 is no float
    on_each_isa(kSoftmax, [&, rows = rows, columns = columns](Softmax* run) {
      const std::vector<float> y =
          checked(rows * columns, [&](float* out, ThreadPool* pool) { run(x.data(), out, rows, columns, pool); });
      std::vector<float> place = x;
      run(place.data(), place.data(), rows, columns, nullptr);
      EXPECT_TRUE(same_bits(place, y));
      EXPECT_EQ(y[2], 1.0f);
    });
  }
}

TEST(DenseSoftmax, HiddenAndBrokenRows) {
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

}  // namespace
}  // namespace hearth::ops::cpu
