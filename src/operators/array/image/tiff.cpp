// The first image of a TIFF file whose strips are not compressed.
#include <algorithm>
#include <map>

#include "operators/array/image/byte_reader.h"
#include "operators/array/image/decode_image.h"

namespace hearth::operators {

namespace {

enum Tag : uint32_t {
  kWidth = 256,
  kHeight = 257,
  kBitsPerSample = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStripOffsets = 273,
  kSamplesPerPixel = 277,
  kRowsPerStrip = 278,
  kStripByteCounts = 279,
  kPlanar = 284,
  kColours = 320,
  kTileWidth = 322,
};

enum Photometric : uint32_t { kWhiteIsZero = 0, kBlackIsZero = 1, kRgb = 2, kPalette = 3 };

// A field of the directory: `count` numbers of 1, 2 or 4 bytes at `at`.
struct Field {
  uint64_t at = 0;
  uint32_t count = 0;
  unsigned size = 0;
};

class Directory {
 public:
  explicit Directory(std::span<const uint8_t> bytes) : reader_(bytes, bytes[0] == 'M') {
    const uint64_t start = reader_.u32(4);
    const uint32_t entries = reader_.u16(start);
    for (uint32_t i = 0; i < entries && reader_.ok(); ++i) {
      const uint64_t entry = start + 2 + uint64_t{12} * i;
      const uint32_t type = reader_.u16(entry + 2), count = reader_.u32(entry + 4);
      const unsigned size = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;  // byte, short, long
      if (size == 0) continue;
      const bool within = uint64_t{count} * size <= 4;  // the entry itself has the numbers
      fields_[reader_.u16(entry)] = {within ? entry + 8 : reader_.u32(entry + 8), count, size};
    }
  }

  bool ok() const { return reader_.ok(); }
  bool has(Tag tag) const { return fields_.contains(tag); }
  uint32_t count(Tag tag) const {
    const auto at = fields_.find(tag);
    return at != fields_.end() ? at->second.count : 0;
  }
  uint32_t get(Tag tag, uint32_t otherwise, uint32_t index = 0) {
    const auto at = fields_.find(tag);
    if (at == fields_.end() || index >= at->second.count) return otherwise;
    return reader_.number(at->second.at + uint64_t{index} * at->second.size, at->second.size);
  }

 private:
  ByteReader reader_;
  std::map<uint32_t, Field> fields_;
};

Result<> check_variant(Directory& directory) {
  const uint32_t compression = directory.get(kCompression, 1), photometric = directory.get(kPhotometric, kBlackIsZero);
  if (compression != 1) return fail(ErrorKind::Unsupported, "[image] TIFF with compression {}; need none", compression);
  if (directory.has(kTileWidth)) return fail(ErrorKind::Unsupported, "[image] TIFF in tiles; need strips");
  if (directory.get(kPlanar, 1) != 1)
    return fail(ErrorKind::Unsupported, "[image] TIFF with planes apart; need samples side by side");
  if (photometric > kPalette)
    return fail(ErrorKind::Unsupported, "[image] TIFF of colour space {}; need grey, RGB or palette", photometric);
  for (uint32_t i = 0; i < std::max(1u, std::min(directory.count(kBitsPerSample), 8u)); ++i)
    if (directory.get(kBitsPerSample, 1, i) != 8)
      return fail(ErrorKind::Unsupported, "[image] TIFF of {} bits a sample; need 8",
                  directory.get(kBitsPerSample, 1, i));
  return {};
}

void read_pixel(Directory& directory, uint32_t photometric, const uint8_t* from, uint8_t* to) {
  for (uint32_t c = 0; c < 3; ++c) {
    if (photometric == kRgb)
      to[c] = from[c];
    else if (photometric == kPalette)
      to[c] = static_cast<uint8_t>(directory.get(kColours, 0, c * 256 + from[0]) >> 8);
    else
      to[c] = photometric == kWhiteIsZero ? static_cast<uint8_t>(255 - from[0]) : from[0];
  }
}

}  // namespace

DecodedImage decode_tiff(std::span<const uint8_t> bytes, TensorMemory& memory) {
  Directory directory(bytes);
  const int64_t width = directory.get(kWidth, 0), height = directory.get(kHeight, 0);
  if (!directory.ok() || width < 1 || height < 1) return std::nullopt;
  TRY(check_variant(directory));
  const uint32_t photometric = directory.get(kPhotometric, kBlackIsZero);
  const int64_t samples = directory.get(kSamplesPerPixel, photometric == kRgb ? 3 : 1);
  const int64_t rows_per_strip = std::clamp<int64_t>(directory.get(kRowsPerStrip, UINT32_MAX), 0, height);
  if (samples < (photometric == kRgb ? 3 : 1) || samples > 64 || rows_per_strip < 1) return std::nullopt;
  // Not more pixels than bytes: what is claimed beyond that need not be allocated to be refused.
  if (width > static_cast<int64_t>(bytes.size()) / height) return std::nullopt;
  ASSIGN_OR_RETURN(Tensor pixels, allocate_pixels(height, width, memory));
  auto* to = pixels.mutable_data<uint8_t>();
  for (int64_t y = 0; y < height; ++y) {
    const auto strip = static_cast<uint32_t>(y / rows_per_strip);
    if (strip >= directory.count(kStripOffsets)) return std::nullopt;
    const uint64_t row_bytes = static_cast<uint64_t>(width * samples);
    const uint64_t at = directory.get(kStripOffsets, 0, strip) + static_cast<uint64_t>(y % rows_per_strip) * row_bytes;
    if (!directory.ok() || at > bytes.size() || bytes.size() - at < row_bytes) return std::nullopt;
    for (int64_t x = 0; x < width; ++x, to += 3)
      read_pixel(directory, photometric, bytes.data() + at + static_cast<uint64_t>(x * samples), to);
  }
  if (!directory.ok()) return std::nullopt;
  return pixels;
}

}  // namespace hearth::operators
