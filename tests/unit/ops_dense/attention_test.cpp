// Attention through the entries of each instruction set: threads, scratch, and masks beyond the inventory's cases
// (dense_attention), against loops in double.
#include <cmath>
#include <limits>

#include "ops/cpu/kernels/dense_entries.h"
#include "ops/cpu/thread_pool.h"
#include "scratch.h"

namespace hearth::ops::cpu {
namespace {

struct AttentionEntries {
  Isa isa;
  Factors factors;
  decltype(DenseKernels::attention_scratch) scratch;
  decltype(DenseKernels::attention) attention;
};
#define ENTRIES(isa, name, factors)                                                                \
  AttentionEntries {                                                                               \
    isa, factors, hearth_cpu_##name##_dense_attention_scratch, hearth_cpu_##name##_dense_attention \
  }
const AttentionEntries kEntries[] = {
    ENTRIES(Isa::Portable, portable, Factors::F32), ENTRIES(Isa::Portable, portable, Factors::BF16),
    ENTRIES(Isa::Avx2, avx2, Factors::F32),         ENTRIES(Isa::Avx2, avx2, Factors::BF16),
    ENTRIES(Isa::Avx512, avx512, Factors::F32),     ENTRIES(Isa::Avx512, avx512, Factors::BF16),
};
// Of results of size 1. Rounded factors: scores, weights and values are off by a share of 2^-9 each.
double tolerance(const AttentionEntries& e) {
  return e.factors == Factors::F32 ? 3e-6 : 0.03;
}
constexpr float kHidden = -std::numeric_limits<float>::infinity();

enum class Mask {
  None,
  Keys,
  Full,
  RowsOnly
};  // none; [batch, 1, 1, keys]; [batch, heads, queries, keys]; [queries, 1]

struct Sizes {
  int64_t batch, heads, kv_heads, queries, keys, head_size, value_size;
  Mask mask = Mask::None;
};

// Tensors [batch, rows, heads * size], as projections leave them, with a gap behind each row.
struct Tensor {
  Tensor(int64_t batch, int64_t rows, int64_t heads, int64_t size, uint32_t seed) {
    const int64_t row = heads * size + 5;
    strides = {rows * row, size, row};
    values = normal_floats(batch * rows * row, seed);
  }
  const float* at(int64_t batch, int64_t head, int64_t row) const {
    return values.data() + batch * strides.batch + head * strides.head + row * strides.row;
  }
  float* at(int64_t batch, int64_t head, int64_t row) {
    return values.data() + batch * strides.batch + head * strides.head + row * strides.row;
  }
  AttentionStrides strides;
  std::vector<float> values;
};

struct Case {
  explicit Case(const Sizes& sizes)
      : s(sizes),
        q(s.batch, s.queries, s.heads, s.head_size, 1),
        k(s.batch, s.keys, s.kv_heads, s.head_size, 2),
        v(s.batch, s.keys, s.kv_heads, s.value_size, 3),
        scale(0.7f / std::sqrt(static_cast<float>(s.head_size))) {
    if (s.mask == Mask::Keys) {
      mask = normal_floats(s.batch * s.keys, 4);
      mask_strides = {s.keys, 0, 0};
    } else if (s.mask == Mask::Full) {
      mask = normal_floats(s.batch * s.heads * s.queries * s.keys, 4);
      mask_strides = {s.heads * s.queries * s.keys, s.queries * s.keys, s.keys};
    } else if (s.mask == Mask::RowsOnly) {
      mask = normal_floats(s.queries, 4);
      mask_strides = {0, 0, 1};
      mask_column = 0;
    }
    if (mask_column == 1)  // about a third of the keys hidden, whatever the row
      for (size_t i = 0; i < mask.size(); i += 3) mask[i] = kHidden;
  }

  double mask_at(int64_t b, int64_t h, int64_t row, int64_t key) const {
    if (mask.empty()) return 0;
    return static_cast<double>(mask[static_cast<size_t>(b * mask_strides.batch + h * mask_strides.head +
                                                        row * mask_strides.row + key * mask_column)]);
  }

