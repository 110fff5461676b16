#include "tensor/strided_floats.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <numeric>

#include "base/file.h"
#include "support/temporary_folder.h"
#include "tensor/value.h"

namespace hearth {
namespace {

Tensor counted(const Dims& dims) {
  Tensor made = *Tensor::allocate(DType::F32, dims);
  std::iota(made.mutable_data<float>(), made.mutable_data<float>() + made.size(), 0.0F);
  return made;
}

std::vector<float> written(const StridedFloats& floats) {
  std::vector<float> made(static_cast<size_t>(floats.size()));
  floats.write(made.data());
  return made;
}

std::vector<float> elements(const Tensor& tensor) {
  return {tensor.data<float>(), tensor.data<float>() + tensor.size()};
}

TEST(StridedFloats, ChannelsAreScaled) {
  StridedFloats floats = StridedFloats::of(counted({2, 3, 2}));
  const std::array numbers{1.0, 10.0, -1.0};
  ASSERT_TRUE(floats.scale_channels(3, 2, numbers));
  EXPECT_EQ(written(floats), (std::vector<float>{0, 1, 20, 30, -4, -5, 6, 7, 80, 90, -10, -11}));
  ASSERT_TRUE(floats.scale_channels(3, 2, numbers)) << "the same channels again";
  EXPECT_EQ(written(floats)[2], 200);
  EXPECT_FALSE(floats.scale_channels(2, 6, std::array{2.0, 3.0})) << "other channels";
  EXPECT_FALSE(floats.scale_channels(3, 2, std::array{1.0, 1e39, 1.0})) << "an infinite factor";
  EXPECT_EQ(written(floats)[2], 200);
}

TEST(StridedFloats, AnAxisOfOneChannelIsScaled) {
  StridedFloats floats = StridedFloats::of(counted({1, 4}));
  ASSERT_TRUE(floats.scale_channels(1, 4, std::array{2.0}));
  EXPECT_EQ(written(floats), (std::vector<float>{0, 2, 4, 6}));
  const float *at = nullptr, *scale = nullptr;
  ASSERT_TRUE(floats.as_rows(1, at, scale));
  EXPECT_EQ(scale[0], 2);
  StridedFloats::Matrix matrix;
  EXPECT_FALSE(floats.as_matrix(4, matrix)) << "it is the row that is scaled";
}

TEST(StridedFloats, AxesAreReordered) {
  // [2, 3 x 2] transposed, then the six rows as [2, 3]: what a channels-last flatten does to a Gemm's weight.
  StridedFloats floats = StridedFloats::of(counted({2, 6}));
  ASSERT_TRUE(floats.permute(1, std::array<int64_t, 2>{3, 2}, std::array<int64_t, 2>{1, 0}));
  EXPECT_EQ(written(floats), (std::vector<float>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
  ASSERT_TRUE(floats.permute(1, std::array<int64_t, 2>{2, 6}, std::array<int64_t, 2>{1, 0}));
  EXPECT_EQ(written(floats), (std::vector<float>{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11}));
  StridedFloats::Matrix matrix;
  ASSERT_TRUE(floats.as_matrix(2, matrix));
  EXPECT_EQ(matrix.rows, 6);
  EXPECT_EQ(matrix.inner_rows, 3);
  EXPECT_EQ(matrix.outer_stride, 1);
  EXPECT_EQ(matrix.row_stride, 2);
  EXPECT_EQ(matrix.column_stride, 6);
  EXPECT_FALSE(floats.as_matrix(4, matrix)) << "no boundary there";
}

TEST(StridedFloats, ATransposedScaleLiesAlongTheColumns) {
  StridedFloats floats = StridedFloats::of(counted({2, 3}));
  ASSERT_TRUE(floats.scale_channels(2, 3, std::array{1.0, 2.0}));
  const float *at = nullptr, *scale = nullptr;
  ASSERT_TRUE(floats.as_rows(2, at, scale));
  EXPECT_EQ(scale[1], 2);
  StridedFloats::Matrix matrix;
  EXPECT_FALSE(floats.as_matrix(3, matrix)) << "rows are scaled";
  ASSERT_TRUE(floats.permute(1, std::array<int64_t, 2>{2, 3}, std::array<int64_t, 2>{1, 0}));
  EXPECT_FALSE(floats.as_rows(3, at, scale));
  ASSERT_TRUE(floats.as_matrix(2, matrix));
  EXPECT_EQ(matrix.scale[1], 2);
  EXPECT_EQ(written(floats), (std::vector<float>{0, 6, 1, 8, 2, 10}));
}

TEST(DeferredTensor, IsWrittenOutAtTheFirstLook) {
  std::vector<std::byte> bytes(4 * 6 + 1);
  const Tensor numbers = counted({6});
  std::memcpy(bytes.data() + 1, numbers.raw(), 24);
  StridedFloats there;
  there.from = bytes.data() + 1;
  there.source = {there.from, 24};
  there.axes = {{.size = 6, .stride = 1}};
  EXPECT_EQ(there.dense(), bytes.data() + 1);
  const Tensor tensor = Tensor::defer(there, {2, 3});
  ASSERT_TRUE(tensor);
  EXPECT_NE(tensor.deferred(), nullptr);
  EXPECT_FALSE(tensor.writable());
  const Tensor turned = tensor.reshaped({3, 2});
  EXPECT_EQ(elements(turned), elements(numbers));
  EXPECT_EQ(tensor.raw(), turned.raw()) << "all handles share what was written";
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.raw()) % 64, 0u);
  EXPECT_EQ(elements(*tensor.clone()), elements(numbers));
}

size_t resident_pages(std::span<const std::byte> bytes, size_t page) {
  // mincore would tell what the system's cache holds; the smaps of this process say what it has mapped.
  std::ifstream smaps("/proc/self/smaps");
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  bool within = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2 && line.find(" r") != line.npos)
      within = begin <= address && address < end;
    size_t kilobytes = 0;
    if (within && std::sscanf(line.c_str(), "Rss: %zu kB", &kilobytes) == 1) return kilobytes * 1024 / page;
  }
  return SIZE_MAX;
}

TEST(ReleasedPages, LeaveTheProcessAndComeBack) {
  TemporaryFolder folder;
  const std::string text(4 << 20, 'x');
  ASSERT_TRUE(write_file(folder / "pages", text));
  auto file = MappedFile::open(folder / "pages");
  ASSERT_TRUE(file);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  prefault(file->bytes(), {});
  EXPECT_EQ(resident_pages(file->bytes(), page), text.size() / page);
  release_pages(file->bytes().subspan(page + 1, 10 * page));
  EXPECT_LE(resident_pages(file->bytes(), page), text.size() / page - 9) << "less where the system maps large pages";
  EXPECT_EQ(static_cast<char>(file->bytes()[5 * page]), 'x');
  release_pages(file->bytes());
  EXPECT_EQ(resident_pages(file->bytes(), page), 0u);
  release_pages(file->bytes().first(0));
}

}  // namespace
}  // namespace hearth
