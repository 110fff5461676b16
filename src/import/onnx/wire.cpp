#include "import/onnx/wire.h"

#include <bit>
#include <cstring>
#include <protozero/exception.hpp>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>

namespace hearth::import::onnx {

static_assert(std::endian::native == std::endian::little, "fixed fields are read as they lie");
static_assert(static_cast<uint32_t>(Wire::Varint) == static_cast<uint32_t>(protozero::pbf_wire_type::varint) &&
              static_cast<uint32_t>(Wire::Fixed64) == static_cast<uint32_t>(protozero::pbf_wire_type::fixed64) &&
              static_cast<uint32_t>(Wire::Bytes) == static_cast<uint32_t>(protozero::pbf_wire_type::length_delimited) &&
              static_cast<uint32_t>(Wire::Fixed32) == static_cast<uint32_t>(protozero::pbf_wire_type::fixed32));

// The one place where protozero is called to decode, and where its exceptions end. Its pbf_reader is not used: it cuts
// lengths to 32 bits.
bool read_varint(const char*& at, const char* end, uint64_t& value) {
  try {
    value = protozero::decode_varint(&at, end);
    return true;
  } catch (const protozero::exception&) {
    return false;
  }
}

bool Message::damaged(Damage damage) {
  if (damage_ == Damage::None) damage_ = damage;
  at_ = end_;
  return false;
}

bool Message::expect(Wire wire) {
  return wire_ == wire || damaged(Damage::OtherType);
}

bool Message::next() {
  if (at_ == end_ || damage_ != Damage::None) return false;
  start_ = at_;
  uint64_t tag = 0;
  if (!read_varint(at_, end_, tag)) return damaged(Damage::Varint);
  if (tag > UINT32_MAX || tag < 8) return damaged(Damage::Tag);
  field_ = static_cast<uint32_t>(tag >> 3);
  wire_ = static_cast<Wire>(tag & 7);
  number_ = 0;
  view_ = {};
  const auto left = [&] { return static_cast<uint64_t>(end_ - at_); };
  switch (wire_) {
    case Wire::Varint:
      return read_varint(at_, end_, number_) || damaged(Damage::Varint);
    case Wire::Bytes:
      if (!read_varint(at_, end_, number_)) return damaged(Damage::Varint);
      if (number_ > left()) return damaged(Damage::Truncated);
      break;
    case Wire::Fixed64:
    case Wire::Fixed32:
      number_ = wire_ == Wire::Fixed64 ? 8 : 4;
      if (number_ > left()) return damaged(Damage::Truncated);
      break;
    default:
      return damaged(Damage::WireType);
  }
  view_ = {at_, static_cast<size_t>(number_)};
  at_ += number_;
  return true;
}

int64_t Message::integer() {
  return expect(Wire::Varint) ? static_cast<int64_t>(number_) : 0;
}

int32_t Message::integer32() {
  return static_cast<int32_t>(static_cast<uint32_t>(integer()));
}

float Message::float32() {
  float value = 0;
  if (expect(Wire::Fixed32)) std::memcpy(&value, view_.data(), sizeof value);
  return value;
}

std::string_view Message::bytes() {
  return expect(Wire::Bytes) ? view_ : std::string_view();
}

std::string_view Message::fixed(size_t width) {
  if (wire_ != (width == 8 ? Wire::Fixed64 : Wire::Fixed32)) {
    if (!expect(Wire::Bytes)) return {};
    if (view_.size() % width != 0) {
      damaged(Damage::Length);
      return {};
    }
  }
  return view_;
}

Result<> Message::end() const {
  const auto at = start_ - begin_;
  switch (damage_) {
    case Damage::None:
      return {};
    case Damage::Truncated:
      return fail(ErrorKind::Invalid, "[onnx] field {} of {} at its byte {}; got {} bytes to the end, need {}", field_,
                  type_, at, end_ - start_, number_);
    case Damage::Varint:
      return fail(ErrorKind::Invalid, "[onnx] number in {} at its byte {}; got one without end, need at most 10 bytes",
                  type_, at);
    case Damage::Tag:
      return fail(ErrorKind::Invalid, "[onnx] tag in {} at its byte {}; got no valid field number", type_, at);
    case Damage::WireType:
      return fail(ErrorKind::Invalid, "[onnx] field {} of {} at its byte {}; got wire type {}, need 0, 1, 2 or 5",
                  field_, type_, at, static_cast<int>(wire_));
    case Damage::OtherType:
      return fail(ErrorKind::Invalid, "[onnx] field {} of {} at its byte {}; got wire type {}, need another", field_,
                  type_, at, static_cast<int>(wire_));
    case Damage::Length:
      break;
  }
  return fail(ErrorKind::Invalid, "[onnx] field {} of {} at its byte {}; got {} bytes, need whole numbers", field_,
              type_, at, number_);
}

}  // namespace hearth::import::onnx