  std::vector<double> expected(int64_t b, int64_t h, int64_t row) const {
    const int64_t g = h / (s.heads / s.kv_heads);
    std::vector<double> scores(static_cast<size_t>(s.keys)), out(static_cast<size_t>(s.value_size));
    double most = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t j = 0; j < s.keys; ++j) {
      double dot = 0;
      for (int64_t i = 0; i < s.head_size; ++i)
        dot += static_cast<double>(q.at(b, h, row)[i]) * static_cast<double>(k.at(b, g, j)[i]);
      scores[static_cast<size_t>(j)] = dot * static_cast<double>(scale) + mask_at(b, h, row, j);
      most = std::max(most, scores[static_cast<size_t>(j)]);
    }
    for (double& e : scores) sum += e = std::exp(e - most);  // NaN when all are hidden, as softmax is
    for (int64_t j = 0; j < s.keys; ++j)
      for (int64_t i = 0; i < s.value_size; ++i)
        out[static_cast<size_t>(i)] += scores[static_cast<size_t>(j)] / sum * static_cast<double>(v.at(b, g, j)[i]);
    return out;
  }

  Tensor run(const AttentionEntries& e, int threads) const {
    Tensor out(s.batch, s.queries, s.heads, s.value_size, 5);
    std::fill(out.values.begin(), out.values.end(), 7.0f);
    AttentionJob job;
    job.batch = s.batch;
    job.heads = s.heads;
    job.kv_heads = s.kv_heads;
    job.queries = s.queries;
    job.keys = s.keys;
    job.head_size = s.head_size;
    job.value_size = s.value_size;
    job.scale = scale;
    job.factors = e.factors;
    job.q = q.values.data();
    job.k = k.values.data();
    job.v = v.values.data();
    job.q_strides = q.strides;
    job.k_strides = k.strides;
    job.v_strides = v.strides;
    job.mask = mask.empty() ? nullptr : mask.data();
    job.mask_strides = mask_strides;
    job.mask_column = mask_column;
    job.out = out.values.data();
    job.out_strides = out.strides;
    Scratch scratch(e.scratch(job, threads));
    if (threads == 1) {
      e.attention(job, scratch.data(), nullptr);
    } else {
      ThreadPool pool(threads);
      e.attention(job, scratch.data(), &pool);
    }
    return out;
  }

  // Largest error over all results, which are of size 1; a NaN where none is due, or the other way round, fails.
  void check(const AttentionEntries& e, const Tensor& out) const {
    double worst = 0;
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t row = 0; row < s.queries; ++row) {
        for (int64_t h = 0; h < s.heads; ++h) {
          const std::vector<double> want = expected(b, h, row);
          for (int64_t i = 0; i < s.value_size; ++i) {
            const double got = static_cast<double>(out.at(b, h, row)[i]), due = want[static_cast<size_t>(i)];
            ASSERT_EQ(std::isnan(got), std::isnan(due)) << "batch " << b << " head " << h << " row " << row;
            if (!std::isnan(due)) worst = std::max(worst, std::fabs(got - due));
          }
        }
        for (int64_t i = 0; i < 5; ++i) ASSERT_EQ(out.at(b, s.heads, row)[i], 7.0f) << "written behind row " << row;
      }
    EXPECT_LT(worst, tolerance(e));
  }

  Sizes s;
  Tensor q, k, v;
  float scale;
  std::vector<float> mask;
  AttentionStrides mask_strides;
  int64_t mask_column = 1;
};

const Sizes kSizes[] = {
    {2, 3, 3, 20, 20, 64, 64, Mask::Keys},
    {1, 2, 2, 33, 47, 16, 24, Mask::Full},
    {1, 1, 1, 1, 1, 1, 1, Mask::None},
    {1, 1, 1, 1, 300, 72, 72, Mask::None},  // one row, more than one block of keys
    {1, 8, 2, 5, 29, 33, 31, Mask::Full},   // heads that share keys
    {2, 6, 1, 1, 70, 128, 128, Mask::Keys},
    {1, 1, 1, 401, 17, 12, 7, Mask::RowsOnly},  // more rows than a chunk
    {1, 2, 1, 50, 700, 40, 40, Mask::Keys},
    {1, 2, 2, 7, 300, 256, 200, Mask::Full},
    {3, 4, 4, 9, 1, 8, 8, Mask::None},
};

