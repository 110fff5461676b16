#include "tensor/quant_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/result.h"
#include "tensor/float16.h"

namespace hearth {
namespace {

uint16_t load16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
float load_scale(const uint8_t* p) {
  return f16_to_f32(load16(p));
}
void store16(uint8_t* p, uint16_t v) {
  std::memcpy(p, &v, sizeof v);
}

// The eight 6-bit scales and minima of a K-quant super-block, packed into 12 bytes.
struct ScaleMin {
  int scale, minimum;
};
ScaleMin scale_min(const uint8_t* s, int j) {
  if (j < 4) return {s[j] & 63, s[j + 4] & 63};
  return {(s[j + 4] & 0xf) | ((s[j - 4] >> 6) << 4), (s[j + 4] >> 4) | ((s[j] >> 6) << 4)};
}
void store_scale_min(uint8_t* s, int j, int scale, int minimum) {
  if (j < 4) {
    s[j] = static_cast<uint8_t>((s[j] & 0xc0) | scale);
    s[j + 4] = static_cast<uint8_t>((s[j + 4] & 0xc0) | minimum);
    return;
  }
  s[j + 4] = static_cast<uint8_t>((scale & 0xf) | ((minimum & 0xf) << 4));
  s[j - 4] = static_cast<uint8_t>((s[j - 4] & 0x3f) | ((scale >> 4) << 6));
  s[j] = static_cast<uint8_t>((s[j] & 0x3f) | ((minimum >> 4) << 6));
}

// ---- one block each, source → 32 or 256 floats

void decode_q8_0(const uint8_t* b, float* y) {
  const float d = load_scale(b);
  for (int i = 0; i < 32; ++i) y[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
}

void decode_q4_0(const uint8_t* b, float* y) {
  const float d = load_scale(b);
  for (int i = 0; i < 16; ++i) {
    y[i] = d * static_cast<float>((b[2 + i] & 0xf) - 8);
    y[i + 16] = d * static_cast<float>((b[2 + i] >> 4) - 8);
  }
}

void decode_q4_1(const uint8_t* b, float* y) {
  const float d = load_scale(b), m = load_scale(b + 2);
  for (int i = 0; i < 16; ++i) {
    y[i] = d * static_cast<float>(b[4 + i] & 0xf) + m;
    y[i + 16] = d * static_cast<float>(b[4 + i] >> 4) + m;
  }
}

void decode_q5(const uint8_t* high, const uint8_t* codes, float d, float offset, float m, float* y) {
  uint32_t bits;
  std::memcpy(&bits, high, sizeof bits);
  for (int i = 0; i < 16; ++i) {
    const uint32_t low = (codes[i] & 0xfu) | (((bits >> i) & 1u) << 4);
    const uint32_t up = (codes[i] >> 4) | (((bits >> (i + 16)) & 1u) << 4);
    y[i] = d * (static_cast<float>(low) - offset) + m;
    y[i + 16] = d * (static_cast<float>(up) - offset) + m;
  }
}
void decode_q5_0(const uint8_t* b, float* y) {
  decode_q5(b + 2, b + 6, load_scale(b), 16.0f, 0.0f, y);
}
void decode_q5_1(const uint8_t* b, float* y) {
  decode_q5(b + 4, b + 8, load_scale(b), 0.0f, load_scale(b + 2), y);
}

// d, dmin, 12 bytes of scales, [32 bytes of high bits,] 128 bytes of nibbles: sub-block 2j in the low, 2j+1 in the high
// ones.
void decode_k(const uint8_t* b, const uint8_t* high, const uint8_t* codes, float* y) {
  const float d = load_scale(b), dmin = load_scale(b + 2);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sm = scale_min(b + 4, j);
    const float scale = d * static_cast<float>(sm.scale), minimum = dmin * static_cast<float>(sm.minimum);
    for (int i = 0; i < 32; ++i) {
      const uint8_t byte = codes[(j / 2) * 32 + i];
      int code = (j % 2) == 0 ? byte & 0xf : byte >> 4;
      if (high != nullptr) code |= ((high[i] >> j) & 1) << 4;
      y[j * 32 + i] = scale * static_cast<float>(code) - minimum;
    }
  }
}
void decode_q4_k(const uint8_t* b, float* y) {
  decode_k(b, nullptr, b + 16, y);
}
void decode_q5_k(const uint8_t* b, float* y) {
  decode_k(b, b + 16, b + 48, y);
}

// 128 bytes of low nibbles, 64 of high pairs, 16 signed scales, d. Two halves of 128 elements.
void decode_q6_k(const uint8_t* b, float* y) {
  const float d = load_scale(b + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = b + half * 64;
    const uint8_t* high = b + 128 + half * 32;
    const auto* scales = reinterpret_cast<const int8_t*>(b + 192 + half * 8);
    for (int i = 0; i < 32; ++i) {
      const int codes[4] = {(low[i] & 0xf) | ((high[i] & 3) << 4), (low[i + 32] & 0xf) | (((high[i] >> 2) & 3) << 4),
                            (low[i] >> 4) | (((high[i] >> 4) & 3) << 4), (low[i + 32] >> 4) | ((high[i] >> 6) << 4)};
      for (int q = 0; q < 4; ++q) {
        const float scale = d * static_cast<float>(scales[q * 2 + i / 16]);
        y[half * 128 + q * 32 + i] = scale * static_cast<float>(codes[q] - 32);
      }
    }
  }
}

// ---- encoders

int clamp_code(float v, int low, int high) {
  return std::clamp(static_cast<int>(std::lrint(v)), low, high);
}
float inverse(float v) {
  return v != 0.0f ? 1.0f / v : 0.0f;
}

void encode_q8_0(const float* x, uint8_t* b) {
  float peak = 0;
  for (int i = 0; i < 32; ++i) peak = std::max(peak, std::fabs(x[i]));
  const uint16_t d = f32_to_f16(peak / 127.0f);
  const float inv = inverse(f16_to_f32(d));
  store16(b, d);
  for (int i = 0; i < 32; ++i) b[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(clamp_code(x[i] * inv, -127, 127)));
}

// Codes 0..2·offset-1 around `offset`; the value of largest magnitude gets code 0 exactly.
uint16_t symmetric_codes(const float* x, int offset, int* codes) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  const uint16_t d = f32_to_f16(extreme / static_cast<float>(-offset));
  const float inv = inverse(f16_to_f32(d));
  for (int i = 0; i < 32; ++i) codes[i] = clamp_code(x[i] * inv, -offset, offset - 1) + offset;
  return d;
}

struct Affine {
  uint16_t scale, minimum;
};
Affine affine_codes(const float* x, int top, int* codes) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const Affine a{f32_to_f16((*high - *low) / static_cast<float>(top)), f32_to_f16(*low)};
  const float inv = inverse(f16_to_f32(a.scale)), m = f16_to_f32(a.minimum);
  for (int i = 0; i < 32; ++i) codes[i] = clamp_code((x[i] - m) * inv, 0, top);
  return a;
}

