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

// The programs that tests run. All but the first begin with what a tile does before it stores.
enum class Steps {
  None,
  EverySpread,  // max((v * scale[column] + full[row, column]) * factor[row % 3], -1)
  AddRelu,      // max(v + full[row, column], 0) * scale[column]
  AddPeriodic,  // min(max(v + full[row % 5, column], -1), 0.5)
  Clip,         // min(max(v, -1), 0.5) * scale[column]
  Prelu,        // (v < 0 ? v * scale[column] : v) + full[row, column]
};
inline constexpr Steps kFoldedSteps[] = {Steps::AddRelu, Steps::AddPeriodic, Steps::Clip, Steps::Prelu};

class TestProgram {
 public:
  TestProgram(Steps kind, int64_t rows, int64_t columns)
      : kind_(kind),
        columns_(columns),
        period_(kind == Steps::AddPeriodic ? 5 : rows),
        scale_(normal_floats(columns, 31)),
        full_(normal_floats(period_ * (columns + 5), 32)),
        row_(normal_floats(3, 33)),
        operands_{{.data = scale_.data(), .spread = Spread::Column},
                  {.data = full_.data(), .spread = Spread::Full, .row_stride = columns + 5, .period = period_},
                  {.data = row_.data(), .spread = Spread::Row, .row_stride = 1, .period = 3},
                  {.data = &least_, .spread = Spread::Number}} {
    const PointwiseStep mul{.op = Pointwise::Mul, .operand = 0}, add{.op = Pointwise::Add, .operand = 1},
        clip{.op = Pointwise::Clip, .a = -1.0f, .b = 0.5f};
    if (kind == Steps::EverySpread)
      steps_ = {mul, add, {.op = Pointwise::Mul, .operand = 2}, {.op = Pointwise::Max, .operand = 3}};
    if (kind == Steps::AddRelu) steps_ = {add, {.op = Pointwise::Relu}, mul};
    if (kind == Steps::AddPeriodic) steps_ = {add, clip};
    if (kind == Steps::Clip) steps_ = {clip, mul};
    if (kind == Steps::Prelu) steps_ = {{.op = Pointwise::Prelu, .operand = 0}, add};
  }
  PointwiseProgram program() const { return {steps_, operands_}; }
  Want apply(Want w, int64_t row, int64_t column) const {
    if (kind_ == Steps::None) return w;
    const double scale = double{scale_[static_cast<size_t>(column)]},
                 full = double{full_[static_cast<size_t>(row % period_ * (columns_ + 5) + column)]},
                 factor = double{row_[static_cast<size_t>(row % 3)]};
    double& v = w.value;
    switch (kind_) {
      case Steps::None:
        break;
      case Steps::EverySpread:
        v = std::max((v * scale + full) * factor, double{least_});
        break;
      case Steps::AddRelu:
        v = std::max(v + full, 0.0) * scale;
        break;
      case Steps::AddPeriodic:
        v = std::min(std::max(v + full, -1.0), 0.5);
        break;
      case Steps::Clip:
        v = std::min(std::max(v, -1.0), 0.5) * scale;
        break;
      case Steps::Prelu:
        v = (v < 0 ? v * scale : v) + full;
        break;
    }
    w.magnitude = (w.magnitude + std::fabs(full) + 1) * (1 + std::fabs(scale)) * (1 + std::fabs(factor));
    return w;
  }

 private:
  Steps kind_;
  int64_t columns_, period_;
  float least_ = -1;
  std::vector<float> scale_, full_, row_;
  std::vector<PointwiseStep> steps_;
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
