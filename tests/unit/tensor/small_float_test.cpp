#include "tensor/small_float.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace hearth {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr DType kSigned[] = {DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F4E2M1};

int codes_of(DType dtype) {
  return dtype == DType::F4E2M1 ? 16 : 256;
}

TEST(SmallFloat, KnownValues) {
  EXPECT_EQ(decode_small_float(DType::F8E4M3FN, 0x7e), 448.0f);
  EXPECT_EQ(decode_small_float(DType::F8E4M3FN, 0x01), 0x1p-9f);
  EXPECT_TRUE(std::isnan(decode_small_float(DType::F8E4M3FN, 0xff)));
  EXPECT_EQ(decode_small_float(DType::F8E4M3FNUZ, 0x7f), 240.0f);
  EXPECT_TRUE(std::isnan(decode_small_float(DType::F8E4M3FNUZ, 0x80)));
  EXPECT_EQ(decode_small_float(DType::F8E5M2, 0xfb), -57344.0f);
  EXPECT_EQ(decode_small_float(DType::F8E5M2, 0x7c), kInf);
  EXPECT_TRUE(std::isnan(decode_small_float(DType::F8E5M2, 0x7d)));
  EXPECT_EQ(decode_small_float(DType::F8E5M2FNUZ, 0x7f), 57344.0f);
  EXPECT_EQ(decode_small_float(DType::F8E5M2FNUZ, 0x01), 0x1p-17f);
  EXPECT_EQ(decode_small_float(DType::F8E8M0, 0), 0x1p-127f);
  EXPECT_EQ(decode_small_float(DType::F8E8M0, 0xfe), 0x1p127f);
  EXPECT_TRUE(std::isnan(decode_small_float(DType::F8E8M0, 0xff)));
  const std::vector<float> four = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (size_t i = 0; i < four.size(); ++i) {
    EXPECT_EQ(decode_small_float(DType::F4E2M1, static_cast<uint8_t>(i)), four[i]);
    EXPECT_EQ(decode_small_float(DType::F4E2M1, static_cast<uint8_t>(i + 8)), -four[i]);
  }
}

TEST(SmallFloat, EveryCodeComesBack) {
  for (const DType dtype : kSigned)
    for (int code = 0; code < codes_of(dtype); ++code) {
      const float value = decode_small_float(dtype, static_cast<uint8_t>(code));
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(decode_small_float(dtype, encode_small_float(dtype, value))));
        continue;
      }
      EXPECT_EQ(encode_small_float(dtype, value, {.saturate = false}), code) << to_string(dtype) << " " << value;
    }
  for (int code = 0; code < 256; ++code) {
    const float value = decode_small_float(DType::F8E8M0, static_cast<uint8_t>(code));
    for (const ScaleRounding mode : {ScaleRounding::Up, ScaleRounding::Down, ScaleRounding::Nearest})
      EXPECT_EQ(encode_small_float(DType::F8E8M0, value, {true, mode}), code);
  }
}

// Between two neighbours the nearer one, in the middle the even one.
TEST(SmallFloat, RoundsToNearestEven) {
  for (const DType dtype : kSigned)
    for (int code = 0; code + 1 < codes_of(dtype) / 2; ++code) {
      const float low = decode_small_float(dtype, static_cast<uint8_t>(code));
      const float high = decode_small_float(dtype, static_cast<uint8_t>(code + 1));
      if (!std::isfinite(low) || !std::isfinite(high)) continue;
      const float middle = low + (high - low) / 2;
      EXPECT_EQ(encode_small_float(dtype, middle), code % 2 == 0 ? code : code + 1) << to_string(dtype) << middle;
      EXPECT_EQ(encode_small_float(dtype, std::nextafter(middle, 0.0f)), code);
      EXPECT_EQ(encode_small_float(dtype, std::nextafter(middle, kInf)), code + 1);
    }
}

TEST(SmallFloat, BeyondTheLargest) {
  struct Row {
    DType dtype;
    float value;
    uint8_t saturated, otherwise;
  };
  for (const Row& row : {Row{DType::F8E4M3FN, 1e6f, 0x7e, 0x7f}, Row{DType::F8E4M3FN, 464.0f, 0x7e, 0x7e},
                         Row{DType::F8E4M3FN, 465.0f, 0x7e, 0x7f}, Row{DType::F8E4M3FN, -kInf, 0xfe, 0xff},
                         Row{DType::F8E4M3FNUZ, -1e6f, 0xff, 0x80}, Row{DType::F8E4M3FNUZ, kInf, 0x7f, 0x80},
                         Row{DType::F8E5M2, 1e6f, 0x7b, 0x7c}, Row{DType::F8E5M2, -kInf, 0xfb, 0xfc},
                         Row{DType::F8E5M2FNUZ, kInf, 0x7f, 0x80}, Row{DType::F4E2M1, -9.0f, 0xf, 0xf},
                         Row{DType::F8E8M0, kInf, 0xfe, 0xff}, Row{DType::F8E8M0, 0.0f, 0x00, 0xff},
                         Row{DType::F8E8M0, 3e38f, 0xfe, 0xff}}) {
    EXPECT_EQ(encode_small_float(row.dtype, row.value), row.saturated) << to_string(row.dtype) << row.value;
    EXPECT_EQ(encode_small_float(row.dtype, row.value, {.saturate = false}), row.otherwise)
        << to_string(row.dtype) << row.value;
  }
  EXPECT_EQ(encode_small_float(DType::F4E2M1, std::nanf("")), 0x8);
  EXPECT_EQ(encode_small_float(DType::F8E4M3FNUZ, -0.0f), 0x00);
  EXPECT_EQ(encode_small_float(DType::F8E4M3FNUZ, -1e-9f), 0x00);
  EXPECT_EQ(encode_small_float(DType::F8E4M3FN, -0.0f), 0x80);
}

TEST(SmallFloat, ScaleRounding) {
  const auto scale = [](float value, ScaleRounding mode) {
    return encode_small_float(DType::F8E8M0, value, {true, mode});
  };
  EXPECT_EQ(scale(1.1f, ScaleRounding::Up), 128);
  EXPECT_EQ(scale(1.9f, ScaleRounding::Down), 127);
  EXPECT_EQ(scale(1.5f, ScaleRounding::Nearest), 128);
  EXPECT_EQ(scale(1.4999f, ScaleRounding::Nearest), 127);
  EXPECT_EQ(scale(0x1.8p-128f, ScaleRounding::Up), 0);
  EXPECT_EQ(scale(-1.0f, ScaleRounding::Up), 0xff);
}

// 1 + 2^-4 + 2^-40 is above the middle of two neighbours; by way of the nearest float it would look like the middle.
TEST(SmallFloat, OddRoundingKeepsWhatWasCut) {
  const double above = 1.0 + 0x1p-4 + 0x1p-40, below = 1.0 + 0x1p-3 + 0x1p-4 - 0x1p-40;
  EXPECT_EQ(encode_small_float(DType::F8E4M3FN, to_odd_float(above)), 0x39);
  EXPECT_EQ(encode_small_float(DType::F8E4M3FN, to_odd_float(below)), 0x39);
  EXPECT_EQ(to_odd_float(1.5), 1.5f);
  EXPECT_EQ(to_odd_float(-kInf), -kInf);
  EXPECT_EQ(f32_to_bf16(to_odd_float(int64_t{0x1010000001})), f32_to_bf16(0x1.02p36f));
  EXPECT_EQ(to_odd_float(std::numeric_limits<int64_t>::min()), -0x1p63f);
}

}  // namespace
}  // namespace hearth
