#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/file.h"
#include "import/onnx/read_onnx.h"
#include "import/pfm/format.h"
#include "import/pfm/read_pfm.h"
#include "import/pfm/write_pfm.h"
#include "import/read_model.h"
#include "onnx_bytes.h"
#include "onnx_suite.h"
#include "same_model.h"
#include "tensor/checksum.h"

namespace hearth::import::testing {
namespace {

namespace fs = std::filesystem;
using graph::Model;
using ::testing::HasSubstr;

std::string sample_onnx() {
  const std::string branch = graph({.nodes = {node({"Add", {"x", "w"}, {"t"}})}, .outputs = {value_info("t")}});
  return model(graph({
      .nodes = {node({"If", {"c"}, {"y"}, "if", "", "", {graph_attribute("then_branch", branch)}}),
                node({"Constant",
                      {},
                      {"k"},
                      "",
                      "",
                      "",
                      {attribute("value", 4,
                                 [](Writer& w) {
                                   w.add_message(5, raw_tensor<double>("", kDouble, {9}, {1, 2, 3, 4, 5, 6, 7, 8, 9}));
                                 })}})},
      .inputs = {value_info("x", tensor_type(kFloat, {"N", "20"})), value_info("c")},
      .outputs = {value_info("y"), value_info("k")},
      .initializers = {floats("w", {20}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}),
                       floats("small", {1}, {5}),
                       tensor("names", kString, {2},
                              [](Writer& w) {
                                w.add_bytes(6, "a");
                                w.add_bytes(6, "b");
                              })},
  }));
}

Model sample() {
  auto bytes = std::make_shared<const std::string>(sample_onnx());
  auto read = read_onnx(as_bytes(*bytes), bytes);
  CHECK(read);
  return std::move(*read);
}

// 64-byte aligned, as a mapped file is.
struct Aligned {
  explicit Aligned(std::string_view bytes) : room(std::make_shared<std::vector<std::byte>>(bytes.size() + 64)) {
    const size_t start = (64 - reinterpret_cast<uintptr_t>(room->data()) % 64) % 64;
    std::memcpy(room->data() + start, bytes.data(), bytes.size());
    span = {room->data() + start, bytes.size()};
  }
  std::shared_ptr<std::vector<std::byte>> room;
  std::span<const std::byte> span;
};
Result<Model> read(std::string_view bytes) {
  const Aligned aligned(bytes);
  return read_pfm(aligned.span, aligned.room);
}

class Pfm : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / fmt::format("pfm_{}", ::getpid());
    fs::create_directories(folder_);
    path_ = folder_ / "model.pfm";
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_, path_;
};

TEST_F(Pfm, WeightsAreMappedWhereTheyLie) {
  const Model model = sample();
  ASSERT_TRUE(write_pfm(model, path_));
  Tensor kept;
  {
    const auto again = read_pfm(path_);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(difference(model, *again), "");
    const auto& g = again->graph;
    const Tensor &w = g.value(g.find_value("w")).constant, &k = *g.nodes.at(1).tensor("value");
    for (const Tensor* tensor : {&w, &k}) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->raw()) % 64, 0u);
      EXPECT_EQ(tensor->owner(), again->backing.at(0));  // the map, not a copy
    }
    kept = w;
  }
  EXPECT_EQ(kept.data<float>()[19], 20);
  EXPECT_TRUE(verify_pfm(path_));
  EXPECT_TRUE(import::read_model(path_));
}

TEST_F(Pfm, BytesAndFilesAreTheSame) {
  ASSERT_TRUE(write_pfm(sample(), path_));
  EXPECT_EQ(*write_pfm(sample()), *read_file(path_));
}

TEST_F(Pfm, TiedWeightsStayTied) {
  Model model = sample();
  const auto tied = model.graph.add_value("tied");
  model.graph.value(tied).constant = model.graph.value(model.graph.find_value("w")).constant;
  ASSERT_TRUE(write_pfm(model, path_));
  const auto again = read_pfm(path_);
  ASSERT_TRUE(again);
  const auto& g = again->graph;
  EXPECT_EQ(g.value(g.find_value("w")).constant.raw(), g.value(g.find_value("tied")).constant.raw());
}

TEST_F(Pfm, EveryModelOfTheSuiteComesBack) {
  const auto files = suite_files(".onnx");
  if (files.empty()) GTEST_SKIP() << "the Python package onnx is not installed";
  for (const auto& file : files) {
    const auto model = read_onnx(file);
    ASSERT_TRUE(model) << file;
    const auto written = write_pfm(*model);
    ASSERT_TRUE(written) << file;
    const auto again = read(*written);
    ASSERT_TRUE(again) << file << ": " << again.error().message;
    EXPECT_EQ(difference(*model, *again), "") << file;
  }
}

