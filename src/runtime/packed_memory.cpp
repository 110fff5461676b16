#include "runtime/packed_memory.h"

#include <sys/mman.h>

#include <algorithm>

namespace hearth::runtime {

namespace {

constexpr size_t kAlignment = 64, kPage = 4096, kLargePage = size_t{2} << 20;

size_t up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

struct PackedMemory::Piece {
  std::byte* data = nullptr;
  size_t bytes = 0, used = 0;

  Piece() = default;
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  ~Piece() {
    if (bytes > 0) ::munmap(data, bytes);
  }
};

Result<std::shared_ptr<std::byte>> PackedMemory::allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return fail(ErrorKind::Limit, "[memory] the system has no {} bytes", bytes);
  bytes = up(std::max<size_t>(bytes, 1), kAlignment);
  if (piece_ == nullptr || bytes > piece_->bytes - piece_->used) {
    end_piece();
    const size_t wanted = up(std::max(next_bytes_, bytes), kLargePage);
    next_bytes_ = std::min(kMostBytes, 4 * next_bytes_);
    // A large page more, for a begin that large pages can have.
    void* data = ::mmap(nullptr, wanted + kLargePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return fail(ErrorKind::Limit, "[memory] the system has no {} bytes", wanted);
    auto* const begin = static_cast<std::byte*>(data);
    const size_t before = up(reinterpret_cast<uintptr_t>(data), kLargePage) - reinterpret_cast<uintptr_t>(data);
    if (before > 0) ::munmap(begin, before);
    if (before < kLargePage) ::munmap(begin + before + wanted, kLargePage - before);
    piece_ = std::make_shared<Piece>();
    piece_->data = begin + before;
    piece_->bytes = wanted;
  }
  std::shared_ptr<std::byte> made(piece_, piece_->data + piece_->used);
  piece_->used += bytes;
  return made;
}

void PackedMemory::end_piece() {
  if (piece_ == nullptr) return;
  Piece& piece = *piece_;
  const size_t kept = up(piece.used, kPage);
  if (kept < piece.bytes) {
    ::munmap(piece.data + kept, piece.bytes - kept);
    piece.bytes = kept;
  }
  // The last, begun page stays small: nobody needs the rest of a large one.
  if (const size_t large = kept / kLargePage * kLargePage; large > 0) ::madvise(piece.data, large, MADV_HUGEPAGE);
  piece_.reset();
}

void PackedMemory::finish() {
  end_piece();
}

}  // namespace hearth::runtime
