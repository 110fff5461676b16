// What the engine does around a model must not show in its logits: every way of serving a row of tokens gives, to the
// bit, what the model gives for the row alone in one step. Small random models, on every device.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <numeric>

#include "engine/engine.h"
#include "llm/evaluate.h"
#include "llm/random/random_model.h"
#include "support/temporary_folder.h"

namespace hearth::engine {
namespace {

struct Shape {
  const char* name;
  const char* device;
  const char* architecture;
  std::vector<DType> dtypes;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.name;
}

constexpr int64_t kPageSize = 8, kStepTokens = 96;

class SameLogits : public testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    const llm::RandomModelOptions options{.architecture = GetParam().architecture,
                                          .dtypes = GetParam().dtypes,
                                          .layers = 2,
                                          .hidden = 256,
                                          .heads = 4,
                                          .kv_heads = 2,
                                          .head_dim = 64,
                                          .ffn = 256,
                                          .context = 512};
    path_ = llm::write_random_model(options, folder_.path()).value();
    device_ = ops::open_device(GetParam().device, {.threads = 2}).value();
    judge_device_ = ops::open_device(GetParam().device, {.threads = 2}).value();
    judge_ = load(*judge_device_);
  }

  std::unique_ptr<llm::Model> load(ops::Device& device) {
    std::shared_ptr<llm::ModelFile> file = llm::open_model_file(path_).value();
    return llm::Model::load(file, device, {.prepared_dir = {}, .max_step_tokens = kStepTokens, .page_size = kPageSize})
        .value();
  }

  // `pages` of keys and values, steps of at most `step_tokens`.
  void serve(int64_t pages, int64_t step_tokens) {
    auto model = load(*device_);
    EngineOptions options;
    options.page_size = kPageSize;
    options.max_step_tokens = step_tokens;
    options.kv_bytes = static_cast<size_t>(pages) * model->kv_bytes_per_page();
    options.check_each_step = true;
    engine_ = std::make_unique<Engine>(options);
    ASSERT_TRUE(engine_->add_model("random", std::move(model), nullptr));
  }

  std::vector<uint32_t> text(uint32_t seed, size_t count) const {
    const auto vocab = static_cast<uint32_t>(judge_->config().vocab);
    std::vector<uint32_t> tokens(count);
    for (size_t i = 0; i < count; ++i)
      tokens[i] = static_cast<uint32_t>((seed * 2654435761u + i * 40503u + i * i * 7u) % vocab);
    return tokens;
  }

  // After the last token, from the model alone in one step.
  std::vector<float> alone(const std::vector<uint32_t>& tokens) {
    const std::vector<int32_t> row(tokens.begin(), tokens.end());
    const auto all = llm::logits_of(*judge_, row, kStepTokens).value();
    return {all.end() - judge_->config().vocab, all.end()};
  }

  std::future<std::vector<float>> start(std::optional<ContextId> context, std::vector<uint32_t> tokens) {
    ForwardRequest request;
    request.context = context;
    request.positions.resize(tokens.size());
    std::iota(request.positions.begin(), request.positions.end(),
              context ? static_cast<uint32_t>(engine_->info(*context).value().tokens) : 0u);
    request.slots = {{static_cast<uint32_t>(tokens.size() - 1), RawLogits{}}};
    request.tokens = std::move(tokens);
    auto promise = std::make_shared<std::promise<std::vector<float>>>();
    engine_->submit(std::move(request), [promise](Result<ForwardOutput> output) {
      EXPECT_TRUE(output) << output.error().message;
      promise->set_value(output ? std::get<LogitsOutput>(output->slots[0]).logits : std::vector<float>{});
    });
    return promise->get_future();
  }
  std::vector<float> next(std::optional<ContextId> context, std::vector<uint32_t> tokens) {
    return start(context, std::move(tokens)).get();
  }

  TemporaryFolder folder_;
  std::filesystem::path path_;
  std::unique_ptr<ops::Device> device_, judge_device_;
  std::unique_ptr<llm::Model> judge_;
  std::unique_ptr<Engine> engine_;
};

