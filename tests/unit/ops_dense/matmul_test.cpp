// Products with programs of several steps, packed by columns as well as by rows. The inventory's cases (dense_matmul)
// hold sizes, strides and rounded factors against ref.
#include <fmt/format.h>

#include <limits>

#include "product_case.h"

namespace hearth::ops::cpu {
namespace {

struct Case {
  int64_t m, n, k;
  bool bias = true, transposed = false;
  Steps steps = Steps::None;
  int64_t more_a = 0, more_c = 0;  // row strides beyond the rows
};

void check(const Case& s, Factors factors) {
  const int64_t lda = s.k + s.more_a, ldc = s.n + s.more_c;
  const std::vector<float> a = normal_floats(s.m * lda + 1, 1), b = normal_floats(s.k * s.n + 1, 2),
                           bias = normal_floats(s.n, 3);
  const TestProgram program(s.steps, s.m, s.n);
  const int64_t row = s.transposed ? 1 : s.n, column = s.transposed ? s.k : 1;
  std::vector<Want> want(static_cast<size_t>(s.m * s.n));
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      Want& w = want[static_cast<size_t>(i * s.n + j)];
      if (s.bias) w.add(double{bias[static_cast<size_t>(j)]});
      for (int64_t k = 0; k < s.k; ++k)
        w.add(factor(a[static_cast<size_t>(i * lda + k)], factors) *
              factor(b[static_cast<size_t>(k * row + j * column)], factors));
      w = program.apply(w, i, j);
    }
  for (Isa isa : dense_sets_of_this_machine()) {
    const DenseKernels& kernels = dense_kernels(isa);
    const std::string what =
        fmt::format("{} {}x{}x{}{}", to_string(isa), s.m, s.n, s.k, factors == Factors::BF16 ? " bf16" : "");
    Scratch packed(kernels.packed_matrix_bytes(s.k, s.n, factors));
    kernels.pack_matrix(b.data(), row, column, s.k, s.n, nullptr, factors, packed.data());
    const std::vector<float> c = run_with_threads(s.m * ldc, what, [&](ThreadPool* pool, float* out) {
      const MatmulJob job{.m = s.m,
                          .n = s.n,
                          .k = s.k,
                          .a = a.data(),
                          .lda = lda,
                          .b = packed.data(),
                          .factors = factors,
                          .bias = s.bias ? bias.data() : nullptr,
                          .c = out,
                          .ldc = ldc,
                          .program = program.program()};
      Scratch scratch(kernels.matmul_scratch(job, pool != nullptr ? pool->threads() : 1));
      kernels.matmul(job, scratch.data(), pool);
    });
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < ldc; ++j) {
        const float got = c[static_cast<size_t>(i * ldc + j)];
        if (j >= s.n) {
          ASSERT_EQ(got, kUntouched) << what << ": between rows " << i << " and " << i + 1;
          continue;
        }
        const Want& w = want[static_cast<size_t>(i * s.n + j)];
        ASSERT_NEAR(double{got}, w.value, w.bound()) << what << " [" << i << ", " << j << "]";
      }
  }
}

// Tiles of every height meet panels of every width; what each does beside its place would hit a guard.
TEST(DenseMatmul, AnyNumberOfRowsAndColumns) {
  for (int64_t m : {1, 2, 3, 5, 6, 7, 13, 14, 15, 29, 49})
    for (int64_t n : {1, 7, 8, 9, 16, 17, 32, 40, 48, 65, 100}) {
      check({.m = m, .n = n, .k = 37, .steps = Steps::EverySpread}, Factors::F32);
      if (m % 7 == 0) check({.m = m, .n = n, .k = 37, .steps = Steps::EverySpread, .more_a = 1}, Factors::BF16);
    }
}

TEST(DenseMatmul, StridesProgramsAndTransposedWeights) {
  for (int64_t m : {1, 12, 61})
    for (int64_t n : {24, 64, 77}) {
      check({.m = m, .n = n, .k = 50, .steps = Steps::EverySpread, .more_a = 3, .more_c = 2}, Factors::F32);
      check({.m = m,
             .n = n,
             .k = 800,
             .bias = false,
             .transposed = true,
             .steps = Steps::EverySpread,
             .more_a = 1,
             .more_c = 9},
            Factors::F32);
    }
}

TEST(DenseMatmul, StepsThatTilesDoBeforeTheyStore) {
  for (Steps steps : kFoldedSteps)
    for (int64_t n : {64, 40, 75})
      for (int64_t m : {1, 4, 33, 300}) {
        check({.m = m, .n = n, .k = 20, .steps = steps}, Factors::F32);
        check({.m = m, .n = n, .k = 1100, .steps = steps, .more_c = 1}, Factors::F32);
      }
}

