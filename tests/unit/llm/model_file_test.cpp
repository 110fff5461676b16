#include "llm/model_file.h"

#include <gmock/gmock.h>

#include <cstring>

#include "base/file.h"
#include "llm/arch/architecture.h"
#include "random_model_fixture.h"

namespace hearth::llm {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ModelFileTest : public ::testing::Test {
 protected:
  fs::path write(RandomModelOptions options, std::string_view name = "model") {
    auto path = write_random_model(options, folder_.path() / name);
    EXPECT_TRUE(path) << path.error().message;
    return path.value_or(fs::path());
  }
  static void replace(const fs::path& path, std::string_view what, std::string_view with) {
    std::string text = read_file(path).value();
    const size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    text.replace(at, what.size(), with);
    ASSERT_TRUE(write_file(path, text));
  }
  static std::string error_of(const fs::path& path) {
    const auto file = open_model_file(path);
    EXPECT_FALSE(file);
    return file ? "" : file.error().message;
  }
  TemporaryFolder folder_;
};

TEST_F(ModelFileTest, BothFormatsDescribeTheSameModel) {
  for (const Architecture* arch : architectures()) {
    SCOPED_TRACE(arch->name);
    RandomModelOptions options = small_model(std::string(arch->name));
    const auto gguf = open_model_file(write(options, fmt::format("{}.g", arch->name)));
    options.format = "safetensors";
    const auto folder = open_model_file(write(options, fmt::format("{}.s", arch->name)));
    ASSERT_TRUE(gguf) << gguf.error().message;
    ASSERT_TRUE(folder) << folder.error().message;
    const ModelConfig &a = (*gguf)->config(), &b = (*folder)->config();
    EXPECT_EQ(a.architecture, arch->name);
    EXPECT_EQ(b.architecture, arch->name);
    EXPECT_EQ(a.vocab, b.vocab);
    EXPECT_EQ(a.head_dim, b.head_dim);
    EXPECT_EQ(a.rope_dims, b.rope_dims);
    EXPECT_EQ(a.context_length, b.context_length);
    EXPECT_EQ(a.sliding_window, b.sliding_window);
    EXPECT_EQ(a.tied_embedding, b.tied_embedding);
    EXPECT_NEAR(a.attention_scale, b.attention_scale, 1e-6);
    EXPECT_EQ((*gguf)->tensors().size(), (*folder)->tensors().size());
    EXPECT_FALSE((*gguf)->tokenizer().tokens.empty());
    EXPECT_FALSE((*folder)->tokenizer().tokenizer_json.empty());
    EXPECT_EQ((*gguf)->tokenizer().eos, (*folder)->tokenizer().eos);
    EXPECT_EQ((*folder)->tokenizer().stops, std::vector<uint32_t>{*(*folder)->tokenizer().eos});
    EXPECT_EQ((*gguf)->chat_template(), (*folder)->chat_template());
    EXPECT_THAT((*gguf)->chat_template(), HasSubstr("<|im_start|>"));
  }
}

TEST_F(ModelFileTest, FingerprintChangesWithTheFile) {
  RandomModelOptions options = small_model("llama");
  const std::string first = open_model_file(write(options, "a")).value()->fingerprint();
  options.layers = 3;
  EXPECT_NE(open_model_file(write(options, "b")).value()->fingerprint(), first);
  EXPECT_EQ(open_model_file(folder_.path() / "a" / "model.gguf").value()->fingerprint(), first);
  fs::last_write_time(folder_.path() / "a" / "model.gguf", fs::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_NE(open_model_file(folder_.path() / "a" / "model.gguf").value()->fingerprint(), first);
}

TEST_F(ModelFileTest, UnknownArchitectureListsTheSupportedOnes) {
  const fs::path path = write(small_model("llama"));
  // The value of general.architecture is the first "llama" of the file.
  replace(path, "llama", "mamba");
  EXPECT_THAT(error_of(path),
              HasSubstr("got \"mamba\", need one of gemma2, gemma3, llama, mistral, phi3, qwen2, qwen3"));
}

TEST_F(ModelFileTest, UnsupportedTensorTypeNamesTheTensor) {
  const fs::path path = write(small_model("llama", {DType::Q8_0}));
  // name, rank 2, dims 64 and 64, then the type: 8 (Q8_0) becomes 23 (IQ4_XS)
  std::string text = read_file(path).value();
  const std::string_view name = "blk.1.attn_q.weight";
  const size_t at = text.find(name) + name.size() + 4 + 16;
  ASSERT_EQ(text[at], 8);
  text[at] = 23;
  ASSERT_TRUE(write_file(path, text));
  EXPECT_THAT(error_of(path),
              HasSubstr("tensor blk.1.attn_q.weight; got type IQ4_XS (23), need one of f32, f16, q4_0"));
}

TEST_F(ModelFileTest, CutShort) {
  const fs::path path = write(small_model("llama"));
  fs::resize_file(path, fs::file_size(path) - 1000);
  EXPECT_THAT(error_of(path), HasSubstr("the file is cut short"));
}

TEST_F(ModelFileTest, NotAModel) {
  EXPECT_EQ(open_model_file(folder_.path() / "none").error().kind, ErrorKind::NotFound);
  ASSERT_TRUE(write_file(folder_.path() / "text.gguf", "hello there"));
  EXPECT_THAT(error_of(folder_.path() / "text.gguf"), HasSubstr("need \"GGUF\""));
  ASSERT_TRUE(write_file(folder_.path() / "empty.gguf", ""));
  EXPECT_THAT(error_of(folder_.path() / "empty.gguf"), HasSubstr("end of the file"));
  fs::create_directories(folder_.path() / "folder");
  EXPECT_THAT(error_of(folder_.path() / "folder"), HasSubstr("config.json"));
}

TEST_F(ModelFileTest, AShardOutsideTheFolder) {
  RandomModelOptions options = small_model("llama");
  options.format = "safetensors";
  options.shards = 2;
  const fs::path path = write(options);
  ASSERT_TRUE(open_model_file(path));
  replace(path / "model.safetensors.index.json", "model-00001-of-00002.safetensors", "../../etc/passwd");
  EXPECT_THAT(error_of(path), HasSubstr("need the name of a file in the folder"));
}

TEST_F(ModelFileTest, MissingShard) {
  RandomModelOptions options = small_model("llama");
  options.format = "safetensors";
  options.shards = 2;
  const fs::path path = write(options);
  fs::remove(path / "model-00002-of-00002.safetensors");
  EXPECT_THAT(error_of(path), HasSubstr("model-00002-of-00002.safetensors"));
}

TEST_F(ModelFileTest, UnknownClassAndScalingAreNamed) {
  RandomModelOptions options = small_model("llama");
  options.format = "safetensors";
  options.rope = "linear";
  const fs::path path = write(options);
  replace(path / "config.json", "\"linear\"", "\"dynamic\"");
  EXPECT_THAT(error_of(path),
              HasSubstr("rope_scaling.rope_type; got \"dynamic\", need default, linear, llama3, yarn or longrope"));
  replace(path / "config.json", "LlamaForCausalLM", "MambaForCausalLM");
  EXPECT_THAT(error_of(path), HasSubstr("got \"MambaForCausalLM\", need one of gemma2"));
}

TEST_F(ModelFileTest, ConfigBeyondItsLimitsIsNamed) {
  RandomModelOptions options = small_model("llama");
  options.format = "safetensors";
  const fs::path path = write(options);
  replace(path / "config.json", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3");
  EXPECT_THAT(error_of(path), HasSubstr("head count; got 4, need a multiple of the 3 key-value heads"));
  replace(path / "config.json", "\"num_key_value_heads\": 3", "\"num_key_value_heads\": \"x\"");
  EXPECT_THAT(error_of(path), HasSubstr("num_key_value_heads is of another type; need an integer"));
}

TEST_F(ModelFileTest, AMatrixOfAnotherShapeIsNamedOnLoad) {
  RandomModelOptions options = small_model("llama");
  options.format = "safetensors";
  const fs::path path = write(options);
  replace(path / "config.json", "\"intermediate_size\": 96", "\"intermediate_size\": 95");
  auto file = open_model_file(path);
  ASSERT_TRUE(file) << file.error().message;
  const auto device = ops::open_device("ref").value();
  const auto model = Model::load(std::move(*file), *device, {});
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, HasSubstr("mlp.gate_proj.weight; got [96, 64], need [95, 64]"));
}

}  // namespace
}  // namespace hearth::llm
