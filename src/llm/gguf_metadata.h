// The front of a GGUF file: a cursor over its bytes, which checks every read, and the metadata.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/result.h"
#include "llm/metadata.h"

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place");

namespace hearth::llm {

inline constexpr uint64_t kMaxGgufNameBytes = 1 << 16;  // of keys and tensor names

class GgufCursor {
 public:
  explicit GgufCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}
  size_t offset() const { return offset_; }
  size_t rest() const { return bytes_.size() - offset_; }

  template <class T>
  Result<T> read(std::string_view what) {
    if (rest() < sizeof(T))
      return fail(ErrorKind::Invalid, "[gguf] {} at byte {}; got the end of the file, need {} more bytes", what,
                  offset_, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  Result<std::string_view> read_string(std::string_view what, uint64_t limit) {
    ASSIGN_OR_RETURN(const uint64_t size, read<uint64_t>(what));
    if (size > limit || size > rest())
      return fail(ErrorKind::Invalid, "[gguf] {} at byte {}; got a length of {}, need at most {}", what, offset_, size,
                  std::min<uint64_t>(limit, rest()));
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + offset_), size);
    offset_ += size;
    return text;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t offset_ = 0;
};

// `count` keys with their values, which stay views of the cursor's bytes. What is damaged, out of bounds or stands
// twice is Invalid.
Result<> read_gguf_metadata(GgufCursor& cursor, uint64_t count, Metadata& metadata);

}  // namespace hearth::llm
