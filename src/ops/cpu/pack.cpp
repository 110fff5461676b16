#include "ops/cpu/pack.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "tensor/float16.h"

namespace hearth::ops::cpu {
namespace {

constexpr int kMaxUnit = 256;  // values of the largest source block
constexpr int64_t kPackForkBytes = int64_t{1} << 20;

// One source block, its codes and scales apart, codes unsigned.
struct RawBlock {
  uint8_t codes[kMaxUnit];
  uint16_t d, minimum;            // f16: scale (or factor) and what is subtracted (or its factor)
  uint8_t scales[16], minima[8];  // sub-scales of K types
};

uint16_t load16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

void split_nibbles(const uint8_t* p, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = p[i] & 15;
    codes[i + 16] = p[i] >> 4;
  }
}
void add_fifth_bits(const uint8_t* p, uint8_t* codes) {
  uint32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  for (int i = 0; i < 32; ++i) codes[i] = static_cast<uint8_t>(codes[i] | (bits >> i & 1u) << 4);
}
// Six-bit scales and minima of a K block, four of them spread over the top bits of the others.
void split_sub_scales(const uint8_t* s, RawBlock& raw) {
  for (int j = 0; j < 4; ++j) {
    raw.scales[j] = s[j] & 63;
    raw.minima[j] = s[j + 4] & 63;
    raw.scales[j + 4] = static_cast<uint8_t>((s[j + 8] & 15) | s[j] >> 6 << 4);
    raw.minima[j + 4] = static_cast<uint8_t>(s[j + 8] >> 4 | s[j + 4] >> 6 << 4);
  }
}
void split_k(const uint8_t* p, const uint8_t* high, const uint8_t* low, RawBlock& raw) {
  raw.d = load16(p);
  raw.minimum = load16(p + 2);
  split_sub_scales(p + 4, raw);
  for (int j = 0; j < 8; ++j)
    for (int i = 0; i < 32; ++i) {
      const uint8_t byte = low[j / 2 * 32 + i];
      const int nibble = j % 2 == 0 ? byte & 15 : byte >> 4;
      const int top = high != nullptr ? (high[i] >> j & 1) << 4 : 0;
      raw.codes[j * 32 + i] = static_cast<uint8_t>(nibble | top);
    }
}
void split_q6_k(const uint8_t* p, RawBlock& raw) {
  raw.d = load16(p + 208);
  std::memcpy(raw.scales, p + 192, 16);
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const uint8_t a = p[half * 64 + i], b = p[half * 64 + i + 32], high = p[128 + half * 32 + i];
      uint8_t* codes = raw.codes + half * 128 + i;
      codes[0] = static_cast<uint8_t>((a & 15) | (high & 3) << 4);
      codes[32] = static_cast<uint8_t>((b & 15) | (high >> 2 & 3) << 4);
      codes[64] = static_cast<uint8_t>(a >> 4 | (high >> 4 & 3) << 4);
      codes[96] = static_cast<uint8_t>(b >> 4 | high >> 6 << 4);
    }
}

void split(DType type, const uint8_t* p, RawBlock& raw) {
  switch (type) {
    case DType::Q4_0:
      raw.d = load16(p);
      split_nibbles(p + 2, raw.codes);
      return;
    case DType::Q4_1:
      raw.d = load16(p);
      raw.minimum = load16(p + 2) ^ 0x8000;
      split_nibbles(p + 4, raw.codes);
      return;
    case DType::Q5_0:
      raw.d = load16(p);
      split_nibbles(p + 6, raw.codes);
      add_fifth_bits(p + 2, raw.codes);
      return;
    case DType::Q5_1:
      raw.d = load16(p);
      raw.minimum = load16(p + 2) ^ 0x8000;
      split_nibbles(p + 8, raw.codes);
      add_fifth_bits(p + 4, raw.codes);
      return;
    case DType::Q8_0:
      raw.d = load16(p);
      for (int i = 0; i < 32; ++i) raw.codes[i] = p[2 + i] ^ 0x80;
      return;
    case DType::Q4_K:
      split_k(p, nullptr, p + 16, raw);
      return;
    case DType::Q5_K:
      split_k(p, p + 16, p + 48, raw);
      return;
    case DType::Q6_K:
      split_q6_k(p, raw);
      return;
    default:
      CHECK(!"a quantised weight type");
  }
}

int code_offset(DType type) {
  switch (type) {
    case DType::Q4_0:
      return 8;
    case DType::Q5_0:
      return 16;
    case DType::Q6_K:
      return 32;
    case DType::Q8_0:
      return 128;
    default:
      return 0;
  }
}

int64_t panel_bytes(const PanelFormat& f, int64_t rows, int64_t k) {
  const int64_t blocks = k / 32;
  return blocks * HEARTH_PANEL_BLOCK_BYTES(f, rows) + blocks / 8 * HEARTH_PANEL_HEAD_BYTES(f, rows);
}

struct Packing {
  Layout layout;
  DType dtype;
  std::span<const TensorView> sources;
  uint8_t* destination;
  int64_t n, k, rows;  // rows of a panel
};

