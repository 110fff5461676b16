// What the configuration says about a model reaches the model.
#include <gtest/gtest.h>

#include "llm/evaluate.h"
#include "llm/random/random_model.h"
#include "pie/local_service.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

class LoadOptionsTest : public testing::Test {
 protected:
  void TearDown() override { fs::remove_all(dir_); }
  static fs::path fresh_folder() {
    std::string name = (fs::temp_directory_path() / "hearth_load_options.XXXXXX").string();
    return ::mkdtemp(name.data());
  }

  // A Phi-3 with LongRope, trained for 256 tokens and before that for 64.
  std::unique_ptr<llm::Model> phi3(int64_t context_length) {
    if (path_.empty()) {
      llm::RandomModelOptions shape{.architecture = "phi3", .layers = 1, .context = 256, .rope = "longrope"};
      shape.hidden = 64, shape.heads = 2, shape.kv_heads = 1, shape.head_dim = 32, shape.ffn = 64;
      path_ = llm::write_random_model(shape, dir_).value();
      device_ = ops::open_device("ref").value();
    }
    Config config = default_config();
    config.engine.cache_dir = (dir_ / "cache").string();
    config.models[0].context_length = context_length;
    auto model =
        llm::Model::load(llm::open_model_file(path_).value(), *device_, load_options(config, config.models[0]));
    EXPECT_TRUE(model) << model.error().message;
    return *std::move(model);
  }
  std::vector<float> logits(int64_t context_length) {
    const auto model = phi3(context_length);
    const int32_t tokens[] = {5, 6, 7, 8, 9, 10, 11, 12};
    return llm::logits_of(*model, tokens, 8).value();
  }

  fs::path dir_ = fresh_folder(), path_;
  std::unique_ptr<ops::Device> device_;
};

TEST_F(LoadOptionsTest, TheContextLengthIsTheModelsOrLess) {
  EXPECT_EQ(phi3(0)->config().context_length, 256);
  EXPECT_EQ(phi3(100)->config().context_length, 100);
  EXPECT_EQ(phi3(100'000)->config().context_length, 256);
}

TEST_F(LoadOptionsTest, LongRopeTakesItsShortFactorsForShortContexts) {
  const auto whole = logits(0), beyond = logits(65), within = logits(64);
  EXPECT_EQ(whole, beyond);
  EXPECT_NE(whole, within);
  EXPECT_EQ(within, logits(32));
}

}  // namespace
}  // namespace hearth::pie
