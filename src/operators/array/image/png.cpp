// The adapter of libpng.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <vector>

#include "operators/array/image/decode_image.h"

namespace hearth::operators {

namespace {

// Errors of the library leave it by longjmp: the functions that it may leave hold nothing that has to be destroyed.
struct Decoder {
  png_structp state = nullptr;
  png_infop image = nullptr;
  std::span<const uint8_t> bytes;  // still to be read

  explicit Decoder(std::span<const uint8_t> all) : bytes(all) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { png_destroy_read_struct(&state, &image, nullptr); }
};

void read_bytes(png_structp state, png_bytep to, size_t count) {
  auto& decoder = *static_cast<Decoder*>(png_get_io_ptr(state));
  if (count > decoder.bytes.size()) png_error(state, "end of the bytes");
  std::memcpy(to, decoder.bytes.data(), count);
  decoder.bytes = decoder.bytes.subspan(count);
}

void leave(png_structp state, png_const_charp) {
  png_longjmp(state, 1);
}
void say_nothing(png_structp, png_const_charp) {}

bool read_header(Decoder& decoder) {
  decoder.state = png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, leave, say_nothing);
  if (decoder.state == nullptr) return false;
  decoder.image = png_create_info_struct(decoder.state);
  if (decoder.image == nullptr) return false;
  if (setjmp(png_jmpbuf(decoder.state)) != 0) return false;
  png_set_read_fn(decoder.state, &decoder, read_bytes);
  png_set_chunk_malloc_max(decoder.state, 8u << 20);  // of a chunk that is not pixels
  png_read_info(decoder.state, decoder.image);
  // Whatever it is, as three bytes a pixel.
  png_set_expand(decoder.state);
  png_set_scale_16(decoder.state);
  png_set_gray_to_rgb(decoder.state);
  png_set_strip_alpha(decoder.state);
  png_set_interlace_handling(decoder.state);
  png_read_update_info(decoder.state, decoder.image);
  return true;
}

bool read_pixels(Decoder& decoder, png_bytep* rows) {
  if (setjmp(png_jmpbuf(decoder.state)) != 0) return false;
  png_read_image(decoder.state, rows);
  png_read_end(decoder.state, nullptr);
  return true;
}

}  // namespace

DecodedImage decode_png(std::span<const uint8_t> bytes, TensorMemory& memory) {
  Decoder decoder(bytes);
  if (!read_header(decoder)) return std::nullopt;
  const int64_t height = png_get_image_height(decoder.state, decoder.image);
  const int64_t width = png_get_image_width(decoder.state, decoder.image);
  if (png_get_rowbytes(decoder.state, decoder.image) != static_cast<size_t>(width) * 3) return std::nullopt;
  ASSIGN_OR_RETURN(Tensor pixels, allocate_pixels(height, width, memory));
  std::vector<png_bytep> rows(static_cast<size_t>(height));
  for (int64_t y = 0; y < height; ++y) rows[static_cast<size_t>(y)] = pixels.mutable_data<uint8_t>() + y * width * 3;
  if (!read_pixels(decoder, rows.data())) return std::nullopt;
  return pixels;
}

}  // namespace hearth::operators
