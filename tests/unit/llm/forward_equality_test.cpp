// Running in chunks, one token at a time, on scattered pages or among strangers gives the same logits, to the bit.
#include <cstring>

#include "random_model_fixture.h"

namespace hearth::llm {
namespace {

constexpr size_t kTokens = 37;
constexpr int64_t kPageSize = 8;

struct Case {
  std::string device, isa, architecture;
  bool mixed;
};

std::string case_name(const ::testing::TestParamInfo<Case>& given) {
  const Case& c = given.param;
  return c.device + c.isa + "_" + c.architecture + (c.mixed ? "_mixed" : "");
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const auto& [device, isa] :
       {std::pair{"ref", ""}, std::pair{"cpu", "portable"}, std::pair{"cpu", "avx2"}, std::pair{"cpu", "avx512"}}) {
    for (const char* arch : {"llama", "qwen2", "qwen3", "gemma2", "gemma3", "mistral", "phi3"})
      cases.push_back({device, isa, arch, false});
    cases.push_back({device, isa, "llama", true});
    cases.push_back({device, isa, "gemma3", true});
  }
  return cases;
}

class ForwardEquality : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    auto device = ops::open_device(c.device, {.threads = 2, .isa = c.isa});
    if (!device) GTEST_SKIP() << device.error().message;
    device_ = std::move(*device);
    const std::vector<DType> mixed = {DType::Q8_0, DType::Q4_0, DType::F16, DType::Q4_1,
                                      DType::Q5_0, DType::BF16, DType::Q5_1};
    auto options = small_model(c.architecture, c.mixed ? mixed : std::vector{DType::F32});
    if (c.architecture == "gemma3") options.layers = 6;  // the sixth is the full one
    const auto path = write_random_model(options, folder_.path());
    ASSERT_TRUE(path) << path.error().message;
    auto file = open_model_file(*path);
    ASSERT_TRUE(file) << file.error().message;
    LoadOptions load;
    load.max_step_tokens = 128;
    load.page_size = kPageSize;
    auto model = Model::load(std::move(*file), *device_, load);
    ASSERT_TRUE(model) << model.error().message;
    model_ = std::move(*model);
    kv_ = model_->allocate_kv(64).value();
    whole_ = run_step(*model_, kv_, {{&mine_, kTokens}}).at(0);
  }

  void expect_same(const std::vector<float>& got) {
    ASSERT_EQ(got.size(), whole_.size());
    EXPECT_EQ(std::memcmp(got.data(), whole_.data(), got.size() * sizeof(float)), 0);
  }

  TemporaryFolder folder_;
  std::unique_ptr<ops::Device> device_;
  std::unique_ptr<Model> model_;
  KvCache kv_;
  TestSequence mine_{random_tokens(1, kTokens), {0, 1, 2, 3, 4}};
  std::vector<float> whole_;
};

TEST_P(ForwardEquality, InChunks) {
  TestSequence again{mine_.tokens, {10, 11, 12, 13, 14}};
  std::vector<float> got;
  for (const size_t count : {5u, 1u, 17u, 14u}) {
    const auto part = run_step(*model_, kv_, {{&again, count}}).at(0);
    got.insert(got.end(), part.begin(), part.end());
  }
  expect_same(got);
}

TEST_P(ForwardEquality, OneTokenAtATime) {
  TestSequence again{mine_.tokens, {10, 11, 12, 13, 14}};
  std::vector<float> got;
  for (size_t i = 0; i < kTokens; ++i) {
    const auto part = run_step(*model_, kv_, {{&again, 1}}).at(0);
    got.insert(got.end(), part.begin(), part.end());
  }
  expect_same(got);
}

TEST_P(ForwardEquality, AmongStrangersOnScatteredPages) {
  TestSequence again{mine_.tokens, {31, 7, 22, 5, 40}};
  TestSequence before{random_tokens(2, 50), {50, 51, 52, 53, 54, 55, 56}}, behind{random_tokens(3, 20), {60, 61, 62}};
  std::vector<float> got;
  size_t stranger = 9;
  for (const size_t count : {13u, 2u, 22u}) {
    const auto part = run_step(*model_, kv_, {{&before, stranger}, {&again, count}, {&behind, 3}}).at(1);
    got.insert(got.end(), part.begin(), part.end());
    stranger += 5;
  }
  expect_same(got);
}

TEST_P(ForwardEquality, SomeOutputRowsOnly) {
  std::vector<int32_t> positions(kTokens), rows = {3, 4, 36};
  std::iota(positions.begin(), positions.end(), 0);
  const int32_t pages[] = {0, 1, 2, 3, 4}, tokens_at[] = {0, kTokens}, pages_at[] = {0, 5}, lengths[] = {kTokens};
  StepBatch batch{};
  batch.tokens = mine_.tokens;
  batch.positions = batch.slots = positions;
  batch.token_indptr = tokens_at;
  batch.page_indptr = pages_at;
  batch.page_table = pages;
  batch.kv_len = lengths;
  batch.output_rows = rows;
  const auto result = model_->forward(batch, kv_);
  ASSERT_TRUE(result) << result.error().message;
  const auto vocab = static_cast<size_t>(model_->config().vocab);
  for (size_t i = 0; i < rows.size(); ++i)
    EXPECT_EQ(std::memcmp(data_of<float>(result->logits) + i * vocab,
                          whole_.data() + static_cast<size_t>(rows[i]) * vocab, vocab * sizeof(float)),
              0)
        << "row " << rows[i];
  batch.output_rows = {};
  EXPECT_TRUE(model_->forward(batch, kv_)) << "a step that only fills the cache";
}

TEST_P(ForwardEquality, EarlierTokensMatter) {
  TestSequence other{mine_.tokens, {10, 11, 12, 13, 14}};
  other.tokens[30] = (other.tokens[30] + 1) % 400;
  const auto got = run_step(*model_, kv_, {{&other, kTokens}}).at(0);
  const auto vocab = static_cast<size_t>(model_->config().vocab);
  EXPECT_EQ(std::memcmp(got.data(), whole_.data(), 30 * vocab * sizeof(float)), 0) << "rows before the change";
  EXPECT_NE(std::memcmp(got.data() + 36 * vocab, whole_.data() + 36 * vocab, vocab * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(All, ForwardEquality, ::testing::ValuesIn(all_cases()), case_name);

}  // namespace
}  // namespace hearth::llm
