#include "tensor/quant_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "tensor/float16.h"

namespace hearth {
namespace {

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    EXPECT_EQ(f32_to_f16(f), h);
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3c00);      // halfway, down to even
  EXPECT_EQ(f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3c02);  // halfway, up to even
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);             // halfway to 2^16: infinity
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0);                  // halfway to the least subnormal
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1.0f + 3 * 0x1p-8f), 0x3f82);
}

TEST(QuantBlocks, Q4_1BlockByHand) {
  uint8_t block[20] = {};
  const uint16_t d = f32_to_f16(0.5f), m = f32_to_f16(-2.0f);
  std::copy_n(reinterpret_cast<const uint8_t*>(&d), 2, block);
  std::copy_n(reinterpret_cast<const uint8_t*>(&m), 2, block + 2);
  block[4] = 0xf3;  // element 0 has code 3, element 16 code 15
  float y[32];
  dequantise_row(DType::Q4_1, block, y, 32);
  EXPECT_FLOAT_EQ(y[0], 0.5f * 3 - 2);
  EXPECT_FLOAT_EQ(y[16], 0.5f * 15 - 2);
  EXPECT_FLOAT_EQ(y[1], -2);
}

void put_half(uint8_t* at, float value) {
  const uint16_t h = f32_to_f16(value);
  std::copy_n(reinterpret_cast<const uint8_t*>(&h), 2, at);
}

TEST(QuantBlocks, Q8_0BlockByHand) {
  uint8_t block[34] = {};
  put_half(block, 0.25f);
  block[2] = 0x80;       // -128
  block[2 + 31] = 0x7f;  // 127
  float y[32];
  dequantise_row(DType::Q8_0, block, y, 32);
  EXPECT_EQ(y[0], -32.0f);
  EXPECT_EQ(y[1], 0.0f);
  EXPECT_EQ(y[31], 31.75f);
}

TEST(QuantBlocks, Q4_0BlockByHand) {
  uint8_t block[18] = {};
  put_half(block, 2.0f);
  block[2] = 0xf3;   // element 0 has code 3, element 16 code 15; 8 is zero
  block[17] = 0x80;  // element 15 has code 0, element 31 code 8
  float y[32];
  dequantise_row(DType::Q4_0, block, y, 32);
  EXPECT_EQ(y[0], -10.0f);
  EXPECT_EQ(y[16], 14.0f);
  EXPECT_EQ(y[15], -16.0f);
  EXPECT_EQ(y[31], 0.0f);
}

TEST(QuantBlocks, Q5_0AndQ5_1TakeTheFifthBitFromTheirOwnWord) {
  uint8_t block[22] = {};
  put_half(block, 1.0f);
  block[2] = 0x01;  // fifth bit of element 0
  block[4] = 0x02;  // of element 17
  block[6] = 0x52;  // low bits: element 0 has 2, element 16 has 5
  block[7] = 0x30;  // element 17 has 3
  float y[32];
  dequantise_row(DType::Q5_0, block, y, 32);
  EXPECT_EQ(y[0], 2.0f);     // 18 - 16
  EXPECT_EQ(y[16], -11.0f);  // 5 - 16
  EXPECT_EQ(y[17], 3.0f);    // 19 - 16
  EXPECT_EQ(y[1], -16.0f);

  uint8_t with_minimum[24] = {};
  put_half(with_minimum, 0.5f);
  put_half(with_minimum + 2, -4.0f);
  std::copy_n(block + 2, 20, with_minimum + 4);
  dequantise_row(DType::Q5_1, with_minimum, y, 32);
  EXPECT_EQ(y[0], 0.5f * 18 - 4);
  EXPECT_EQ(y[16], 0.5f * 5 - 4);
  EXPECT_EQ(y[17], 0.5f * 19 - 4);
}

TEST(QuantBlocks, Q5_KBlockByHand) {
  uint8_t block[176] = {};
  put_half(block, 0.5f);
  put_half(block + 2, 0.25f);
  block[4 + 1] = 3;         // scale of sub-block 1
  block[4 + 5] = 2;         // minimum of sub-block 1
  block[16 + 7] = 1u << 1;  // fifth bit of element 7 of sub-block 1
  block[48 + 7] = 0x9f;     // high nibble: sub-block 1 has 9; low nibble: sub-block 0, whose scale is 0
  float y[256];
  dequantise_row(DType::Q5_K, block, y, 256);
  EXPECT_EQ(y[32 + 7], 0.5f * 3 * 25 - 0.25f * 2);
  EXPECT_EQ(y[32 + 6], -0.5f);
  EXPECT_EQ(y[7], 0.0f);
}

