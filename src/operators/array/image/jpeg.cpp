// The adapter of libjpeg.
// clang-format off: jpeglib.h needs what stdio.h declares
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>
// clang-format on
#include <csetjmp>

#include "operators/array/image/decode_image.h"

namespace hearth::operators {

namespace {

// Errors of the library leave it by longjmp: the functions that it may leave hold nothing that has to be destroyed.
struct Decoder {
  jpeg_decompress_struct state{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape;
  bool damaged = false;

  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&state); }
};

Decoder& decoder_of(j_common_ptr state) {
  return *static_cast<Decoder*>(state->client_data);
}

void leave(j_common_ptr state) {
  std::longjmp(decoder_of(state).escape, 1);
}

// The library goes on where bytes are missing; the operator takes such a file for damaged.
void take_note(j_common_ptr state, int level) {
  const int code = state->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) decoder_of(state).damaged = true;
}

void say_nothing(j_common_ptr) {}

bool read_header(Decoder& decoder, std::span<const uint8_t> bytes) {
  decoder.state.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = leave;
  decoder.errors.emit_message = take_note;
  decoder.errors.output_message = say_nothing;
  if (setjmp(decoder.escape) != 0) return false;
  decoder.state.client_data = &decoder;
  jpeg_create_decompress(&decoder.state);
  jpeg_mem_src(&decoder.state, bytes.data(), bytes.size());
  return jpeg_read_header(&decoder.state, TRUE) == JPEG_HEADER_OK;
}

bool read_pixels(Decoder& decoder, uint8_t* to) {
  if (setjmp(decoder.escape) != 0) return false;
  decoder.state.out_color_space = JCS_RGB;
  decoder.state.dct_method = JDCT_ISLOW;
  if (!jpeg_start_decompress(&decoder.state)) return false;
  while (decoder.state.output_scanline < decoder.state.output_height) {
    JSAMPROW row = to + size_t{decoder.state.output_scanline} * decoder.state.output_width * 3;
    jpeg_read_scanlines(&decoder.state, &row, 1);
    if (decoder.damaged) return false;
  }
  return jpeg_finish_decompress(&decoder.state) && !decoder.damaged;
}

}  // namespace

DecodedImage decode_jpeg(std::span<const uint8_t> bytes, TensorMemory& memory) {
  Decoder decoder;
  if (!read_header(decoder, bytes)) return std::nullopt;
  if (decoder.state.jpeg_color_space == JCS_CMYK || decoder.state.jpeg_color_space == JCS_YCCK)
    return fail(ErrorKind::Unsupported, "[image] JPEG of colour space CMYK; need grey, RGB or YCbCr");
  ASSIGN_OR_RETURN(Tensor pixels, allocate_pixels(decoder.state.image_height, decoder.state.image_width, memory));
  if (!read_pixels(decoder, pixels.mutable_data<uint8_t>())) return std::nullopt;
  return pixels;
}

}  // namespace hearth::operators
