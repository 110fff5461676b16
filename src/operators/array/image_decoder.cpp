#include "operators/array/array_kernels.h"
#include "operators/array/image/decode_image.h"

namespace hearth::operators {

namespace {

// The weights of ITU-R BT.601 in 16 bits.
uint8_t grey(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

}  // namespace

Result<> run_image_decoder(Call& call) {
  ASSIGN_OR_RETURN(const Tensor* stream, call.tensor(0));
  if (stream->dtype() != DType::U8 || stream->rank() != 1)
    return call.invalid("encoded_stream; got {}{}, need uint8 of one dimension", to_string(stream->dtype()),
                        to_string(stream->dims()));
  const std::string_view format = call.node().string_or("pixel_format", "RGB");
  if (format != "RGB" && format != "BGR" && format != "Grayscale")
    return call.invalid("attribute pixel_format; got '{}', need RGB, BGR or Grayscale", format);
  const int64_t channels = format == "Grayscale" ? 1 : 3;
  auto decoded = decode_image({stream->data<uint8_t>(), static_cast<size_t>(stream->size())}, call.memory());
  if (!decoded) return within(call.node().op_type, std::move(decoded).error());
  if (!*decoded) {  // damaged or no image: an empty one, as the operator is defined
    TRY(call.output(0, DType::U8, {0, 0, channels}));
    return {};
  }
  const Tensor& pixels = **decoded;
  if (format == "RGB") {
    call.set_output(0, pixels);
    return {};
  }
  ASSIGN_OR_RETURN(Tensor * output, call.output(0, DType::U8, {pixels.dim(0), pixels.dim(1), channels}));
  const auto* from = pixels.data<uint8_t>();
  auto* to = output->mutable_data<uint8_t>();
  for (int64_t i = 0; i < pixels.size(); i += 3, from += 3) {
    if (channels == 1) {
      *to++ = grey(from);
    } else {
      for (int c = 2; c >= 0; --c) *to++ = from[c];
    }
  }
  return {};
}

}  // namespace hearth::operators
