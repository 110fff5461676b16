// Loading with prepared files, checks of a step, masks and evaluation.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>

#include "base/file.h"
#include "llm/evaluate.h"
#include "random_model_fixture.h"

namespace hearth::llm {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class PreparedModel : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = ops::open_device("cpu", {.threads = 1, .isa = "portable"});
    if (!device) GTEST_SKIP() << device.error().message;
    device_ = std::move(*device);
    path_ = write_random_model(small_model("llama", {DType::Q8_0, DType::Q4_0}), folder_.path()).value();
  }
  std::unique_ptr<Model> load() {
    LoadOptions options;
    options.prepared_dir = prepared_;
    auto model = Model::load(open_model_file(path_).value(), *device_, options);
    EXPECT_TRUE(model) << model.error().message;
    return model ? std::move(*model) : nullptr;
  }
  std::vector<float> logits(Model& model) { return logits_of(model, random_tokens(1, 9), 9).value(); }
  std::vector<fs::path> prepared_files() const {
    std::vector<fs::path> files;
    if (fs::exists(prepared_))
      for (const auto& entry : fs::directory_iterator(prepared_)) files.push_back(entry.path());
    return files;
  }

  TemporaryFolder folder_;
  std::unique_ptr<ops::Device> device_;
  fs::path path_, prepared_ = folder_.path() / "cache";
};

TEST_F(PreparedModel, SecondLoadMapsTheFileAndGivesTheSame) {
  const auto first = load();
  EXPECT_TRUE(first->mapped());
  ASSERT_EQ(prepared_files().size(), 1u);
  const auto written = fs::last_write_time(prepared_files()[0]);
  const auto second = load();
  EXPECT_TRUE(second->mapped());
  EXPECT_EQ(fs::last_write_time(prepared_files()[0]), written);
  EXPECT_EQ(logits(*first), logits(*second));
  prepared_.clear();
  const auto in_memory = load();
  EXPECT_FALSE(in_memory->mapped());
  EXPECT_EQ(logits(*first), logits(*in_memory));
}

TEST_F(PreparedModel, ADamagedFileIsReplaced) {
  const auto good = logits(*load());
  const fs::path file = prepared_files().at(0);
  fs::resize_file(file, fs::file_size(file) - 1);
  EXPECT_EQ(logits(*load()), good);
  ASSERT_EQ(prepared_files().size(), 1u);
  EXPECT_TRUE(load()->mapped());
}

TEST_F(PreparedModel, AChangedModelGetsAFileOfItsOwn) {
  const auto before = logits(*load());
  auto options = small_model("llama", {DType::Q8_0, DType::Q4_0});
  options.seed = 2;
  ASSERT_TRUE(write_random_model(options, folder_.path()));
  EXPECT_NE(logits(*load()), before);
  EXPECT_EQ(prepared_files().size(), 2u);
}

TEST_F(PreparedModel, NoRoomMeansMemoryAndNothingLeftBehind) {
  prepared_.clear();
  const auto good = logits(*load());
  prepared_ = folder_.path() / "cache";
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{16 << 10, old.rlim_max};  // the file is larger: writing fails like on a full disk
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto model = load();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(model->mapped());
  EXPECT_EQ(logits(*model), good);
  EXPECT_TRUE(prepared_files().empty());
}

class RefModel : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = write_random_model(small_model("llama"), folder_.path()).value();
    LoadOptions options;
    options.max_step_tokens = 8;
    options.page_size = 4;
    model_ = Model::load(open_model_file(path).value(), *device_, options).value();
    kv_ = model_->allocate_kv(4).value();
  }
  StepBatch batch() const {
    StepBatch b{};
    b.tokens = tokens_;
    b.positions = positions_;
    b.slots = slots_;
    b.token_indptr = token_indptr_;
    b.page_indptr = page_indptr_;
    b.page_table = page_table_;
    b.kv_len = kv_len_;
    b.output_rows = output_rows_;
    return b;
  }
  std::string error() {
    const auto result = model_->forward(batch(), kv_);
    return result ? "no error" : result.error().message;
  }

  TemporaryFolder folder_;
  std::unique_ptr<ops::Device> device_ = ops::open_device("ref").value();
  std::unique_ptr<Model> model_;
  KvCache kv_;
  std::vector<int32_t> tokens_{1, 2, 3}, positions_{0, 1, 2}, slots_{0, 1, 2}, token_indptr_{0, 3}, page_indptr_{0, 1},
      page_table_{0}, kv_len_{3}, output_rows_{2};
};

