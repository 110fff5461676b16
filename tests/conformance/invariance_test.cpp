// What ops.inc promises beyond tolerances: a row's result does not depend on who shares its batch.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ops/conformance/run_case.h"

namespace hearth::ops::conformance {
namespace {

constexpr const char* kSets[] = {"portable", "avx2", "avx512"};
constexpr DType kWeights[] = {DType::F32,  DType::BF16, DType::F16,  DType::Q8_0, DType::Q4_0, DType::Q4_1,
                              DType::Q5_0, DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K};

class EverySet : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto device = open_device("cpu", {.threads = 2, .isa = GetParam()});
    if (!device) GTEST_SKIP() << device.error().message;
    device_ = std::move(*device);
  }
  std::unique_ptr<Device> device_;
};

std::vector<std::byte> slice(const CaseTensor& t, int64_t first, int64_t rows) {
  const size_t row = t.bytes.size() / static_cast<size_t>(t.dims[0]);
  const auto begin = t.bytes.begin() + static_cast<ptrdiff_t>(row * static_cast<size_t>(first));
  return {begin, begin + static_cast<ptrdiff_t>(row * static_cast<size_t>(rows))};
}

TEST_P(EverySet, MatmulRowsAloneEqualRowsInABatch) {
  const std::pair<std::string, double> sizes[] = {{"batch_size", 37}, {"input_size", 300}, {"output_size", 70}};
  for (const DType weight : kWeights) {
    const auto whole = make_case(info(Op::Matmul), "bias", {.weight = weight}, sizes);
    ASSERT_TRUE(whole);
    const auto all = run_case(*device_, *whole);
    ASSERT_TRUE(all) << all.error().message;
    for (const int64_t rows : {1, 2, 3, 5, 8, 16, 31})
      for (const int64_t first : {int64_t{0}, int64_t{36} - rows, int64_t{6}}) {
        if (first < 0 || first + rows > 37) continue;
        OpCase part = *whole;
        part.inputs[0].bytes = slice(whole->inputs[0], first, rows);
        part.inputs[0].dims[0] = part.outputs[0].dims[0] = rows;
        const auto some = run_case(*device_, part);
        ASSERT_TRUE(some) << some.error().message;
        EXPECT_EQ(some->outputs[0].bytes, slice(all->outputs[0], first, rows))
            << to_string(weight) << ": rows " << first << " to " << first + rows - 1;
      }
  }
}

TEST_P(EverySet, ChunkedPrefillEqualsWholePrefill) {
  const std::pair<std::string, double> sizes[] = {{"query_len", 150},  {"kv_len", 150},  {"num_heads", 6},
                                                  {"num_kv_heads", 2}, {"head_dim", 64}, {"page_size", 16}};
  for (const DType cache : {DType::F32, DType::BF16, DType::F16}) {
    const auto whole = make_case(info(Op::PagedAttention), "prefill", {.cache = cache}, sizes);
    ASSERT_TRUE(whole);
    const auto all = run_case(*device_, *whole);
    ASSERT_TRUE(all) << all.error().message;
    for (const int64_t chunk : {1, 7, 33, 64}) {
      for (int64_t first = 0; first < 150; first += chunk) {
        const int64_t rows = std::min<int64_t>(chunk, 150 - first);
        OpCase part = *whole;
        part.inputs[0].bytes = slice(whole->inputs[0], first, rows);
        part.inputs[0].dims[0] = part.outputs[0].dims[0] = rows;
        const int32_t indptr[2] = {0, static_cast<int32_t>(rows)}, keys = static_cast<int32_t>(first + rows);
        std::memcpy(part.inputs[3].bytes.data(), indptr, sizeof indptr);
        std::memcpy(part.inputs[6].bytes.data(), &keys, sizeof keys);
        const auto some = run_case(*device_, part);
        ASSERT_TRUE(some) << some.error().message;
        ASSERT_EQ(some->outputs[0].bytes, slice(all->outputs[0], first, rows))
            << "cache " << to_string(cache) << ", chunk " << chunk << " at " << first;
      }
    }
  }
}

