#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "import/onnx/read_onnx.h"
#include "onnx_bytes.h"

namespace hearth::import::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string error_of(std::string_view bytes) {
  const auto model = read_onnx(as_bytes(bytes), nullptr);
  return model ? "no error" : model.error().message;
}

TEST(ForeignFile, IsNamedByWhatItLooksLike) {
  EXPECT_EQ(error_of(""), "[onnx] bytes; got an empty file, need an ONNX model");
  EXPECT_THAT(error_of("\n<!DOCTYPE HTML>\n<html>"), HasSubstr("got an HTML page: a download that went wrong"));
  EXPECT_THAT(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
              HasSubstr("got a git-lfs pointer"));
  EXPECT_THAT(error_of(std::string("PK\x03\x04\0\0\0archive/data.pkl", 23)),
              HasSubstr("got a PyTorch checkpoint (zip)"));
  EXPECT_THAT(error_of(std::string("PK\x03\x04\0\0\0m/data.pkl m/constants.pkl", 34)),
              HasSubstr("got a TorchScript file"));
  EXPECT_THAT(error_of(std::string("\x80\x02\x8a\x0a", 4)), HasSubstr("got a Python pickle"));
  EXPECT_THAT(error_of(std::string("GGUF\x03\0\0\0", 8)), HasSubstr("got a GGUF file"));
  EXPECT_THAT(error_of(std::string("\x40\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\"", 27)),
              HasSubstr("got a safetensors file"));
  EXPECT_THAT(error_of(std::string("\x1c\0\0\0TFL3", 8)), HasSubstr("got a TensorFlow Lite model"));
  EXPECT_THAT(error_of("{\"error\": \"not found\"}"), HasSubstr("got a JSON file"));
  EXPECT_THAT(error_of("<ir_version: 10> g (float x) => (float y) {}"), HasSubstr("got a model in ONNX's text form"));
  EXPECT_THAT(error_of("Repository not found"), HasSubstr("got a text file that begins with \"Repository not found\""));
  EXPECT_THAT(error_of(std::string(1000, '\0')), HasSubstr("got a file of zeros"));
}

TEST(ForeignFile, DamageOfAModelIsSaidAsSuch) {
  const std::string whole = model(graph({.nodes = {node({"A", {}, {"v"}})}}));
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 12)), HasSubstr("of ModelProto at its byte"));
  EXPECT_EQ(error_of(std::string("\x08\x0a", 2)), "[onnx] model; got no graph, need one");
  EXPECT_THAT(error_of(floats("w", {1, 2}, {1, 2})), HasSubstr("of ModelProto"));  // a tensor, not a model
}

TEST(ForeignFile, PathsAreNamed) {
  const fs::path folder = fs::path(::testing::TempDir()) / fmt::format("foreign_{}", ::getpid());
  fs::create_directories(folder);
  auto missing = read_onnx(folder / "no.onnx");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::NotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("no.onnx"));
  EXPECT_THAT(read_onnx(folder).error().message, HasSubstr("got a folder, need an ONNX model"));
  ASSERT_TRUE(write_file(folder / "net.onnx", "<html>"));
  EXPECT_THAT(read_onnx(folder).error().message, HasSubstr("did you mean"));
  EXPECT_THAT(read_onnx(folder).error().message, HasSubstr("net.onnx"));
  EXPECT_EQ(read_onnx(folder / "net.onnx").error().message,
            fmt::format("[onnx] {}; got an HTML page: a download that went wrong, need an ONNX model",
                        (folder / "net.onnx").string()));
  ASSERT_TRUE(write_file(folder / "net.onnx", model(graph({.outputs = {value_info("y")}}))));
  EXPECT_THAT(read_onnx(folder / "net.onnx").error().message, HasSubstr("(in " + (folder / "net.onnx").string() + ")"));
  ASSERT_TRUE(write_file(folder / "saved_model.pb", "x"));
  EXPECT_THAT(read_onnx(folder).error().message, HasSubstr("a TensorFlow SavedModel"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace hearth::import::testing
