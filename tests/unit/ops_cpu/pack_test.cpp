#include "ops/cpu/pack.h"

#include <gtest/gtest.h>

#include <cstring>

#include "weights.h"

namespace hearth::ops::cpu {
namespace {

std::vector<uint8_t> packed(Layout layout, std::span<const TensorView> sources, int threads) {
  int64_t n = 0;
  for (const TensorView& s : sources) n += s.dims[0];
  const PackedForm form = packed_form(layout, dtype_of(sources[0]), n, sources[0].dims[1]);
  EXPECT_EQ(form.layout, layout);
  std::vector<uint8_t> bytes(form.bytes, 0xab);
  EXPECT_TRUE(pack(layout, sources, bytes.data(), threads).has_value());
  return bytes;
}

TEST(Pack, EveryTypeComesBackToTheBit) {
  for (Layout layout : {Layout::CpuPanel8, Layout::CpuPanel32})
    for (DType type : kWeightTypes)
      for (int64_t n : {1, 31, 33, 70}) {
        const PlainWeight weight(type, n, 512, static_cast<uint32_t>(n));
        const TensorView sources[] = {weight.tensor()};
        const std::vector<uint8_t> bytes = packed(layout, sources, 1);
        std::vector<float> got(512);
        for (int64_t i = 0; i < n; ++i) {
          unpack_row(layout, type, bytes.data(), 512, i, got.data());
          ASSERT_EQ(got, weight.row(i)) << to_string(type) << " row " << i << " of " << n;
        }
      }
}

TEST(Pack, StackedSourcesAreOneMatrixWhateverTheThreads) {
  for (Layout layout : {Layout::CpuPanel8, Layout::CpuPanel32}) {
    const PlainWeight a(DType::Q4_1, 1500, 1024, 1), b(DType::Q4_1, 37, 1024, 2);
    const TensorView sources[] = {a.tensor(), b.tensor()};
    const std::vector<uint8_t> one = packed(layout, sources, 1);
    EXPECT_EQ(one, packed(layout, sources, 3)) << "the bytes depend on the number of threads";
    std::vector<float> got(1024);
    unpack_row(layout, DType::Q4_1, one.data(), 1024, 1500 + 36, got.data());
    EXPECT_EQ(got, b.row(36));
  }
}

TEST(Pack, RefusesStacksThatDoNotFit) {
  const PlainWeight a(DType::Q4_1, 4, 64, 1), b(DType::Q4_0, 4, 64, 2), c(DType::Q4_1, 4, 32, 3);
  std::vector<uint8_t> bytes(1 << 16);
  const TensorView types[] = {a.tensor(), b.tensor()}, columns[] = {a.tensor(), c.tensor()};
  EXPECT_EQ(pack(Layout::CpuPanel8, types, bytes.data(), 1).error().kind, ErrorKind::Invalid);
  EXPECT_EQ(pack(Layout::CpuPanel8, columns, bytes.data(), 1).error().kind, ErrorKind::Invalid);
  EXPECT_EQ(pack(Layout::CpuPanel8, {}, bytes.data(), 1).error().kind, ErrorKind::Invalid);
}

TEST(Pack, PaddingRowsAreZero) {
  const PlainWeight weight(DType::Q8_0, 5, 64, 9);
  const TensorView sources[] = {weight.tensor()};
  const std::vector<uint8_t> bytes = packed(Layout::CpuPanel32, sources, 1);
  std::vector<float> got(64);
  for (int64_t i = 5; i < 32; ++i) {
    unpack_row(Layout::CpuPanel32, DType::Q8_0, bytes.data(), 64, i, got.data());
    for (float v : got) ASSERT_EQ(v, 0.0f);
  }
}

}  // namespace
}  // namespace hearth::ops::cpu