void store_nibbles(const int* codes, uint8_t* b) {
  for (int i = 0; i < 16; ++i) b[i] = static_cast<uint8_t>((codes[i] & 0xf) | ((codes[i + 16] & 0xf) << 4));
}
void store_fifth_bits(const int* codes, uint8_t* b) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= static_cast<uint32_t>((codes[i] >> 4) & 1) << i;
  std::memcpy(b, &bits, sizeof bits);
}

void encode_q4_0(const float* x, uint8_t* b) {
  int codes[32];
  store16(b, symmetric_codes(x, 8, codes));
  store_nibbles(codes, b + 2);
}
void encode_q4_1(const float* x, uint8_t* b) {
  int codes[32];
  const Affine a = affine_codes(x, 15, codes);
  store16(b, a.scale);
  store16(b + 2, a.minimum);
  store_nibbles(codes, b + 4);
}
void encode_q5_0(const float* x, uint8_t* b) {
  int codes[32];
  store16(b, symmetric_codes(x, 16, codes));
  store_fifth_bits(codes, b + 2);
  store_nibbles(codes, b + 6);
}
void encode_q5_1(const float* x, uint8_t* b) {
  int codes[32];
  const Affine a = affine_codes(x, 31, codes);
  store16(b, a.scale);
  store16(b + 2, a.minimum);
  store_fifth_bits(codes, b + 4);
  store_nibbles(codes, b + 8);
}

void encode_k(const float* x, int top, uint8_t* b, uint8_t* high, uint8_t* codes) {
  float scales[8], minima[8], scale_peak = 0, minimum_peak = 0;
  for (int j = 0; j < 8; ++j) {
    const auto [low, up] = std::minmax_element(x + j * 32, x + j * 32 + 32);
    minima[j] = std::max(0.0f, -*low);  // a minimum above zero counts as zero: the format subtracts only
    scales[j] = (std::max(*up, 0.0f) + minima[j]) / static_cast<float>(top);
    scale_peak = std::max(scale_peak, scales[j]);
    minimum_peak = std::max(minimum_peak, minima[j]);
  }
  const uint16_t d = f32_to_f16(scale_peak / 63.0f), dmin = f32_to_f16(minimum_peak / 63.0f);
  store16(b, d);
  store16(b + 2, dmin);
  std::memset(b + 4, 0, 12);
  if (high != nullptr) std::memset(high, 0, 32);
  for (int j = 0; j < 8; ++j)
    store_scale_min(b + 4, j, clamp_code(scales[j] * inverse(f16_to_f32(d)), 0, 63),
                    clamp_code(minima[j] * inverse(f16_to_f32(dmin)), 0, 63));
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sm = scale_min(b + 4, j);
    const float inv = inverse(f16_to_f32(d) * static_cast<float>(sm.scale));
    const float m = f16_to_f32(dmin) * static_cast<float>(sm.minimum);
    for (int i = 0; i < 32; ++i) {
      const int code = clamp_code((x[j * 32 + i] + m) * inv, 0, top);
      uint8_t& byte = codes[(j / 2) * 32 + i];
      byte = (j % 2) == 0 ? static_cast<uint8_t>(code & 0xf) : static_cast<uint8_t>(byte | ((code & 0xf) << 4));
      if (high != nullptr) high[i] = static_cast<uint8_t>(high[i] | ((code >> 4) << j));
    }
  }
}
void encode_q4_k(const float* x, uint8_t* b) {
  encode_k(x, 15, b, nullptr, b + 16);
}
void encode_q5_k(const float* x, uint8_t* b) {
  encode_k(x, 31, b, b + 16, b + 48);
}

