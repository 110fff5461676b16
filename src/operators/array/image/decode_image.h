// Encoded images as pixels. One file a format; the JPEG and PNG files are the adapters of their libraries.
#pragma once

#include <optional>
#include <span>

#include "tensor/value.h"

namespace hearth::operators {

// An image may claim any size: more pixels than this are refused before memory is taken for them.
inline constexpr int64_t kMaxImagePixels = int64_t{1} << 28;

// U8 [height, width, 3], red first; nullopt when the bytes are damaged. Unsupported for a variant of the format that is
// not served here; Limit for too many pixels.
using DecodedImage = Result<std::optional<Tensor>>;
DecodedImage decode_bmp(std::span<const uint8_t> bytes, TensorMemory& memory);
DecodedImage decode_jpeg(std::span<const uint8_t> bytes, TensorMemory& memory);
DecodedImage decode_png(std::span<const uint8_t> bytes, TensorMemory& memory);
DecodedImage decode_pnm(std::span<const uint8_t> bytes, TensorMemory& memory);
DecodedImage decode_tiff(std::span<const uint8_t> bytes, TensorMemory& memory);

// By the first bytes. Unsupported, with the format's name, for those that are known and not served; nullopt for bytes
// that are no image.
DecodedImage decode_image(std::span<const uint8_t> bytes, TensorMemory& memory);

// Pixels for an image of these sizes, uninitialised.
Result<Tensor> allocate_pixels(int64_t height, int64_t width, TensorMemory& memory);

}  // namespace hearth::operators
