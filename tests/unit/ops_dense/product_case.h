// What the tests of matrix products and convolutions share: sets of this machine, sums in f64, programs.
#pragma once

#include <cmath>
#include <string>

#include "ops/cpu/dense.h"
#include "ops/cpu/thread_pool.h"
#include "scratch.h"

namespace hearth::ops::cpu {

inline std::vector<Isa> dense_sets_of_this_machine() {
  std::vector<Isa> sets;
  for (Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512})
    if (missing_flags(isa).empty()) sets.push_back(isa);
  return sets;
}

inline double factor(float x, Factors factors) {
  if (factors == Factors::F32) return double{x};
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&x, &bits, sizeof x);
  return double{x};
}

// An exact result, and what sums of the magnitudes in it may be off by in float32.
struct Want {
  double value = 0, magnitude = 0;
  void add(double x) {
    value += x;
    magnitude += std::fabs(x);
  }
  double bound() const { return 2e-6 * (magnitude + 1); }
};

// ((v * scale[column] + full[row, column]) * row_factor[row % 3]) clipped at -1 from below: a step of each spread.
class TestProgram {
 public:
  TestProgram(int64_t rows, int64_t columns)
      : columns_(columns),
        scale_(normal_floats(columns, 31)),
        full_(normal_floats(rows * (columns + 5), 32)),
        row_(normal_floats(3, 33)),
        operands_{{.data = scale_.data(), .spread = Spread::Column},
                  {.data = full_.data(), .spread = Spread::Full, .row_stride = columns + 5, .period = rows},
                  {.data = row_.data(), .spread = Spread::Row, .row_stride = 1, .period = 3},
                  {.data = &least_, .spread = Spread::Number}} {}
  PointwiseProgram program() const { return {steps_, operands_}; }
  Want apply(Want w, int64_t row, int64_t column) const {
    const double scale = double{scale_[static_cast<size_t>(column)]},
                 full = double{full_[static_cast<size_t>(row * (columns_ + 5) + column)]},
                 factor = double{row_[static_cast<size_t>(row % 3)]};
    w.value = std::max((w.value * scale + full) * factor, double{least_});
    w.magnitude = (w.magnitude * std::fabs(scale) + std::fabs(full)) * std::fabs(factor) + 1;
    return w;
  }

 private:
  int64_t columns_;
  float least_ = -1;
  std::vector<float> scale_, full_, row_;
  std::vector<PointwiseStep> steps_{{.op = Pointwise::Mul, .operand = 0},
                                    {.op = Pointwise::Add, .operand = 1},
                                    {.op = Pointwise::Mul, .operand = 2},
                                    {.op = Pointwise::Max, .operand = 3}};
  std::vector<Operand> operands_;
};

// Runs job(pool, result) for no pool and for pools of 2 and 3 threads; all must give the first one's bits, which are
// returned. The result has `count` floats, each `untouched` at first.
inline constexpr float kUntouched = 12345.5f;
template <class Job>
std::vector<float> run_with_threads(int64_t count, const std::string& what, const Job& job) {
  static ThreadPool two(2), three(3);
  std::vector<float> first;
  for (ThreadPool* pool : {static_cast<ThreadPool*>(nullptr), &two, &three}) {
    std::vector<float> result(static_cast<size_t>(count), kUntouched);
    job(pool, result.data());
    if (first.empty())
      first = result;
    else
      EXPECT_EQ(std::memcmp(first.data(), result.data(), result.size() * sizeof(float)), 0)
          << what << ", " << pool->threads() << " threads differ from one";
  }
  return first;
}

}  // namespace hearth::ops::cpu