TEST_F(Pfm, EveryFlippedBitIsFound) {
  const Model model = sample();
  const std::string whole = *write_pfm(model);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const auto again = read(bytes);
    if (!again) continue;
    // Weights are not read at the start, and zeros between sections mean nothing.
    ASSERT_TRUE(write_file(path_, bytes));
    const auto verified = verify_pfm(path_);
    EXPECT_TRUE(!verified || difference(model, *again) == "") << "bit " << bit;
  }
}

TEST_F(Pfm, DamagedWeightsAreNamed) {
  std::string bytes = *write_pfm(sample());
  const size_t at = bytes.find(std::string("\0\0\xa0\x41", 4));  // 20.0f, the last of w
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 1;
  ASSERT_TRUE(write_file(path_, bytes));
  EXPECT_TRUE(read_pfm(path_));
  const auto verified = verify_pfm(path_);
  ASSERT_FALSE(verified);
  EXPECT_THAT(verified.error().message, HasSubstr("[pfm] 80 bytes of weights from byte"));
  EXPECT_THAT(verified.error().message, HasSubstr(path_.string()));
}

TEST_F(Pfm, ShortenedFilesAreRefused) {
  const std::string whole = *write_pfm(sample());
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read(std::string_view(whole).substr(0, size))) << size;
}

// Makes the checksums of table and trailer right again, and that of the model's section.
std::string with_checksums(std::string bytes) {
  pfm::Trailer trailer;
  const size_t end = bytes.size() - sizeof trailer;
  std::memcpy(&trailer, bytes.data() + end, sizeof trailer);
  const size_t count = trailer.table_offset <= end ? (end - trailer.table_offset) / sizeof(pfm::Section) : 0;
  for (size_t i = 0; i < count; ++i) {
    pfm::Section section;
    char* const at = bytes.data() + trailer.table_offset + i * sizeof section;
    std::memcpy(&section, at, sizeof section);
    if (section.offset <= end && section.bytes <= end - section.offset)
      section.checksum = checksum(std::string_view(bytes).substr(section.offset, section.bytes));
    std::memcpy(at, &section, sizeof section);
  }
  if (trailer.table_offset <= end) {
    trailer.table_bytes = end - trailer.table_offset;
    trailer.table_checksum = checksum(std::string_view(bytes).substr(trailer.table_offset, trailer.table_bytes));
  }
  trailer.file_bytes = bytes.size();
  trailer.checksum = checksum({reinterpret_cast<const char*>(&trailer), offsetof(pfm::Trailer, checksum)});
  std::memcpy(bytes.data() + end, &trailer, sizeof trailer);
  return bytes;
}

TEST_F(Pfm, EvilFilesWithGoodChecksumsAreReadOrRefused) {
  const std::string whole = *write_pfm(sample());
  ASSERT_EQ(with_checksums(whole).size(), whole.size());
  std::mt19937_64 random(3);
  size_t readable = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = whole;
    for (size_t change = 0, changes = 1 + random() % 3; change < changes; ++change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.erase(random() % (bytes.size() - 64), random() % 32);
    const auto again = read(with_checksums(bytes));
    (again ? readable : refused) += 1;
    EXPECT_TRUE(again || again.error().message.starts_with("[pfm] ")) << again.error().message;
  }
  EXPECT_GT(readable, 1000u);
  EXPECT_GT(refused, 1000u);
}

std::string with_section(uint32_t kind) {
  std::string bytes = *write_pfm(sample());
  pfm::Trailer trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof trailer, sizeof trailer);
  const pfm::Section added{kind, 0, trailer.table_offset, 0, 0};
  bytes.insert(bytes.size() - sizeof trailer, reinterpret_cast<const char*>(&added), sizeof added);
  return with_checksums(bytes);
}

TEST_F(Pfm, LaterVersionsAreToldApart) {
  EXPECT_TRUE(read(with_section(pfm::kMaySkip | 77)));
  const auto unknown = read(with_section(77));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::Unsupported);
  EXPECT_THAT(unknown.error().message, HasSubstr("section; got kind 77"));
  EXPECT_THAT(read(with_section(pfm::kModel)).error().message, HasSubstr("stands twice"));
  std::string bytes = *write_pfm(sample());
  bytes[pfm::kMagic.size()] = 2;
  EXPECT_EQ(read(bytes).error().message, "[pfm] version; got 2, need 1");
}

TEST_F(Pfm, OtherFilesAreNamed) {
  EXPECT_EQ(read("<html>").error().message,
            "[pfm] file; got an HTML page: a download that went wrong, need one that begins with HEARTHFM");
  EXPECT_THAT(read(sample_onnx()).error().message, HasSubstr("got another format"));
  ASSERT_TRUE(write_file(path_, sample_onnx()));
  EXPECT_TRUE(import::read_model(path_));  // by content, not by name
}

}  // namespace
}  // namespace hearth::import::testing
