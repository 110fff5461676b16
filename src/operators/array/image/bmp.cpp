#include <cstdlib>

#include "operators/array/image/byte_reader.h"
#include "operators/array/image/decode_image.h"

namespace hearth::operators {

namespace {

struct Header {
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0;           // a pixel
  uint64_t palette = 0;        // where it begins
  uint32_t palette_entry = 0;  // bytes
  uint32_t palette_entries = 0;
  uint64_t pixels = 0;     // where they begin
  uint64_t row_bytes = 0;  // rows are padded to four bytes
};

// nullopt: damaged.
Result<std::optional<Header>> read_header(std::span<const uint8_t> bytes) {
  ByteReader reader(bytes, false);
  Header header;
  header.pixels = reader.u32(10);
  const uint32_t header_bytes = reader.u32(14);
  const bool old = header_bytes == 12;  // OS/2's first version
  header.width = old ? reader.u16(18) : static_cast<int32_t>(reader.u32(18));
  header.height = old ? reader.u16(20) : static_cast<int32_t>(reader.u32(22));
  header.bits = reader.u16(old ? 24 : 28);
  const uint32_t compression = old ? 0 : reader.u32(30);
  if (!reader.ok() || (!old && header_bytes < 40) || header.width < 1 || header.height == 0) return std::nullopt;
  if (header.height < 0) header.top_down = true, header.height = -header.height;
  if (compression != 0) return fail(ErrorKind::Unsupported, "[image] BMP with compression {}; need none", compression);
  if (header.bits != 1 && header.bits != 4 && header.bits != 8 && header.bits != 24 && header.bits != 32)
    return fail(ErrorKind::Unsupported, "[image] BMP of {} bits a pixel; need 1, 4, 8, 24 or 32", header.bits);
  header.palette = 14 + uint64_t{header_bytes};
  header.palette_entry = old ? 3 : 4;
  if (header.bits <= 8) {
    const uint32_t used = old ? 0 : reader.u32(46);
    header.palette_entries = used == 0 || used > 1u << header.bits ? 1u << header.bits : used;
  }
  header.row_bytes = (static_cast<uint64_t>(header.width) * header.bits + 31) / 32 * 4;
  const uint64_t palette_end = header.palette + uint64_t{header.palette_entries} * header.palette_entry;
  // Sizes are below 2^31 and 2^31, so that the product fits.
  if (!reader.ok() || palette_end > bytes.size() || header.pixels > bytes.size() ||
      header.row_bytes > (bytes.size() - header.pixels) / static_cast<uint64_t>(header.height))
    return std::nullopt;
  return header;
}

void read_row(const Header& header, std::span<const uint8_t> bytes, const uint8_t* row, uint8_t* to) {
  for (int64_t x = 0; x < header.width; ++x, to += 3) {
    const uint8_t* pixel = nullptr;  // blue, green, red
    if (header.bits > 8) {
      pixel = row + x * (header.bits / 8);
    } else {
      const int64_t bit = x * header.bits;
      const uint32_t shift = 8 - header.bits - static_cast<uint32_t>(bit % 8);
      const uint32_t index = row[bit / 8] >> shift & ((1u << header.bits) - 1);
      if (index < header.palette_entries) pixel = bytes.data() + header.palette + index * header.palette_entry;
    }
    for (int i = 0; i < 3; ++i) to[i] = pixel != nullptr ? pixel[2 - i] : 0;
  }
}

}  // namespace

DecodedImage decode_bmp(std::span<const uint8_t> bytes, TensorMemory& memory) {
  ASSIGN_OR_RETURN(const auto header, read_header(bytes));
  if (!header) return std::nullopt;
  ASSIGN_OR_RETURN(Tensor pixels, allocate_pixels(header->height, header->width, memory));
  for (int64_t y = 0; y < header->height; ++y) {
    const int64_t stored = header->top_down ? y : header->height - 1 - y;
    read_row(*header, bytes, bytes.data() + header->pixels + static_cast<uint64_t>(stored) * header->row_bytes,
             pixels.mutable_data<uint8_t>() + y * header->width * 3);
  }
  return pixels;
}

}  // namespace hearth::operators
