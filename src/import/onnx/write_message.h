// Protobuf messages being put together. Large data is not copied: a message refers to it until it is written out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::import::onnx {

class MessageWriter {
 public:
  void integer(uint32_t field, int64_t value);
  void float32(uint32_t field, float value);
  void text(uint32_t field, std::string_view text);
  void text_unless_empty(uint32_t field, std::string_view text_or_none);
  void packed_integers(uint32_t field, std::span<const int64_t> values);
  void packed_floats(uint32_t field, std::span<const float> values);
  void message(uint32_t field, MessageWriter&& inner);
  // `owner` keeps the bytes alive; null: they live until the message is written.
  void far_bytes(uint32_t field, std::span<const std::byte> bytes, std::shared_ptr<const void> owner = nullptr);

  uint64_t size() const { return near_.size() + far_total_; }
  // Hands all bytes to `sink`, in order.
  Result<> write_to(const std::function<Result<>(std::span<const std::byte>)>& sink) const;
  std::string to_string() const;

 private:
  struct Far {
    size_t at;  // stands before this byte of near_
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;  // shared: packed numbers are made for the message alone
  };
  void tag(uint32_t field, uint32_t wire);
  void varint(uint64_t value);

  std::string near_;
  std::vector<Far> far_;
  uint64_t far_total_ = 0;
};

}  // namespace hearth::import::onnx
