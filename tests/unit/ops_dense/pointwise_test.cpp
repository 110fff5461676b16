// Programs of pointwise steps: where operands are found, and several steps in order. What a step means is held against
// ref by the inventory's cases (pointwise).
#include "each_isa.h"
#include "ops/cpu/thread_pool.h"

#define HEARTH_PROGRAM(isa)                                                                                          \
  extern "C" void hearth_cpu_##isa##_dense_program(const hearth::ops::cpu::PointwiseProgram&, const float*, int64_t, \
                                                   float*, int64_t, int64_t, int64_t, int64_t, int64_t);
HEARTH_PROGRAM(portable)
HEARTH_PROGRAM(avx2)
HEARTH_PROGRAM(avx512)

namespace hearth::ops::cpu {
namespace {

using Program = decltype(hearth_cpu_portable_dense_program);
constexpr IsaEntry<Program> kProgram[] = HEARTH_EACH_ISA(dense_program);
using Entry = std::remove_pointer_t<decltype(DenseKernels::pointwise)>;
const IsaEntry<Entry> kEntry[] = HEARTH_EACH_ISA(dense_pointwise);

// An operand lies as Spread says, at the absolute row and column of the tile.
TEST(Pointwise, OperandsAreFoundByRowAndColumn) {
  const std::vector<float> data = random_numbers(64 * 200, 5);
  on_each_isa(kProgram, [&](Program* run) {
    for (const Spread spread : {Spread::Number, Spread::Column, Spread::Row, Spread::Full})
      for (const int64_t period : {1, 3, 64})
        for (const int64_t columns : {1, 7, 16, 33, 70})
          for (const int64_t column0 : {0, 5, 48}) {
            constexpr int64_t kRows = 6, kRow0 = 5, kStride = 200;
            const int64_t ld = columns + 3;
            const Operand operand{data.data(), spread, spread == Spread::Row ? 2 : kStride, period};
            const PointwiseStep step{Pointwise::Sub, 0};
            std::vector<float> v = random_numbers(kRows * ld, 6);
            const std::vector<float> before = v;
            run({{&step, 1}, {&operand, 1}}, v.data(), ld, v.data(), ld, kRow0, kRows, column0, columns);
            for (int64_t r = 0; r < kRows; ++r)
              for (int64_t c = 0; c < ld; ++c) {
                const int64_t row = (kRow0 + r) % period * operand.row_stride, column = column0 + c;
                const int64_t at = spread == Spread::Number   ? 0
                                   : spread == Spread::Column ? column
                                   : spread == Spread::Row    ? row
                                                              : row + column;
                const size_t i = static_cast<size_t>(r * ld + c);
                const float want = c < columns ? before[i] - data[static_cast<size_t>(at)] : before[i];
                ASSERT_EQ(v[i], want) << "spread " << static_cast<int>(spread) << " period " << period << " row " << r
                                      << " column " << c << " of " << columns;
              }
          }
  });
}

// Several steps over more than one piece are the steps one after the other, whether rows are dense or not.
TEST(Pointwise, ProgramsAreTheirStepsInOrder) {
  constexpr int64_t kRows = 37, kColumns = 301;
  for (const int64_t ld : {kColumns, kColumns + 2}) {
    const std::vector<float> x = random_numbers(kRows * ld, 7, 3.0f), other = random_numbers(kRows * kColumns, 8),
                             bias = random_numbers(kColumns, 9), gate = random_numbers(kRows, 10);
    const Operand operands[] = {{other.data(), Spread::Full, kColumns, kRows},
                                {bias.data(), Spread::Column},
                                {gate.data(), Spread::Row, 1, kRows}};
    const PointwiseStep steps[] = {
        {Pointwise::Add, 0}, {Pointwise::Relu}, {Pointwise::Add, 1}, {Pointwise::Silu}, {Pointwise::Mul, 2}};
    on_each_isa(kProgram, [&](Program* run) {
      std::vector<float> all = x, single = x;
      run({steps, operands}, all.data(), ld, all.data(), ld, 0, kRows, 0, kColumns);
      for (const PointwiseStep& step : steps)
        run({{&step, 1}, operands}, single.data(), ld, single.data(), ld, 0, kRows, 0, kColumns);
      EXPECT_TRUE(same_bits(all, single)) << "row stride " << ld;
      EXPECT_FALSE(same_bits(all, x));
    });
  }
}

TEST(Pointwise, TheResultDoesNotDependOnThreadsOrOnWhereItGoes) {
  ThreadPool three(3);
  const PointwiseStep steps[] = {{Pointwise::Mul, 0}, {Pointwise::Gelu}, {Pointwise::Add, 1}};
  for (const auto& [rows, columns, gap] :
       {std::array<int64_t, 3>{1, 100003, 0}, {4, 20001, 5}, {700, 65, 0}, {333, 70, 1}}) {
    const std::vector<float> x = random_numbers(rows * (columns + gap), 11), full = random_numbers(rows * columns, 12),
                             column = random_numbers(columns, 13);
    const Operand operands[] = {{full.data(), Spread::Full, columns, rows}, {column.data(), Spread::Column}};
    on_each_isa(kEntry, [&](Entry* run) {
      std::vector<float> y(static_cast<size_t>(rows * columns) + 1, 55.0f), z = y, place = x;
      run(x.data(), columns + gap, y.data(), columns, rows, columns, {steps, operands}, nullptr);
      run(x.data(), columns + gap, z.data(), columns, rows, columns, {steps, operands}, &three);
      EXPECT_TRUE(same_bits(y, z)) << rows << " x " << columns;
      EXPECT_EQ(y.back(), 55.0f);
      run(place.data(), columns + gap, place.data(), columns + gap, rows, columns, {steps, operands}, &three);
      for (int64_t r = 0; r < rows; ++r) {
        ASSERT_TRUE(same_bits({place.data() + r * (columns + gap), static_cast<size_t>(columns)},
                              {y.data() + r * columns, static_cast<size_t>(columns)}));
        for (int64_t g = 0; g < gap; ++g) {
          const size_t at = static_cast<size_t>(r * (columns + gap) + columns + g);
          ASSERT_EQ(place[at], x[at]);
        }
      }
    });
  }
}

TEST(Pointwise, NoStepsCopy) {
  const std::vector<float> x = random_numbers(5 * 9, 14);
  on_each_isa(kEntry, [&](Entry* run) {
    std::vector<float> y(5 * 7, 0.0f);
    run(x.data(), 9, y.data(), 7, 5, 7, {}, nullptr);
    for (size_t r = 0; r < 5; ++r) EXPECT_TRUE(same_bits({y.data() + r * 7, 7}, {x.data() + r * 9, 7}));
  });
}

}  // namespace
}  // namespace hearth::ops::cpu
