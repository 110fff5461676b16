// Thousands of damaged files: each is refused with an error or loads and runs; none crashes. Runs in every preset, so
// the sanitizers watch as well. The fuzzers under fuzz/ go further with the same targets.
#include <cstring>

#include "base/file.h"
#include "random_model_fixture.h"

namespace hearth::llm {
namespace {

namespace fs = std::filesystem;

// The smallest model that still has everything a file of its kind can have.
RandomModelOptions tiny_model(std::string architecture) {
  RandomModelOptions options = small_model(std::move(architecture), {DType::Q8_0, DType::F16});
  options.layers = 1;
  options.hidden = 32;
  options.heads = 2;
  options.kv_heads = 1;
  options.head_dim = 16;
  options.ffn = 32;
  return options;
}

class HostileFiles : public ::testing::Test {
 protected:
  // What serving does with a file: open, load, one step.
  void use(const fs::path& path) {
    auto file = open_model_file(path);
    if (!file) {
      EXPECT_FALSE(file.error().message.empty());
      ++refused_;
      return;
    }
    EXPECT_FALSE((*file)->fingerprint().empty());
    LoadOptions options;
    options.max_step_tokens = 4;
    auto model = Model::load(std::move(*file), *device_, options);
    if (!model) {
      ++refused_;
      return;
    }
    auto kv = (*model)->allocate_kv(1);
    ASSERT_TRUE(kv) << kv.error().message;
    const int32_t tokens[] = {0, 0}, positions[] = {0, 1}, at[] = {0, 2}, pages_at[] = {0, 1}, page[] = {0},
                  length[] = {2};
    StepBatch batch{};
    batch.tokens = tokens;
    batch.positions = batch.slots = positions;
    batch.token_indptr = at;
    batch.page_indptr = pages_at;
    batch.page_table = page;
    batch.kv_len = length;
    batch.output_rows = positions;
    const auto result = (*model)->forward(batch, *kv);
    EXPECT_TRUE(result) << result.error().message;
    ++ran_;
  }

  // Flips bits, sets bytes to extremes, overwrites words with lengths that tend to hurt, cuts the end off.
  std::string damage(std::string text, size_t interesting) {
    static constexpr uint64_t kNumbers[] = {
        0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF};
    for (uint32_t n = 1 + random_() % 3; n > 0; --n) {
      const size_t range = std::min(interesting, text.size());  // earlier damage may have made it shorter
      if (range == 0) break;
      const size_t at = random_() % range;
      switch (random_() % 5) {
        case 0:
          text[at] = static_cast<char>(text[at] ^ (1 << (random_() % 8)));
          break;
        case 1:
          text[at] = static_cast<char>(random_());
          break;
        case 2: {
          const uint64_t number = kNumbers[random_() % std::size(kNumbers)];
          const size_t size = random_() % 2 == 0 ? 4 : 8;
          if (at + size <= text.size()) std::memcpy(text.data() + at, &number, size);
          break;
        }
        case 3:
          text.erase(at, 1 + random_() % 9);
          break;
        case 4:
          text.insert(at, text.substr(random_() % range, random_() % 17));
          break;
      }
    }
    if (random_() % 8 == 0) text.resize(random_() % (text.size() + 1));
    return text;
  }

  TemporaryFolder folder_;
  std::unique_ptr<ops::Device> device_ = ops::open_device("ref").value();
  std::mt19937 random_{12345};
  int refused_ = 0, ran_ = 0;
};

TEST_F(HostileFiles, Gguf) {
  for (const char* arch : {"llama", "gemma3", "phi3"}) {
    const fs::path path = write_random_model(tiny_model(arch), folder_.path() / arch).value();
    const std::string good = read_file(path).value();
    use(path);
    // Metadata other than the vocabulary, and the tensor table: the rest is token texts and weights.
    const size_t keys = good.find("tokenizer.ggml.model"), table = good.find("tokenizer.ggml.bos_token_id");
    const size_t weights = good.find("output_norm.weight") + 64;
    ASSERT_LT(weights, good.size());
    for (int i = 0; i < 1000; ++i) {
      std::string text = i % 2 == 0 ? damage(good.substr(0, keys), keys) + good.substr(keys)
                                    : good.substr(0, table) + damage(good.substr(table), weights - table);
      ASSERT_TRUE(write_file(path, text));
      use(path);
    }
    for (size_t size = 0; size < good.size(); size += 1 + random_() % (good.size() / 150)) {
      ASSERT_TRUE(write_file(path, good.substr(0, size)));
      use(path);
    }
  }
  EXPECT_GT(refused_, 1000);
  EXPECT_GT(ran_, 100) << "damage that nothing survives tests too little";
}

TEST_F(HostileFiles, Safetensors) {
  RandomModelOptions options = tiny_model("qwen2");
  options.format = "safetensors";
  options.dtypes = {DType::BF16};
  options.shards = 2;
  const fs::path path = write_random_model(options, folder_.path() / "model").value();
  use(path);
  for (const char* name : {"config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
                           "generation_config.json", "tokenizer_config.json"}) {
    const std::string good = read_file(path / name).value();
    const size_t interesting = good.size() > 100000 ? 3000 : good.size();
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(write_file(path / name, damage(good, std::min<size_t>(interesting, 3000))));
      use(path);
    }
    ASSERT_TRUE(write_file(path / name, good));
  }
  EXPECT_GT(refused_, 500);
  EXPECT_GT(ran_, 100);
}

TEST_F(HostileFiles, DeepJson) {
  RandomModelOptions options = tiny_model("llama");
  options.format = "safetensors";
  options.dtypes = {DType::F32};
  const fs::path path = write_random_model(options, folder_.path() / "model").value();
  ASSERT_TRUE(write_file(path / "config.json", "{\"a\":" + std::string(1000000, '[')));
  EXPECT_FALSE(open_model_file(path));
  std::string nested = "{\"a\":1}";
  for (int i = 0; i < 100; ++i) nested = "{\"a\":" + nested + "}";
  ASSERT_TRUE(write_file(path / "config.json", nested));
  const auto file = open_model_file(path);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("nested at most"), std::string::npos);
}

}  // namespace
}  // namespace hearth::llm
