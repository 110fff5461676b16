#include "operators/array/image/decode_image.h"

namespace hearth::operators {

namespace {

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // A number in decimal after white space and comments; -1 when there is none, or one beyond 2^31.
  int64_t number() {
    skip_space();
    int64_t value = -1;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; ++at_) {
      value = (value < 0 ? 0 : value * 10) + bytes_[at_] - '0';
      if (value > int64_t{1} << 31) return -1;
    }
    return value;
  }
  // A digit 0 or 1, as the bitmap in text has them without space between; -1 when there is none.
  int bit() {
    skip_space();
    if (at_ >= bytes_.size() || (bytes_[at_] != '0' && bytes_[at_] != '1')) return -1;
    return bytes_[at_++] - '0';
  }
  // What follows the one white space after the header.
  std::span<const uint8_t> rest() const { return bytes_.subspan(std::min(bytes_.size(), at_ + 1)); }

 private:
  static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void skip_space() {
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#')
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      else
        ++at_;
    }
  }

  std::span<const uint8_t> bytes_;
  size_t at_ = 2;  // after "P6"
};

struct Header {
  int64_t width, height, greatest;
  int channels;
  bool bitmap, text;
};

uint8_t to_byte(int64_t value, int64_t greatest) {
  return static_cast<uint8_t>((std::min(value, greatest) * 255 + greatest / 2) / greatest);
}

// False: there are too few.
bool read_text(Reader& reader, const Header& header, uint8_t* to) {
  for (int64_t i = 0; i < header.width * header.height; ++i, to += 3)
    for (int c = 0; c < header.channels; ++c) {
      const int64_t value = header.bitmap ? reader.bit() : reader.number();
      if (value < 0) return false;
      to[c] = header.bitmap ? static_cast<uint8_t>(value == 0 ? 255 : 0) : to_byte(value, header.greatest);
    }
  return true;
}

bool read_binary(std::span<const uint8_t> bytes, const Header& header, uint8_t* to) {
  const int64_t sample = header.greatest > 255 ? 2 : 1;
  const int64_t row = header.bitmap ? (header.width + 7) / 8 : header.width * header.channels * sample;
  if (static_cast<int64_t>(bytes.size()) / row < header.height) return false;
  for (int64_t y = 0; y < header.height; ++y) {
    const uint8_t* from = bytes.data() + y * row;
    for (int64_t x = 0; x < header.width; ++x, to += 3)
      for (int c = 0; c < header.channels; ++c) {
        const int64_t i = (x * header.channels + c) * sample;
        if (header.bitmap)
          to[c] = (from[x / 8] >> (7 - x % 8) & 1) == 0 ? 255 : 0;
        else
          to[c] = to_byte(sample == 2 ? from[i] << 8 | from[i + 1] : from[i], header.greatest);
      }
  }
  return true;
}

}  // namespace

DecodedImage decode_pnm(std::span<const uint8_t> bytes, TensorMemory& memory) {
  const char kind = static_cast<char>(bytes[1]);
  Reader reader(bytes);
  Header header{
      .channels = kind == '3' || kind == '6' ? 3 : 1, .bitmap = kind == '1' || kind == '4', .text = kind <= '3'};
  header.width = reader.number();
  header.height = reader.number();
  header.greatest = header.bitmap ? 1 : reader.number();
  if (header.width < 1 || header.height < 1 || header.greatest < 1 || header.greatest > 65535) return std::nullopt;
  // Every pixel has a bit at least: what is claimed beyond that need not be allocated to be refused.
  if (header.width / 8 > static_cast<int64_t>(bytes.size()) / header.height) return std::nullopt;
  ASSIGN_OR_RETURN(Tensor pixels, allocate_pixels(header.height, header.width, memory));
  auto* to = pixels.mutable_data<uint8_t>();
  if (!(header.text ? read_text(reader, header, to) : read_binary(reader.rest(), header, to))) return std::nullopt;
  if (header.channels == 1)
    for (int64_t i = 0; i < header.width * header.height; ++i) to[3 * i + 1] = to[3 * i + 2] = to[3 * i];
  return pixels;
}

}  // namespace hearth::operators