TEST(QuantBlocks, Q6_KBlockByHand) {
  uint8_t block[210] = {};
  const uint16_t d = f32_to_f16(0.25f);
  std::copy_n(reinterpret_cast<const uint8_t*>(&d), 2, block + 208);
  block[0] = 0x5a;        // elements 0 and 64: low nibbles 10 and 5
  block[128] = 0x21;      // high pairs: element 0 has 1, element 64 has 2
  block[192] = 2;         // scale of elements 0..15
  block[192 + 4] = 0xfd;  // -3, of elements 64..79
  float y[256];
  dequantise_row(DType::Q6_K, block, y, 256);
  EXPECT_FLOAT_EQ(y[0], 0.25f * 2 * ((10 | 16) - 32));
  EXPECT_FLOAT_EQ(y[64], 0.25f * -3 * ((5 | 32) - 32));
}

TEST(QuantBlocks, Q4_KScalesOfTheUpperHalf) {
  uint8_t block[144] = {};
  const uint16_t one = f32_to_f16(1.0f);
  std::copy_n(reinterpret_cast<const uint8_t*>(&one), 2, block);
  std::copy_n(reinterpret_cast<const uint8_t*>(&one), 2, block + 2);
  block[4] = 0x80;        // two high bits of sub-block 4's scale
  block[4 + 8] = 0x75;    // low nibbles of its scale (5) and minimum (7)
  block[16 + 64] = 0x03;  // first element of sub-block 4
  float y[256];
  dequantise_row(DType::Q4_K, block, y, 256);
  EXPECT_FLOAT_EQ(y[128], static_cast<float>((0x20 | 5) * 3 - 7));
}

class RoundTrip : public testing::TestWithParam<std::pair<DType, double>> {};

TEST_P(RoundTrip, ErrorStaysWithinTheTypesResolution) {
  const auto [type, bound] = GetParam();
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> x(1024), y(1024);
  for (float& v : x) v = normal(random);
  std::vector<uint8_t> bytes(static_cast<size_t>(bytes_of(type, 1024)));
  quantise_row(type, x.data(), bytes.data(), 1024);
  dequantise_row(type, bytes.data(), y.data(), 1024);
  double error = 0, power = 0;
  for (size_t i = 0; i < x.size(); ++i) error += (x[i] - y[i]) * (x[i] - y[i]), power += x[i] * x[i];
  EXPECT_LT(std::sqrt(error / power), bound);
  EXPECT_GT(std::sqrt(error / power), bound / 20);  // a type that is finer than it can be decodes something else
}

TEST(QuantBlocks, ZerosAndConstantsSurvive) {
  for (const DType type :
       {DType::Q8_0, DType::Q4_0, DType::Q4_1, DType::Q5_0, DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K})
    for (const float value : {0.0f, 1.0f, -1.0f}) {
      std::vector<float> x(512, value), y(512, 99.0f);
      std::vector<uint8_t> bytes(static_cast<size_t>(bytes_of(type, 512)), 0xff);
      quantise_row(type, x.data(), bytes.data(), 512);
      dequantise_row(type, bytes.data(), y.data(), 512);
      for (const float v : y) ASSERT_NEAR(v, value, 0.04) << to_string(type);
    }
}

INSTANTIATE_TEST_SUITE_P(Types, RoundTrip,
                         testing::Values(std::pair{DType::F16, 4e-4}, std::pair{DType::BF16, 3e-3},
                                         std::pair{DType::Q8_0, 8e-3}, std::pair{DType::Q4_0, 0.11},
                                         std::pair{DType::Q4_1, 0.10}, std::pair{DType::Q5_0, 0.055},
                                         std::pair{DType::Q5_1, 0.05}, std::pair{DType::Q4_K, 0.10},
                                         std::pair{DType::Q5_K, 0.05}, std::pair{DType::Q6_K, 0.03}),
                         [](const auto& one) { return std::string(to_string(one.param.first)); });

}  // namespace
}  // namespace hearth