template <class Function>
void each_set(const Function& fn) {
  for (const AttentionEntries& e : kEntries)
    if (missing_flags(e.isa).empty()) {
      SCOPED_TRACE(testing::Message() << to_string(e.isa) << (e.factors == Factors::BF16 ? " bf16" : ""));
      fn(e);
    }
}

// Also: nothing is written behind the scratch memory that was asked for.
TEST(DenseAttention, ThreadsDoNotChangeABit) {
  for (const Sizes& sizes : kSizes) {
    const Case c(sizes);
    each_set([&](const AttentionEntries& e) {
      const Tensor one = c.run(e, 1);
      for (int threads : {2, 3, 7}) {
        const Tensor many = c.run(e, threads);
        EXPECT_EQ(std::memcmp(one.values.data(), many.values.data(), one.values.size() * sizeof(float)), 0)
            << threads << " threads, " << sizes.queries << " queries, " << sizes.keys << " keys";
      }
    });
  }
}

// No case of the inventory has them.
TEST(DenseAttention, RoundedFactorsAgreeWithLoopsInDouble) {
  for (const Sizes& sizes : kSizes) {
    const Case c(sizes);
    each_set([&](const AttentionEntries& e) {
      if (e.factors == Factors::BF16) c.check(e, c.run(e, 1));
    });
  }
}

TEST(DenseAttention, RowsMaySeeOnlyTheLastOrTheFirstKeys) {
  Case c({1, 1, 1, 4, 900, 16, 16, Mask::Full});
  for (int64_t key = 0; key < 900; ++key) {
    c.mask[static_cast<size_t>(key)] = key < 890 ? kHidden : 0;
    c.mask[static_cast<size_t>(900 + key)] = key > 3 ? kHidden : 0;
    c.mask[static_cast<size_t>(1800 + key)] = static_cast<float>(key) / 8;  // the maximum rises with every block
  }
  each_set([&](const AttentionEntries& e) { c.check(e, c.run(e, 1)); });
}

TEST(DenseAttention, NanAndInfinityReachTheirRowsOnly) {
  Case c({1, 1, 1, 3, 600, 16, 16, Mask::Full});
  c.mask[10] = std::nanf("");
  c.mask[600 + 590] = std::numeric_limits<float>::infinity();
  each_set([&](const AttentionEntries& e) { c.check(e, c.run(e, 1)); });
}

TEST(DenseAttention, LowestFiniteMaskHidesWithoutNan) {
  Case c({1, 1, 1, 2, 40, 16, 16, Mask::Full});
  for (size_t i = 0; i < 40; ++i) c.mask[i] = std::numeric_limits<float>::lowest();
  for (size_t i = 40; i < 80; ++i) c.mask[i] = i < 50 ? 0 : std::numeric_limits<float>::lowest();
  each_set([&](const AttentionEntries& e) {
    const Tensor out = c.run(e, 1);
    double mean = 0;
    for (int64_t j = 0; j < 40; ++j) mean += static_cast<double>(c.v.at(0, 0, j)[0]) / 40;
    EXPECT_NEAR(static_cast<double>(out.at(0, 0, 0)[0]), mean,
                tolerance(e));  // float rounds all its scores to the same
    EXPECT_NEAR(static_cast<double>(out.at(0, 0, 1)[0]), c.expected(0, 0, 1)[0], tolerance(e));
  });
}

TEST(DenseAttention, ScratchDependsOnNeitherKeysNorQueries) {
  each_set([&](const AttentionEntries& e) {
    AttentionJob small, large;
    small.factors = large.factors = e.factors;
    small.heads = small.kv_heads = large.heads = large.kv_heads = 4;
    small.head_size = small.value_size = large.head_size = large.value_size = 64;
    small.queries = small.keys = 1024;
    large.queries = large.keys = 100000;
    EXPECT_LE(e.scratch(large, 2), e.scratch(small, 2) * 3 / 2);
  });
}

}  // namespace
}  // namespace hearth::ops::cpu
