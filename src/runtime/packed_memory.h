// Memory for a session's packed weights: a few large pieces, so that large pages serve them whatever the size of a
// weight. A weight's memory goes back when its whole piece is free.
#pragma once

#include "tensor/value.h"

namespace hearth::runtime {

// One thread.
class PackedMemory final : public TensorMemory {
 public:
  // 64-byte aligned, zero or uninitialised.
  Result<std::shared_ptr<std::byte>> allocate(size_t bytes) override;
  // Nothing more will be asked for: gives back what is left over and asks for large pages. Before anything is written.
  void finish();

 private:
  struct Piece;
  void end_piece();

  // Address space, no memory: pages count when they are written.
  static constexpr size_t kLeastBytes = size_t{4} << 20, kMostBytes = size_t{256} << 20;

  std::shared_ptr<Piece> piece_;  // shared: each weight in it keeps it
  size_t next_bytes_ = kLeastBytes;
};

}  // namespace hearth::runtime
