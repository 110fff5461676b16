// Protobuf messages, field by field. Lengths are 64 bits wide: a model may be larger than the 4 GB at which the usual
// readers wrap. Nothing is copied; views point into the bytes that were given.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace hearth::import::onnx {

enum class Wire : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

// Reads one varint and moves `at` behind it; false when it does not end within ten bytes or before `end`.
bool read_varint(const char*& at, const char* end, uint64_t& value);

// for (Message m(bytes, "NodeProto"); m.next();) switch (m.field()) { … }   then   TRY(m.end());
// The first damage ends the loop and is what end() returns. Fields that nobody asks for are skipped.
class Message {
 public:
  // `type` is for errors and must outlive the object.
  Message(std::string_view bytes, std::string_view type)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()), type_(type) {}

  bool next();
  uint32_t field() const { return field_; }
  Wire wire() const { return wire_; }

  // The current field's value. Of another wire type: damage; the value is then zero or empty.
  int64_t integer();
  int32_t integer32();  // as protobuf does: the low half
  float float32();
  std::string_view bytes();

  // One chunk of a repeated number, whether packed or alone: each(uint64_t) for varints, or the raw little-endian bytes
  // of fixed ones (a multiple of their width).
  template <class Each>
  void varints(Each&& each);
  std::string_view fixed(size_t width);

  Result<> end() const;

 private:
  enum class Damage : uint8_t { None, Truncated, Varint, Tag, WireType, OtherType, Length };
  bool damaged(Damage damage);
  bool expect(Wire wire);

  const char *begin_, *at_, *end_;
  const char* start_ = nullptr;  // of the current field
  std::string_view type_;
  std::string_view view_;
  uint64_t number_ = 0;
  uint32_t field_ = 0;
  Wire wire_ = Wire::Varint;
  Damage damage_ = Damage::None;
};

template <class Each>
void Message::varints(Each&& each) {
  if (wire_ == Wire::Varint) {
    each(number_);
  } else if (expect(Wire::Bytes)) {
    const char *at = view_.data(), *const end = at + view_.size();
    for (uint64_t value = 0; at != end;) {
      if (!read_varint(at, end, value)) {
        damaged(Damage::Varint);
        return;
      }
      each(value);
    }
  }
}

}  // namespace hearth::import::onnx
