// Every model and every value of the ONNX suite reads, and stays readable or is refused when it is damaged.
#include "onnx_suite.h"

#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "import/onnx/read_onnx.h"
#include "onnx_bytes.h"

namespace hearth::import::testing {
namespace {

TEST(OnnxSuite, EveryModelReads) {
  const auto files = suite_files(".onnx");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  size_t nodes = 0;
  for (const auto& file : files) {
    const auto model = read_onnx(file);
    EXPECT_TRUE(model) << file << ": " << model.error().message;
    if (model) nodes += model->graph.nodes.size();
  }
  EXPECT_GT(files.size(), 1700u);
  EXPECT_GT(nodes, files.size());
}

TEST(OnnxSuite, EveryValueReads) {
  const auto files = suite_files(".pb");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  for (const auto& file : files) {
    const auto bytes = read_file(file);
    ASSERT_TRUE(bytes);
    // A file does not say what it holds.
    const auto tensor = read_onnx_tensor(as_bytes(*bytes));
    EXPECT_TRUE(tensor || read_onnx_sequence(as_bytes(*bytes)) || read_onnx_optional(as_bytes(*bytes)))
        << file << ": " << tensor.error().message;
  }
}

// Bytes replaced, inserted, removed, doubled; lengths and tags are hit often because small models consist of them.
std::string damage(std::string bytes, std::mt19937_64& random) {
  const auto below = [&](size_t n) { return n == 0 ? size_t{0} : random() % n; };
  if (bytes.empty()) return bytes;
  if (below(2) == 0) {  // one bit alone: often still a model
    const size_t at = below(bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
    return bytes;
  }
  for (size_t change = 0, changes = 1 + below(4); change < changes && !bytes.empty(); ++change) {
    const size_t at = below(bytes.size());
    switch (below(6)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, 1 + below(8));
        break;
      case 3:
        bytes.insert(at, 1 + below(4), static_cast<char>(random()));
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size()), below(64)));
        break;
      default:
        bytes.resize(at);
    }
  }
  return bytes;
}

TEST(OnnxSuite, DamagedModelsAreReadOrRefused) {
  auto files = suite_files(".onnx");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  std::mt19937_64 random(1);
  std::erase_if(files, [](const auto& file) { return std::filesystem::file_size(file) > 65536; });
  size_t refused = 0, readable = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto whole = read_file(files[random() % files.size()]);
    ASSERT_TRUE(whole);
    const std::string bytes = damage(*whole, random);
    const auto model = read_onnx(as_bytes(bytes), nullptr);
    if (model) {
      ++readable;
      EXPECT_EQ(model->clone().graph.nodes.size(), model->graph.nodes.size());
    } else {
      ++refused;
      EXPECT_TRUE(model.error().message.starts_with("[onnx] ")) << model.error().message;
    }
  }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(readable, 1000u);
}

TEST(OnnxSuite, ShortenedModelsAreRefused) {
  const auto files = suite_files(".onnx");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  for (size_t i = 0; i < files.size(); i += 50) {
    const auto whole = read_file(files[i]);
    ASSERT_TRUE(whole);
    for (size_t size = 0; size < std::min<size_t>(whole->size(), 2000); ++size) {
      const auto model = read_onnx(as_bytes(whole->substr(0, size)), nullptr);
      EXPECT_TRUE(model || !model.error().message.empty()) << files[i] << " at " << size;
    }
  }
}

TEST(OnnxSuite, DamagedValuesAreReadOrRefused) {
  const auto files = suite_files(".pb");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  std::mt19937_64 random(2);
  for (int round = 0; round < 10000; ++round) {
    const auto whole = read_file(files[random() % files.size()]);
    ASSERT_TRUE(whole);
    if (whole->size() > 65536) continue;
    const std::string bytes = damage(*whole, random);
    for (const auto read : {read_onnx_tensor, read_onnx_sequence, read_onnx_optional}) {
      const auto value = read(as_bytes(bytes), nullptr);
      EXPECT_TRUE(value || value.error().message.starts_with("[onnx] ")) << value.error().message;
    }
  }
}

}  // namespace
}  // namespace hearth::import::testing
