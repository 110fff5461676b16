#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "import/onnx/read_onnx.h"
#include "onnx_bytes.h"

namespace hearth::import::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A folder with model.onnx, whose initializers lie in weights.bin: the floats 0, 1, 2 … 63.
class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::path(::testing::TempDir()) /
        fmt::format("external_{}_{}", ::testing::UnitTest::GetInstance()->current_test_info()->name(), ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model");
    std::string bytes;
    for (int i = 0; i < 64; ++i) {
      const auto value = static_cast<float>(i);
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    ASSERT_TRUE(write_file(folder_ / "model/weights.bin", bytes));
    ASSERT_TRUE(write_file(folder_ / "outside.bin", bytes));
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string external(std::string_view name, std::initializer_list<int64_t> dims, std::string_view location,
                              const std::string& offset = "", const std::string& length = "", int32_t type = kFloat) {
    return tensor(name, type, dims, [&](Writer& w) {
      w.add_message(13, entry("location", location));
      if (!offset.empty()) w.add_message(13, entry("offset", offset));
      if (!length.empty()) w.add_message(13, entry("length", length));
      w.add_message(13, entry("checksum", "abc"));
      w.add_int32(14, 1);
    });
  }

  Result<graph::Model> read(const std::vector<std::string>& tensors) {
    const fs::path path = folder_ / "model/model.onnx";
    if (!write_file(path, model(graph({.initializers = tensors})))) return fail(ErrorKind::Io, "test");
    return read_onnx(path);
  }
  std::string error_of(const std::string& one) {
    const auto model = read({one});
    return model ? "no error" : model.error().message;
  }

  fs::path folder_;
};

TEST_F(ExternalData, IsMappedOnceAndOutlivesTheModel) {
  Tensor kept;
  {
    const auto model = read({external("a", {4}, "weights.bin", "16", "16"), external("b", {64}, "./weights.bin"),
                             external("c", {0}, "weights.bin", "256")});
    ASSERT_TRUE(model) << model.error().message;
    const Tensor &a = model->graph.value(0).constant, &b = model->graph.value(1).constant;
    EXPECT_EQ(a.data<float>()[0], 4.0f);
    EXPECT_EQ(a.data<float>(), b.data<float>() + 4);  // the same pages, not copied
    EXPECT_EQ(model->backing.size(), 2u);             // the model's own file and weights.bin
    kept = b;
  }
  EXPECT_EQ(kept.data<float>()[63], 63.0f);
}

TEST_F(ExternalData, UnalignedAndPackedBytesAreDecoded) {
  const auto model =
      read({external("a", {2}, "weights.bin", "2", "8"), external("b", {3}, "weights.bin", "4", "2", kInt4)});
  ASSERT_TRUE(model) << model.error().message;
  const Tensor &a = model->graph.value(0).constant, &b = model->graph.value(1).constant;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.raw()) % alignof(float), 0u);
  EXPECT_EQ(b.size(), 3);
  EXPECT_EQ(b.data<int8_t>()[0], 0);
}

TEST_F(ExternalData, StaysInTheModelsFolder) {
  EXPECT_THAT(error_of(external("w", {1}, "../outside.bin")),
              HasSubstr("got \"../outside.bin\", need a path below the model's folder"));
  EXPECT_THAT(error_of(external("w", {1}, "sub/../../outside.bin")), HasSubstr("need a path below"));
  EXPECT_THAT(error_of(external("w", {1}, (folder_ / "outside.bin").string())), HasSubstr("need a path below"));
  fs::create_symlink("../outside.bin", folder_ / "model/link.bin");
  EXPECT_THAT(error_of(external("w", {1}, "link.bin")), HasSubstr("got a link to"));
  fs::create_directory_symlink("..", folder_ / "model/up");
  EXPECT_THAT(error_of(external("w", {1}, "up/outside.bin")), HasSubstr("got a link to"));
  fs::create_symlink("weights.bin", folder_ / "model/inside.bin");
  EXPECT_EQ(error_of(external("w", {1}, "inside.bin")), "no error");
}

TEST_F(ExternalData, AFolderWhoseNameBeginsAlikeIsOutside) {
  fs::create_directories(folder_ / "model2");
  fs::copy_file(folder_ / "outside.bin", folder_ / "model2/w.bin");
  fs::create_symlink("../model2/w.bin", folder_ / "model/alike.bin");
  EXPECT_THAT(error_of(external("w", {1}, "alike.bin")), HasSubstr("got a link to"));
}

TEST_F(ExternalData, PlacesAreHeldAgainstTheFile) {
  EXPECT_THAT(error_of(external("w", {65}, "weights.bin")), HasSubstr("got a file of 256 bytes, need 260 from byte 0"));
  EXPECT_THAT(error_of(external("w", {1}, "weights.bin", "253")), HasSubstr("need 4 from byte 253"));
  EXPECT_THAT(error_of(external("w", {1}, "weights.bin", "18446744073709551615")),
              HasSubstr("from byte 18446744073709551615"));
  EXPECT_THAT(error_of(external("w", {1}, "weights.bin", "-4")), HasSubstr("offset of external data; got \"-4\""));
  EXPECT_THAT(error_of(external("w", {1}, "weights.bin", "0", "8")),
              HasSubstr("length of external data; got 8, need 4"));
  EXPECT_THAT(error_of(external("w", {1}, "weights.bin", "0", "18446744073709551616")),
              HasSubstr("length of external data; got"));
}

TEST_F(ExternalData, MustBeARegularFile) {
  EXPECT_THAT(error_of(external("w", {1}, "missing.bin")), HasSubstr("got no such file"));
  EXPECT_THAT(error_of(external("w", {1}, "")), HasSubstr("need a relative path"));
  EXPECT_THAT(error_of(external("w", {1}, ".")), HasSubstr("got no regular file"));
  ASSERT_EQ(::mkfifo((folder_ / "model/pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of(external("w", {1}, "pipe")),
              HasSubstr("got no regular file"));  // and does not wait for a writer
  EXPECT_THAT(error_of(external("w", {1}, std::string("weights.bin\0x", 13))), HasSubstr("need a relative path"));
}

TEST_F(ExternalData, NeedsAFolder) {
  const std::string bytes = model(graph({.initializers = {external("w", {1}, "weights.bin")}}));
  const auto without = read_onnx(as_bytes(bytes), nullptr);
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().message, HasSubstr("got a model without a folder"));
  EXPECT_TRUE(read_onnx(as_bytes(bytes), nullptr, folder_ / "model"));
}

TEST_F(ExternalData, TheSameBytesAreNotCopiedWithoutEnd) {
  // Unaligned: each of these is a copy of nearly the whole file.
  std::vector<std::string> tensors;
  for (int i = 0; i < 100; ++i) tensors.push_back(external(fmt::format("w{}", i), {63}, "weights.bin", "1"));
  const auto model = read(tensors);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().kind, ErrorKind::Limit);
  EXPECT_THAT(model.error().message, HasSubstr("copies of external data"));
}

}  // namespace
}  // namespace hearth::import::testing