std::vector<uint32_t> joined(std::vector<uint32_t> a, const std::vector<uint32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_P(SameLogits, InChunks) {
  serve(64, 7);
  const auto tokens = text(1, 60);
  EXPECT_EQ(next(std::nullopt, tokens), alone(tokens));
}

TEST_P(SameLogits, TokenByToken) {
  serve(64, 96);
  const ContextId context = engine_->create(0).value();
  const auto tokens = text(2, 20);
  for (size_t i = 0; i < tokens.size(); ++i)
    EXPECT_EQ(next(context, {tokens[i]}), alone({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(i) + 1})) << i;
}

TEST_P(SameLogits, AmongStrangers) {
  serve(200, 96);
  std::vector<std::future<std::vector<float>>> futures;
  for (uint32_t i = 0; i < 12; ++i) futures.push_back(start(std::nullopt, text(10 + i, 3 + 5 * i)));
  for (uint32_t i = 0; i < 12; ++i) EXPECT_EQ(futures[i].get(), alone(text(10 + i, 3 + 5 * i))) << i;
}

TEST_P(SameLogits, AfterForks) {
  serve(64, 96);
  const auto prompt = text(3, 21);
  const ContextId parent = engine_->create(0).value();
  next(parent, prompt);
  ASSERT_TRUE(engine_->commit(parent, 2));
  std::vector<std::future<std::vector<float>>> futures;
  for (uint32_t i = 0; i < 5; ++i) futures.push_back(start(engine_->fork(parent).value(), {i, 7}));
  for (uint32_t i = 0; i < 5; ++i) EXPECT_EQ(futures[i].get(), alone(joined(prompt, {i, 7}))) << i;
}

TEST_P(SameLogits, WithAPrefixFromTheTree) {
  serve(64, 96);
  const auto tokens = text(4, 45);
  const auto first = next(std::nullopt, tokens);
  EXPECT_EQ(next(std::nullopt, tokens), first);
  EXPECT_EQ(engine_->stats(0).tokens_from_prefix, 40u);
  EXPECT_EQ(first, alone(tokens));
}

TEST_P(SameLogits, EqualPromptsAtOnce) {
  serve(64, 24);
  const auto tokens = text(8, 45);
  std::vector<std::future<std::vector<float>>> futures;
  for (uint32_t i = 0; i < 6; ++i) futures.push_back(start(std::nullopt, tokens));
  const auto want = alone(tokens);
  for (auto& future : futures) EXPECT_EQ(future.get(), want);
  EXPECT_EQ(engine_->stats(0).tokens_from_prefix, 5 * 40u);
}

TEST_P(SameLogits, AfterSuspensionToHostMemory) {
  serve(8, 96);
  const auto a = text(5, 37), b = text(6, 60);
  const ContextId context = engine_->create(0).value();
  next(context, a);
  ASSERT_TRUE(engine_->suspend(context));
  EXPECT_EQ(next(std::nullopt, b), alone(b));
  EXPECT_GT(engine_->stats(0).pages_in_host, 0);
  EXPECT_EQ(next(context, {9}), alone(joined(a, {9})));
}

TEST_P(SameLogits, DrawsAreRepeatable) {
  serve(64, 96);
  const auto tokens = text(7, 30);
  std::vector<uint32_t> drawn;
  for (int round = 0; round < 2; ++round) {
    ForwardRequest request;
    request.tokens = tokens;
    request.positions.resize(tokens.size());
    std::iota(request.positions.begin(), request.positions.end(), 0u);
    request.slots = {{29, Draw{.temperature = 1.3f, .top_k = 40, .top_p = 0.9f, .seed = 99}},
                     {29, Draw{.temperature = 0}},
                     {29, Distribution{.top_n = 3}},
                     {29, Entropy{}},
                     {29, LogProbs{{1, 2}}},
                     {29, Embedding{}}};
    std::promise<Result<ForwardOutput>> promise;
    engine_->submit(request, [&](Result<ForwardOutput> output) { promise.set_value(std::move(output)); });
    const auto output = promise.get_future().get();
    ASSERT_TRUE(output) << output.error().message;
    drawn.push_back(std::get<TokenOutput>(output->slots[0]).token);
    EXPECT_EQ(std::get<TokenOutput>(output->slots[1]).token, std::get<DistributionOutput>(output->slots[2]).tokens[0]);
    EXPECT_EQ(std::get<EmbeddingOutput>(output->slots[5]).values.size(), 256u);
  }
  EXPECT_EQ(drawn[0], drawn[1]);
}

INSTANTIATE_TEST_SUITE_P(Models, SameLogits,
                         testing::Values(Shape{"ref_llama_f32", "ref", "llama", {DType::F32}},
                                         Shape{"cpu_llama_f32", "cpu", "llama", {DType::F32}},
                                         Shape{"cpu_llama_q4_1", "cpu", "llama", {DType::Q8_0, DType::Q4_1}},
                                         Shape{"cpu_gemma3_q8_0", "cpu", "gemma3", {DType::Q8_0}},
                                         Shape{"cpu_qwen3_bf16", "cpu", "qwen3", {DType::BF16}}),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace hearth::engine