TEST_P(EverySet, EveryCallRunsAKernelOfThisSetOrSaysWhyNot) {
  for (const OpInfo& op : inventory()) {
    const auto made = make_case(op, "production", {});
    ASSERT_TRUE(made);
    const auto run = run_case(*device_, *made);
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_TRUE(run->kernel.starts_with(GetParam()) || run->kernel.starts_with("cpu.") ||
                run->kernel.starts_with("ref."))
        << op.name << " ran " << run->kernel;
  }
  for (const Op op : {Op::Matmul, Op::PagedAttention, Op::RmsNorm}) {
    const auto run = run_case(*device_, *make_case(info(op), "production", {}));
    ASSERT_TRUE(run);
    EXPECT_TRUE(run->kernel.starts_with(GetParam())) << info(op).name << " ran " << run->kernel;
  }
}

constexpr Op kDenseOps[] = {Op::DenseMatmul, Op::Conv2d,    Op::Pool2d,      Op::DenseAttention,
                            Op::Pointwise,   Op::LayerNorm, Op::ColumnMeans, Op::Transpose2d};

// Each algorithm, type of factors and spread has its cases: none of them may fall to ref and be held against itself.
TEST_P(EverySet, EveryCaseOfTheDenseOpsRunsAKernelOfThisSet) {
  for (const Op op : kDenseOps) {
    const bool dense_rows = op == Op::Pool2d || op == Op::LayerNorm || op == Op::ColumnMeans || op == Op::Transpose2d;
    for (const NamedCase& named : cases_of(op).cases) {
      const auto run = run_case(*device_, *make_case(info(op), named.name, {}));
      ASSERT_TRUE(run) << run.error().message;
      const std::string set = dense_rows && named.name == "strided" ? "ref" : GetParam();
      EXPECT_EQ(run->kernel, fmt::format("{}.{}", set, info(op).name)) << named.name;
    }
  }
}

TEST_P(EverySet, ShortRowsOfSoftmaxAreDenseAndLongOnesAreNot) {
  const auto kernel = [&](std::string_view name, const CaseTypes& types, double columns) {
    const std::pair<std::string, double> sizes[] = {{"vocab_size", columns}};
    const auto run = run_case(*device_, *make_case(info(Op::Softmax), name, types, sizes));
    return run ? run->kernel.substr(run->kernel.find('.')) : run.error().message;
  };
  EXPECT_EQ(kernel("odd", {}, 4096), ".dense_softmax");
  EXPECT_EQ(kernel("odd", {}, 4097), ".softmax");
  EXPECT_EQ(kernel("odd", {.activation = DType::BF16}, 64), ".softmax");
  EXPECT_EQ(kernel("strided", {}, 64), ".softmax");
}

TEST_P(EverySet, ThreadsDoNotChangeABitOfTheDenseOps) {
  std::vector<std::unique_ptr<Device>> devices;
  for (const int threads : {1, 3, 8}) {
    auto device = open_device("cpu", {.threads = threads, .isa = GetParam()});
    ASSERT_TRUE(device) << device.error().message;
    devices.push_back(std::move(*device));
  }
  for (const Op op : kDenseOps)
    for (const NamedCase& named : cases_of(op).cases) {
      const auto made = make_case(info(op), named.name, {});
      ASSERT_TRUE(made) << made.error().message;
      const auto one = run_case(*devices[0], *made);
      ASSERT_TRUE(one) << one.error().message;
      for (size_t i = 1; i < devices.size(); ++i) {
        const auto many = run_case(*devices[i], *made);
        ASSERT_TRUE(many) << many.error().message;
        EXPECT_TRUE(many->outputs[0].bytes == one->outputs[0].bytes)
            << info(op).name << " --case " << named.name << " with " << devices[i]->threads() << " threads";
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Invariance, EverySet, testing::ValuesIn(kSets),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace hearth::ops::conformance
