// What `pie model remove` gives back: the model, and the weights that were prepared of it.
#include <gtest/gtest.h>

#include "base/file.h"
#include "llm/model.h"
#include "llm/random/random_model.h"
#include "pie/model_store.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

class PreparedWeights : public testing::Test {
 protected:
  static fs::path fresh_folder() {
    std::string name = (fs::temp_directory_path() / "hearth_prepared_weights.XXXXXX").string();
    return ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(dir_); }

  fs::path write_model(const fs::path& folder, uint64_t seed) const {
    fs::create_directories(folder);
    llm::RandomModelOptions shape{.dtypes = {DType::Q8_0}, .seed = seed};
    shape.hidden = 64, shape.heads = 2, shape.kv_heads = 1, shape.head_dim = 32, shape.ffn = 64;
    return llm::write_random_model(shape, folder).value();
  }
  // As if it had been downloaded.
  fs::path store_model(const ModelSource& source, uint64_t seed) {
    const auto path = write_model(store_.staging(source), seed);
    const StoredModel model{.source = source.text(), .files = {{path.filename().string(), fs::file_size(path), ""}}};
    return store_.adopt(source, model).value().model_path();
  }
  // As serving does it, for one instruction set.
  void load(const fs::path& path, const char* isa) const {
    auto device = ops::open_device("cpu", {.threads = 1, .isa = isa}).value();
    const auto model = llm::Model::load(llm::open_model_file(path).value(), *device,
                                        {.prepared_dir = store_.prepared(), .max_step_tokens = 8});
    ASSERT_TRUE(model) << model.error().message;
    ASSERT_TRUE((*model)->mapped());
  }
  uint64_t prepared_bytes() const {
    uint64_t sum = 0;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(store_.prepared(), none)) sum += entry.file_size();
    return sum;
  }

  fs::path dir_ = fresh_folder();
  ModelStore store_{dir_ / "cache"};
};

TEST_F(PreparedWeights, GoWithTheirModelAndNoOther) {
  const auto mine = parse_source("org/mine").value(), other = parse_source("org/other").value();
  const auto path = store_model(mine, 1), other_path = store_model(other, 2);
  load(other_path, "portable");
  const uint64_t others = prepared_bytes();
  ASSERT_GT(others, 0u);
  load(path, "portable");
  const uint64_t both = prepared_bytes();
  ASSERT_GT(both, others);
  const uint64_t size = fs::file_size(path);

  const auto freed = store_.remove(mine);
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_EQ(freed->model, size);
  EXPECT_EQ(freed->prepared, both - others);
  EXPECT_EQ(prepared_bytes(), others);
  EXPECT_FALSE(fs::exists(path));
  load(other_path, "portable");
  EXPECT_EQ(prepared_bytes(), others) << "the other model's were prepared again";
}

TEST_F(PreparedWeights, OfAReplacedDownloadGo) {
  const auto source = parse_source("org/mine").value();
  load(store_model(source, 1), "portable");
  ASSERT_GT(prepared_bytes(), 0u);
  store_model(source, 2);
  EXPECT_EQ(prepared_bytes(), 0u);
}

TEST_F(PreparedWeights, OfAFileUsedInPlaceGoAndTheFileStays) {
  const auto path = write_model(dir_ / "mine", 1);
  load(path, "portable");
  const uint64_t bytes = prepared_bytes();
  const auto freed = store_.remove(parse_source("file:" + path.string()).value());
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_EQ(freed->model, 0u);
  EXPECT_EQ(freed->prepared, bytes);
  EXPECT_EQ(prepared_bytes(), 0u);
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(PreparedWeights, AModelThatCannotBeOpenedIsRemovedAllTheSame) {
  const auto source = parse_source("org/broken").value();
  fs::create_directories(store_.staging(source));
  ASSERT_TRUE(write_file(store_.staging(source) / "m.gguf", "xyz"));
  ASSERT_TRUE(store_.adopt(source, {.source = source.text(), .files = {{"m.gguf", 3, ""}}}));
  const auto freed = store_.remove(source);
  ASSERT_TRUE(freed) << freed.error().message;
  EXPECT_EQ(freed->model, 3u);
  EXPECT_TRUE(store_.list().empty());
}

}  // namespace
}  // namespace hearth::pie