const uint8_t* source_row(const Packing& p, int64_t row) {
  for (const TensorView& s : p.sources) {
    if (row < s.dims[0]) return data_of<uint8_t>(s) + bytes_of(p.dtype, row * s.strides[0]);
    row -= s.dims[0];
  }
  return nullptr;
}

void pack_row_quantised(const Packing& p, const PanelFormat& f, const uint8_t* from, int64_t r, uint8_t* panel) {
  const int unit = info(p.dtype).block_elements, unit_bytes = info(p.dtype).block_bytes;
  const uint8_t flip = f.wide && p.layout == Layout::CpuPanel8 ? 0x80 : 0;  // back to signed bytes
  const int64_t rows = p.rows;
  RawBlock raw{};
  uint8_t* block = panel;
  for (int64_t k = 0; k < p.k; k += unit, from += unit_bytes) {
    split(p.dtype, from, raw);
    if (f.scale == ScaleKind::Super) {
      std::memcpy(block + r * 2, &raw.d, 2);
      if (f.minimum) std::memcpy(block + rows * 2 + r * 2, &raw.minimum, 2);
      block += HEARTH_PANEL_HEAD_BYTES(f, rows);
    }
    for (int b = 0; b < unit / 32; ++b, block += HEARTH_PANEL_BLOCK_BYTES(f, rows)) {
      const uint8_t* codes = raw.codes + b * 32;
      if (f.bits == 4) {
        for (int g = 0; g < 4; ++g)
          for (int j = 0; j < 4; ++j)
            block[g * rows * 4 + r * 4 + j] = static_cast<uint8_t>(codes[8 * g + j] | codes[8 * g + 4 + j] << 4);
      } else {
        for (int g = 0; g < 8; ++g)
          for (int j = 0; j < 4; ++j) block[g * rows * 4 + r * 4 + j] = codes[4 * g + j] ^ flip;
      }
      uint8_t* scales = block + HEARTH_PANEL_CODE_BYTES(f, rows);
      uint8_t* minima = scales + HEARTH_PANEL_SCALE_BYTES(f, rows);
      const int sets = 32 / f.block;
      if (f.scale == ScaleKind::Super) {
        for (int s = 0; s < sets; ++s) scales[s * rows + r] = raw.scales[b * sets + s];
        if (f.minimum) minima[r] = raw.minima[b];
      } else {
        std::memcpy(scales + r * 2, &raw.d, 2);
        if (f.minimum) std::memcpy(minima + r * 2, &raw.minimum, 2);
      }
    }
  }
}

template <class Word>
void pack_row_float(const Packing& p, const uint8_t* from, int64_t r, uint8_t* panel) {
  for (int64_t k = 0; k < p.k; ++k)
    std::memcpy(panel + (k * p.rows + r) * int64_t{sizeof(Word)}, from + k * int64_t{sizeof(Word)}, sizeof(Word));
}

void pack_panels(const Packing& p, int64_t begin, int64_t end) {
  const PanelFormat* f = panel_format(p.dtype);
  const int64_t bytes = f != nullptr ? panel_bytes(*f, p.rows, p.k) : p.rows * bytes_of(p.dtype, p.k);
  for (int64_t i = begin; i < end; ++i) {
    uint8_t* panel = p.destination + i * bytes;
    const int64_t rows = std::min(p.rows, p.n - i * p.rows);
    if (rows < p.rows) std::memset(panel, 0, static_cast<size_t>(bytes));
    for (int64_t r = 0; r < rows; ++r) {
      const uint8_t* from = source_row(p, i * p.rows + r);
      if (f != nullptr)
        pack_row_quantised(p, *f, from, r, panel);
      else if (p.dtype == DType::F32)
        pack_row_float<uint32_t>(p, from, r, panel);
      else
        pack_row_float<uint16_t>(p, from, r, panel);
    }
  }
}

}  // namespace

const PanelFormat* panel_format(DType dtype) {
  switch (dtype) {
    case DType::Q4_0:
      return &kFormatQ4_0;
    case DType::Q4_1:
      return &kFormatQ4_1;
    case DType::Q4_K:
      return &kFormatQ4K;
    case DType::Q5_0:
      return &kFormatQ5_0;
    case DType::Q5_1:
      return &kFormatQ5_1;
    case DType::Q5_K:
      return &kFormatQ5K;
    case DType::Q6_K:
      return &kFormatQ6K;
    case DType::Q8_0:
      return &kFormatQ8_0;
    default:
      return nullptr;
  }
}

PackedForm packed_form(Layout layout, DType dtype, int64_t n, int64_t k) {
  if ((bit(dtype) & kWeight) == 0) return {Layout::Plain, dtype, static_cast<size_t>(n * bytes_of(dtype, k))};
  const int64_t rows = panel_rows(layout), panels = (n + rows - 1) / rows;
  const PanelFormat* f = panel_format(dtype);
  const int64_t bytes = f != nullptr ? panel_bytes(*f, rows, k) : rows * bytes_of(dtype, k);
  return {layout, dtype, static_cast<size_t>(panels * bytes)};
}

