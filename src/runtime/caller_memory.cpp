#include "runtime/caller_memory.h"

#include <algorithm>
#include <mutex>

namespace hearth::runtime {

namespace {

constexpr size_t kAlignment = 64;

}  // namespace

struct CallerMemory::State {
  Allocator allocator;
  std::mutex mutex;  // never held while the caller's code runs
  MemoryStats stats;

  void give_back(size_t bytes) {
    const std::scoped_lock lock(mutex);
    stats.in_use -= bytes;
  }
};

CallerMemory::CallerMemory(Allocator allocator, size_t limit_bytes) : state_(std::make_shared<State>()) {
  state_->allocator = std::move(allocator);
  state_->stats.limit = limit_bytes;
}

Result<std::shared_ptr<std::byte>> CallerMemory::allocate(size_t wanted) {
  const size_t bytes = std::max(wanted, kAlignment);
  State& state = *state_;
  {
    const std::scoped_lock lock(state.mutex);
    MemoryStats& stats = state.stats;
    if (stats.limit != 0 && (bytes > stats.limit || stats.in_use > stats.limit - bytes))
      return fail(ErrorKind::Limit,
                  "[memory] memory_limit_mb; got {} bytes in use and {} more asked for, need at most {}", stats.in_use,
                  bytes, stats.limit);
    stats.in_use += bytes;
    stats.peak = std::max(stats.peak, stats.in_use);
  }
  auto block = state.allocator(bytes);
  if (!block || *block == nullptr) {
    state.give_back(bytes);
    if (!block) return std::unexpected(std::move(block).error());
    return fail(ErrorKind::Limit, "[memory] the allocator has no {} bytes", bytes);
  }
  std::byte* const data = block->get();
  if (reinterpret_cast<uintptr_t>(data) % kAlignment != 0) {
    state.give_back(bytes);
    return fail(ErrorKind::Usage, "[memory] the allocator's block; got address {}, need a multiple of {}",
                static_cast<const void*>(data), kAlignment);
  }
  return std::shared_ptr<std::byte>(data, [owner = state_, held = std::move(*block), bytes](std::byte*) mutable {
    held.reset();
    owner->give_back(bytes);
  });
}

MemoryStats CallerMemory::stats() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->stats;
}

}  // namespace hearth::runtime
