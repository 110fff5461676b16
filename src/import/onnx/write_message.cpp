#include "import/onnx/write_message.h"

#include <iterator>
#include <protozero/varint.hpp>

#include "import/onnx/wire.h"

namespace hearth::import::onnx {

void MessageWriter::varint(uint64_t value) {
  protozero::write_varint(std::back_inserter(near_), value);
}

void MessageWriter::tag(uint32_t field, uint32_t wire) {
  varint(uint64_t{field} << 3 | wire);
}

void MessageWriter::integer(uint32_t field, int64_t value) {
  tag(field, static_cast<uint32_t>(Wire::Varint));
  varint(static_cast<uint64_t>(value));
}

void MessageWriter::float32(uint32_t field, float value) {
  tag(field, static_cast<uint32_t>(Wire::Fixed32));
  near_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void MessageWriter::text(uint32_t field, std::string_view text) {
  tag(field, static_cast<uint32_t>(Wire::Bytes));
  varint(text.size());
  near_.append(text);
}

void MessageWriter::text_unless_empty(uint32_t field, std::string_view text_or_none) {
  if (!text_or_none.empty()) text(field, text_or_none);
}

void MessageWriter::packed_integers(uint32_t field, std::span<const int64_t> values) {
  if (values.empty()) return;
  std::string packed;
  for (const int64_t value : values) protozero::write_varint(std::back_inserter(packed), static_cast<uint64_t>(value));
  text(field, packed);
}

void MessageWriter::packed_floats(uint32_t field, std::span<const float> values) {
  if (!values.empty()) text(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

void MessageWriter::message(uint32_t field, MessageWriter&& inner) {
  tag(field, static_cast<uint32_t>(Wire::Bytes));
  varint(inner.size());
  for (Far& far : inner.far_) far_.push_back({near_.size() + far.at, far.bytes, std::move(far.owner)});
  far_total_ += inner.far_total_;
  near_.append(inner.near_);
}

void MessageWriter::far_bytes(uint32_t field, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  constexpr size_t kWorthReferring = 1024;
  if (bytes.size() < kWorthReferring) {
    text(field, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return;
  }
  tag(field, static_cast<uint32_t>(Wire::Bytes));
  varint(bytes.size());
  far_.push_back({near_.size(), bytes, std::move(owner)});
  far_total_ += bytes.size();
}

Result<> MessageWriter::write_to(const std::function<Result<>(std::span<const std::byte>)>& sink) const {
  const auto all = std::as_bytes(std::span(near_));
  size_t at = 0;
  for (const Far& far : far_) {
    if (far.at > at) TRY(sink(all.subspan(at, far.at - at)));
    TRY(sink(far.bytes));
    at = far.at;
  }
  return at < all.size() ? sink(all.subspan(at)) : Result<>();
}

std::string MessageWriter::to_string() const {
  std::string bytes;
  bytes.reserve(size());
  const auto written = write_to([&](std::span<const std::byte> part) -> Result<> {
    bytes.append(reinterpret_cast<const char*>(part.data()), part.size());
    return {};
  });
  CHECK(written);  // appending cannot fail
  return bytes;
}

}  // namespace hearth::import::onnx