TEST_F(RefModel, StepsThatDoNotFitAreNamed) {
  EXPECT_EQ(error(), "no error");
  tokens_[1] = 1 << 20;
  EXPECT_THAT(error(), HasSubstr("token; got 1048576"));
  tokens_ = {1, 2, -1};
  EXPECT_THAT(error(), HasSubstr("token; got -1"));
  tokens_ = {1, 2, 3};
  slots_[0] = 16;
  EXPECT_THAT(error(), HasSubstr("slot; got 16"));
  slots_[0] = 0;
  page_table_ = {4};
  EXPECT_THAT(error(), HasSubstr("page; got 4, need 0 to 3"));
  page_table_ = {0};
  kv_len_ = {5};
  EXPECT_THAT(error(), HasSubstr("kv_len of sequence 0; got 5, need 3 (its rows) to 4 (its pages)"));
  kv_len_ = {3};
  output_rows_ = {2, 1};
  EXPECT_THAT(error(), HasSubstr("ascending"));
  output_rows_ = {3};
  EXPECT_THAT(error(), HasSubstr("output row; got 3"));
  output_rows_ = {2};
  tokens_.assign(9, 1);
  EXPECT_THAT(error(), HasSubstr("got 9 tokens, need 1 to 8"));
}

TEST_F(RefModel, AMaskHidesWhatItSays) {
  const auto last_row = [&](StepBatch b) {
    const auto result = model_->forward(b, kv_).value();
    const float* data = data_of<float>(result.logits);
    return std::vector<float>(data, data + model_->config().vocab);
  };
  const auto plain = last_row(batch());
  const std::vector<uint8_t> all{0xFF}, without_second{0xFD};
  const std::vector<int32_t> on_last{-1, -1, 0}, behind_the_end{-1, -1, 1};
  StepBatch b = batch();
  b.mask = all;
  b.mask_offset = on_last;
  EXPECT_EQ(last_row(b), plain);
  b.mask = without_second;
  const auto hidden = last_row(b);
  EXPECT_NE(hidden, plain);
  tokens_[1] = 7;  // what is hidden from the last row does not matter to it
  StepBatch c = batch();
  c.mask = without_second;
  c.mask_offset = on_last;
  const auto other = last_row(c);
  // The second token still reaches it through nothing: the first row is before it.
  EXPECT_EQ(other, hidden);
  c.mask_offset = behind_the_end;
  EXPECT_FALSE(model_->forward(c, kv_));
}

TEST_F(RefModel, LikelihoodIsTheMeanOfItsLogits) {
  const auto tokens = random_tokens(5, 23);
  const auto logits = logits_of(*model_, tokens, 8).value();
  const auto vocab = static_cast<size_t>(model_->config().vocab);
  ASSERT_EQ(logits.size(), tokens.size() * vocab);
  double sum = 0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    double total = 0;
    for (size_t j = 0; j < vocab; ++j) total += std::exp(static_cast<double>(logits[i * vocab + j]));
    sum += std::log(total) - static_cast<double>(logits[i * vocab + static_cast<size_t>(tokens[i + 1])]);
  }
  const auto whole = likelihood_of(*model_, tokens, 64, 1, 8).value();
  EXPECT_EQ(whole.scored, 22);
  EXPECT_NEAR(whole.mean_nll, sum / 22, 1e-9);
  const auto windows = likelihood_of(*model_, tokens, 10, 5, 8).value();
  EXPECT_EQ(windows.scored, 5 + 5 + 0);
  EXPECT_FALSE(likelihood_of(*model_, tokens, 10, 10, 8));
  EXPECT_EQ(logits_of(*model_, random_tokens(1, 300), 8).error().kind, ErrorKind::Limit);
}

TEST(ModelConfigTest, Llama3ScalingEqualsItsFactors) {
  ModelConfig c;
  c.rope_dims = 64;
  c.rope_theta = 500000;
  const auto plain = inverse_frequencies(c, false, 0);
  EXPECT_FLOAT_EQ(plain[0], 1.0f);
  EXPECT_FLOAT_EQ(plain[31], static_cast<float>(std::pow(500000.0, -62.0 / 64)));
  c.rope_scaling = RopeScaling::Llama3;
  c.rope_factor = 8;
  c.rope_original_context = 8192;
  const auto scaled = inverse_frequencies(c, false, 0);
  EXPECT_FLOAT_EQ(scaled[0], plain[0]);           // short waves stay
  EXPECT_FLOAT_EQ(scaled[31], plain[31] / 8.0f);  // long ones are stretched
}

TEST(ModelConfigTest, LongRopeChoosesByContext) {
  ModelConfig c;
  c.rope_dims = 4;
  c.rope_scaling = RopeScaling::LongRope;
  c.rope_original_context = 4096;
  c.rope_factors = {8, 8};
  c.rope_factors_short = {2, 2};
  EXPECT_FLOAT_EQ(inverse_frequencies(c, false, 4096)[0], 0.5f);
  EXPECT_FLOAT_EQ(inverse_frequencies(c, false, 4097)[0], 0.125f);
}

}  // namespace
}  // namespace hearth::llm