// A row's bits are the same alone and among others: batches may be cut anywhere.
TEST(DenseMatmul, ARowDoesNotDependOnTheRowsBesideIt) {
  const int64_t m = 31, n = 90, k = 1000;
  const std::vector<float> a = normal_floats(m * k, 4), b = normal_floats(k * n, 5);
  for (Isa isa : dense_sets_of_this_machine())
    for (Factors factors : {Factors::F32, Factors::BF16}) {
      const DenseKernels& kernels = dense_kernels(isa);
      Scratch packed(kernels.packed_matrix_bytes(k, n, factors));
      kernels.pack_matrix(b.data(), n, 1, k, n, nullptr, factors, packed.data());
      auto multiply = [&](int64_t row, int64_t rows) {
        std::vector<float> c(static_cast<size_t>(rows * n));
        const MatmulJob job{.m = rows,
                            .n = n,
                            .k = k,
                            .a = a.data() + row * k,
                            .lda = k,
                            .b = packed.data(),
                            .factors = factors,
                            .c = c.data(),
                            .ldc = n,
                            .program = {}};
        Scratch scratch(kernels.matmul_scratch(job, 1));
        kernels.matmul(job, scratch.data(), nullptr);
        return c;
      };
      const std::vector<float> all = multiply(0, m);
      for (int64_t row : {0, 7, 30}) {
        const std::vector<float> alone = multiply(row, 1);
        EXPECT_EQ(std::memcmp(alone.data(), &all[static_cast<size_t>(row * n)], alone.size() * sizeof(float)), 0)
            << to_string(isa) << " row " << row;
      }
    }
}

TEST(DenseMatmul, ScalesColumnsAsItPacksThem) {
  const int64_t n = 45, k = 21;
  const std::vector<float> b = normal_floats(k * n, 8), scale = normal_floats(n, 9);
  std::vector<float> scaled = b;
  for (int64_t i = 0; i < k * n; ++i) scaled[static_cast<size_t>(i)] *= scale[static_cast<size_t>(i % n)];
  for (Isa isa : dense_sets_of_this_machine())
    for (Factors factors : {Factors::F32, Factors::BF16}) {
      const DenseKernels& kernels = dense_kernels(isa);
      const size_t bytes = kernels.packed_matrix_bytes(k, n, factors);
      Scratch want(bytes), got(bytes);
      kernels.pack_matrix(scaled.data(), n, 1, k, n, nullptr, factors, want.data());
      kernels.pack_matrix(b.data(), n, 1, k, n, scale.data(), factors, got.data());
      EXPECT_EQ(std::memcmp(want.data(), got.data(), bytes), 0) << to_string(isa);
    }
}

TEST(DenseMatmul, NaNGoesThroughTheStepsOfATile) {
  const int64_t m = 9, n = 36, k = 5;
  std::vector<float> a = normal_floats(m * k, 6), b = normal_floats(k * n, 7);
  a[3 * k + 1] = std::nanf("");
  for (Isa isa : dense_sets_of_this_machine())
    for (Steps steps : kFoldedSteps) {
      const DenseKernels& kernels = dense_kernels(isa);
      const TestProgram program(steps, m, n);
      Scratch packed(kernels.packed_matrix_bytes(k, n, Factors::F32));
      kernels.pack_matrix(b.data(), n, 1, k, n, nullptr, Factors::F32, packed.data());
      std::vector<float> c(static_cast<size_t>(m * n));
      const MatmulJob job{.m = m,
                          .n = n,
                          .k = k,
                          .a = a.data(),
                          .lda = k,
                          .b = packed.data(),
                          .c = c.data(),
                          .ldc = n,
                          .program = program.program()};
      kernels.matmul(job, nullptr, nullptr);
      for (int64_t i = 0; i < m * n; ++i)
        ASSERT_EQ(std::isnan(c[static_cast<size_t>(i)]), i / n == 3) << to_string(isa) << " element " << i;
    }
}

TEST(DenseMatmul, NaNAndInfinityStayInTheirRow) {
  const int64_t m = 20, n = 40, k = 33;
  std::vector<float> a = normal_floats(m * k, 6), b = normal_floats(k * n, 7);
  a[3 * k + 5] = std::nanf("");
  a[4 * k + 32] = std::numeric_limits<float>::infinity();
  for (Isa isa : dense_sets_of_this_machine())
    for (Factors factors : {Factors::F32, Factors::BF16}) {
      const DenseKernels& kernels = dense_kernels(isa);
      Scratch packed(kernels.packed_matrix_bytes(k, n, factors));
      kernels.pack_matrix(b.data(), n, 1, k, n, nullptr, factors, packed.data());
      std::vector<float> c(static_cast<size_t>(m * n));
      const MatmulJob job{.m = m,
                          .n = n,
                          .k = k,
                          .a = a.data(),
                          .lda = k,
                          .b = packed.data(),
                          .factors = factors,
                          .c = c.data(),
                          .ldc = n,
                          .program = {}};
      Scratch scratch(kernels.matmul_scratch(job, 1));
      kernels.matmul(job, scratch.data(), nullptr);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          const float got = c[static_cast<size_t>(i * n + j)];
          ASSERT_EQ(std::isnan(got), i == 3) << to_string(isa) << " [" << i << ", " << j << "]";
          ASSERT_EQ(std::isinf(got), i == 4) << to_string(isa) << " [" << i << ", " << j << "]";
        }
    }
}

}  // namespace
}  // namespace hearth::ops::cpu
