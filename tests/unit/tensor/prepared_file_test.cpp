#include "tensor/prepared_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "support/temporary_folder.h"

namespace hearth {
namespace {

class PreparedFileTest : public ::testing::Test {
 protected:
  // Two tensors: 3 x 4 plain floats 0, 1, … and 100 packed bytes.
  void write(std::string_view key) {
    auto writer = PreparedFileWriter::create(path_, key);
    ASSERT_TRUE(writer);
    const int64_t plain_dims[] = {3, 4}, packed_dims[] = {8, 32};
    ASSERT_TRUE(writer->add("plain", DType::F32, Layout::Plain, plain_dims, std::as_bytes(std::span(floats_))));
    ASSERT_TRUE(writer->add("packed", DType::Q8_0, Layout::CpuPanel8, packed_dims, std::as_bytes(std::span(packed_))));
    ASSERT_TRUE(writer->finish());
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "weights.prepared";
  std::vector<float> floats_{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  std::vector<uint8_t> packed_ = std::vector<uint8_t>(100, 7);
};

TEST_F(PreparedFileTest, GivesBackWhatWasAdded) {
  write("model|cpu");
  const auto file = PreparedFile::open(path_, "model|cpu");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensor_count(), 2u);
  const PreparedTensor* plain = file->find("plain");
  ASSERT_NE(plain, nullptr);
  EXPECT_EQ(dtype_of(plain->view), DType::F32);
  EXPECT_EQ(plain->view.dims[0], 3);
  EXPECT_EQ(plain->view.dims[1], 4);
  EXPECT_EQ(std::memcmp(plain->view.data, floats_.data(), plain->bytes), 0);
  const PreparedTensor* packed = file->find("packed");
  ASSERT_NE(packed, nullptr);
  EXPECT_EQ(layout_of(packed->view), Layout::CpuPanel8);
  EXPECT_EQ(packed->bytes, 100u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(packed->view.data) % 4096, 0u);
  EXPECT_EQ(file->find("other"), nullptr);
  EXPECT_TRUE(file->verify());
}

TEST_F(PreparedFileTest, RefusesAnotherKey) {
  write("model|cpu");
  const auto file = PreparedFile::open(path_, "model|avx512");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::Invalid);
  EXPECT_NE(file.error().message.find("key"), std::string::npos);
}

TEST_F(PreparedFileTest, MissingIsNotFound) {
  EXPECT_EQ(PreparedFile::open(path_, "k").error().kind, ErrorKind::NotFound);
}

TEST_F(PreparedFileTest, UnfinishedLeavesNothing) {
  {
    auto writer = PreparedFileWriter::create(path_, "k");
    const int64_t dims[] = {12};
    ASSERT_TRUE(writer->add("a", DType::F32, Layout::Plain, dims, std::as_bytes(std::span(floats_))));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(PreparedFileTest, DamageOfDataIsFoundOnDemand) {
  write("k");
  std::string bytes = read_file(path_).value();
  bytes[4096] ^= 1;
  ASSERT_TRUE(write_file(path_, bytes));
  const auto file = PreparedFile::open(path_, "k");
  ASSERT_TRUE(file);  // data is not read on open
  const auto verified = file->verify();
  ASSERT_FALSE(verified);
  EXPECT_NE(verified.error().message.find("plain"), std::string::npos);
}

TEST_F(PreparedFileTest, DamageOfTheTableIsFoundOnOpen) {
  write("k");
  const std::string good = read_file(path_).value();
  const size_t table = 4096 * 2 + 100;  // behind the two tensors
  for (size_t i = table; i < good.size(); ++i) {
    std::string bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x40);
    ASSERT_TRUE(write_file(path_, bytes));
    EXPECT_FALSE(PreparedFile::open(path_, "k")) << "byte " << i;
  }
}

TEST_F(PreparedFileTest, EveryTruncationIsRefused) {
  write("k");
  const std::string good = read_file(path_).value();
  for (size_t size = 0; size < good.size(); size += size < 4096 * 2 ? 97 : 1) {
    ASSERT_TRUE(write_file(path_, good.substr(0, size)));
    EXPECT_FALSE(PreparedFile::open(path_, "k")) << size;
  }
}

}  // namespace
}  // namespace hearth