Result<> pack(Layout layout, std::span<const TensorView> sources, void* destination, int threads) {
  if (sources.empty()) return fail(ErrorKind::Invalid, "[cpu] pack: got no matrix, need at least one");
  Packing p{layout, dtype_of(sources[0]), sources,           static_cast<uint8_t*>(destination),
            0,      sources[0].dims[1],   panel_rows(layout)};
  for (const TensorView& s : sources) {
    if (s.rank != 2 || layout_of(s) != Layout::Plain)
      return fail(ErrorKind::Invalid, "[cpu] pack: got a tensor of rank {}, need a plain matrix", s.rank);
    if (dtype_of(s) != p.dtype || s.dims[1] != p.k)
      return fail(ErrorKind::Invalid, "[cpu] pack: stacked matrices; got {} with {} columns, need {} with {}",
                  to_string(dtype_of(s)), s.dims[1], to_string(p.dtype), p.k);
    p.n += s.dims[0];
  }
  const DTypeInfo& type = info(p.dtype);
  if ((bit(p.dtype) & kWeight) == 0)
    return fail(ErrorKind::Unsupported, "[cpu] pack: got {}, need a weight type", type.text);
  if (p.k % type.block_elements != 0)
    return fail(ErrorKind::Invalid, "[cpu] pack: columns of {}; got {}, need a multiple of {}", type.text, p.k,
                type.block_elements);
  const int64_t panels = (p.n + p.rows - 1) / p.rows;
  const int64_t parts = p.n * bytes_of(p.dtype, p.k) < kPackForkBytes ? 1 : std::min<int64_t>(threads, panels);
  std::vector<std::jthread> helpers;
  for (int64_t part = 1; part < parts; ++part)
    helpers.emplace_back(
        [&p, panels, part, parts] { pack_panels(p, panels * part / parts, panels * (part + 1) / parts); });
  pack_panels(p, 0, parts > 1 ? panels / parts : panels);
  return {};
}

void unpack_row(Layout layout, DType dtype, const void* packed, int64_t k, int64_t row, float* out) {
  const int64_t rows = panel_rows(layout), r = row % rows;
  const auto* bytes = static_cast<const uint8_t*>(packed);
  const PanelFormat* format = panel_format(dtype);
  if (format == nullptr) {
    const int64_t size = info(dtype).block_bytes;
    const uint8_t* panel = bytes + row / rows * rows * k * size + r * size;
    for (int64_t i = 0; i < k; ++i, panel += rows * size) {
      if (dtype == DType::F32)
        std::memcpy(out + i, panel, 4);
      else
        out[i] = dtype == DType::F16 ? f16_to_f32(load16(panel)) : bf16_to_f32(load16(panel));
    }
    return;
  }
  const PanelFormat& f = *format;
  const uint8_t* block = bytes + row / rows * panel_bytes(f, rows, k);
  const bool is_signed = f.wide && layout == Layout::CpuPanel8;
  const float offset = static_cast<float>(code_offset(dtype));
  float d = 0, dmin = 0;
  for (int64_t b = 0; b < k / 32; ++b, block += HEARTH_PANEL_BLOCK_BYTES(f, rows), out += 32) {
    if (f.scale == ScaleKind::Super && b % 8 == 0) {
      d = f16_to_f32(load16(block + r * 2));
      if (f.minimum) dmin = f16_to_f32(load16(block + rows * 2 + r * 2));
      block += HEARTH_PANEL_HEAD_BYTES(f, rows);
    }
    const uint8_t* scales = block + HEARTH_PANEL_CODE_BYTES(f, rows);
    const uint8_t* minima = scales + HEARTH_PANEL_SCALE_BYTES(f, rows);
    float scale[2], minimum = 0;
    for (int s = 0; s < 32 / f.block; ++s) {
      if (f.scale == ScaleKind::Half)
        scale[s] = f16_to_f32(load16(scales + r * 2));
      else
        scale[s] = d * (f.block == 16 ? static_cast<float>(static_cast<int8_t>(scales[s * rows + r]))
                                      : static_cast<float>(scales[s * rows + r]));
    }
    if (f.minimum)
      minimum = f.scale == ScaleKind::Half ? f16_to_f32(load16(minima + r * 2)) : dmin * static_cast<float>(minima[r]);
    for (int g = 0; g < 8; ++g) {
      uint8_t codes[4];
      if (f.bits == 4) {
        std::memcpy(codes, block + g / 2 * rows * 4 + r * 4, 4);
        for (uint8_t& c : codes) c = g % 2 == 0 ? c & 15 : c >> 4;
      } else {
        std::memcpy(codes, block + g * rows * 4 + r * 4, 4);
        if (is_signed)
          for (uint8_t& c : codes) c ^= 0x80;
      }
      const float s = scale[f.block == 16 ? g / 4 : 0];
      for (int j = 0; j < 4; ++j) out[g * 4 + j] = s * (static_cast<float>(codes[j]) - offset) - minimum;
    }
  }
}

}  // namespace hearth::ops::cpu
