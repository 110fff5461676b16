#include "operators/array/image/decode_image.h"

#include <string_view>

namespace hearth::operators {

namespace {

bool starts_with(std::span<const uint8_t> bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()) + at, magic.size()) == magic;
}

DecodedImage refuse(std::string_view format) {
  return fail(ErrorKind::Unsupported, "[image] format; got {}, need JPEG, PNG, BMP, TIFF without compression or PNM",
              format);
}

}  // namespace

DecodedImage decode_image(std::span<const uint8_t> bytes, TensorMemory& memory) {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xff\xd8\xff")) return decode_jpeg(bytes, memory);
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) return decode_png(bytes, memory);
  if (starts_with(bytes, "BM")) return decode_bmp(bytes, memory);
  if (starts_with(bytes, "II*\0"sv) || starts_with(bytes, "MM\0*"sv)) return decode_tiff(bytes, memory);
  if (bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6') return decode_pnm(bytes, memory);
  if (starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8)) return refuse("WebP");
  if (starts_with(bytes, "\0\0\0\x0cjP  "sv) || starts_with(bytes, "\xff\x4f\xff\x51")) return refuse("JPEG 2000");
  if (starts_with(bytes, "P7")) return refuse("PAM");
  return std::nullopt;
}

Result<Tensor> allocate_pixels(int64_t height, int64_t width, TensorMemory& memory) {
  if (height < 1 || width < 1 || height > kMaxImagePixels || width > kMaxImagePixels / height)
    return fail(ErrorKind::Limit, "[image] size; got {} x {}, need 1 to {} pixels", width, height, kMaxImagePixels);
  return Tensor::allocate(DType::U8, {height, width, 3}, memory);
}

}  // namespace hearth::operators