void encode_q6_k(const float* x, uint8_t* b) {
  float scales[16], peak = 0;
  for (int g = 0; g < 16; ++g) {
    float extreme = 0;
    for (int i = 0; i < 16; ++i)
      if (std::fabs(x[g * 16 + i]) > std::fabs(extreme)) extreme = x[g * 16 + i];
    scales[g] = extreme / -32.0f;
    if (std::fabs(scales[g]) > std::fabs(peak)) peak = scales[g];
  }
  const uint16_t d = f32_to_f16(peak / -128.0f);
  store16(b + 208, d);
  auto* stored = reinterpret_cast<int8_t*>(b + 192);
  int codes[256];
  for (int g = 0; g < 16; ++g) {
    stored[g] = static_cast<int8_t>(clamp_code(scales[g] * inverse(f16_to_f32(d)), -128, 127));
    const float inv = inverse(f16_to_f32(d) * static_cast<float>(stored[g]));
    for (int i = 0; i < 16; ++i) codes[g * 16 + i] = clamp_code(x[g * 16 + i] * inv, -32, 31) + 32;
  }
  for (int half = 0; half < 2; ++half) {
    const int* c = codes + half * 128;
    for (int i = 0; i < 32; ++i) {
      b[half * 64 + i] = static_cast<uint8_t>((c[i] & 0xf) | ((c[i + 64] & 0xf) << 4));
      b[half * 64 + i + 32] = static_cast<uint8_t>((c[i + 32] & 0xf) | ((c[i + 96] & 0xf) << 4));
      b[128 + half * 32 + i] = static_cast<uint8_t>((c[i] >> 4) | ((c[i + 32] >> 4) << 2) | ((c[i + 64] >> 4) << 4) |
                                                    ((c[i + 96] >> 4) << 6));
    }
  }
}

using Decode = void (*)(const uint8_t*, float*);
using Encode = void (*)(const float*, uint8_t*);

template <class Step>
void each_block(DType type, int64_t count, Step step) {
  const DTypeInfo& t = info(type);
  for (int64_t block = 0; block < count / t.block_elements; ++block)
    step(block * t.block_bytes, block * t.block_elements);
}

}  // namespace

void dequantise_row(DType type, const void* source, float* destination, int64_t count) {
  const auto* bytes = static_cast<const uint8_t*>(source);
  Decode decode = nullptr;
  switch (type) {
    case DType::F32:
      std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::F16:
      for (int64_t i = 0; i < count; ++i) destination[i] = f16_to_f32(load16(bytes + 2 * i));
      return;
    case DType::BF16:
      for (int64_t i = 0; i < count; ++i) destination[i] = bf16_to_f32(load16(bytes + 2 * i));
      return;
    case DType::Q8_0:
      decode = decode_q8_0;
      break;
    case DType::Q4_0:
      decode = decode_q4_0;
      break;
    case DType::Q4_1:
      decode = decode_q4_1;
      break;
    case DType::Q5_0:
      decode = decode_q5_0;
      break;
    case DType::Q5_1:
      decode = decode_q5_1;
      break;
    case DType::Q4_K:
      decode = decode_q4_k;
      break;
    case DType::Q5_K:
      decode = decode_q5_k;
      break;
    case DType::Q6_K:
      decode = decode_q6_k;
      break;
    default:
      CHECK(!"a weight type");
  }
  each_block(type, count, [&](int64_t byte, int64_t element) { decode(bytes + byte, destination + element); });
}

void quantise_row(DType type, const float* source, void* destination, int64_t count) {
  auto* bytes = static_cast<uint8_t*>(destination);
  Encode encode = nullptr;
  switch (type) {
    case DType::F32:
      std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::F16:
      for (int64_t i = 0; i < count; ++i) store16(bytes + 2 * i, f32_to_f16(source[i]));
      return;
    case DType::BF16:
      for (int64_t i = 0; i < count; ++i) store16(bytes + 2 * i, f32_to_bf16(source[i]));
      return;
    case DType::Q8_0:
      encode = encode_q8_0;
      break;
    case DType::Q4_0:
      encode = encode_q4_0;
      break;
    case DType::Q4_1:
      encode = encode_q4_1;
      break;
    case DType::Q5_0:
      encode = encode_q5_0;
      break;
    case DType::Q5_1:
      encode = encode_q5_1;
      break;
    case DType::Q4_K:
      encode = encode_q4_k;
      break;
    case DType::Q5_K:
      encode = encode_q5_k;
      break;
    case DType::Q6_K:
      encode = encode_q6_k;
      break;
    default:
      CHECK(!"a weight type");
  }
  each_block(type, count, [&](int64_t byte, int64_t element) { encode(source + element, bytes + byte); });
}

}  // namespace hearth
