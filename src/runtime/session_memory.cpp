#include "runtime/session_memory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <new>

namespace hearth::runtime {

namespace {

constexpr size_t kAlignment = 64;

// Sizes are rounded up to an eighth of their power of two, so that a block serves the next run's slightly smaller
// tensor.
size_t rounded(size_t bytes) {
  size_t step = kAlignment;
  while (step * 8 < bytes) step *= 2;
  return std::max(kAlignment, (bytes + step - 1) / step * step);
}

struct Block {
  std::byte* data;
  uint64_t last_run;
};

}  // namespace

struct SessionMemory::State {
  std::mutex mutex;
  MemoryStats stats;
  std::multimap<size_t, Block> free;  // by size
  uint64_t run = 0;
  bool closed = false;

  void release(std::multimap<size_t, Block>::iterator at) {
    stats.kept -= at->first;
    ::operator delete(at->second.data, std::align_val_t{kAlignment});
    free.erase(at);
  }
  void release_all() {
    while (!free.empty()) release(free.begin());
  }
  void take_back(std::byte* data, size_t bytes) {
    const std::scoped_lock lock(mutex);
    stats.in_use -= bytes;
    if (closed) {
      ::operator delete(data, std::align_val_t{kAlignment});
      return;
    }
    stats.kept += bytes;
    free.emplace(bytes, Block{data, run});
  }
};

SessionMemory::SessionMemory(size_t limit_bytes) : state_(std::make_shared<State>()) {
  state_->stats.limit = limit_bytes;
}

SessionMemory::~SessionMemory() {
  const std::scoped_lock lock(state_->mutex);
  state_->closed = true;
  state_->release_all();
}

Result<std::shared_ptr<std::byte>> SessionMemory::allocate(size_t wanted) {
  if (wanted > (size_t{1} << 62)) return fail(ErrorKind::Limit, "[memory] bytes; got {}, need at most 2^62", wanted);
  const size_t bytes = rounded(wanted);
  State& state = *state_;
  std::byte* data = nullptr;
  size_t held = bytes;
  {
    const std::scoped_lock lock(state.mutex);
    const auto fit = state.free.lower_bound(bytes);
    if (fit != state.free.end() && fit->first <= bytes + bytes / 4) {
      held = fit->first;
      data = fit->second.data;
      state.free.erase(fit);
      state.stats.kept -= held;
    } else {
      MemoryStats& stats = state.stats;
      if (stats.limit != 0 && stats.in_use + stats.kept + bytes > stats.limit) state.release_all();
      if (stats.limit != 0 && stats.in_use + bytes > stats.limit)
        return fail(ErrorKind::Limit,
                    "[memory] memory_limit_mb; got {} bytes in use and {} more asked for, need at most {}",
                    stats.in_use, bytes, stats.limit);
    }
    state.stats.in_use += held;
    state.stats.peak = std::max(state.stats.peak, state.stats.in_use + state.stats.kept);
  }
  if (data == nullptr) {
    data = static_cast<std::byte*>(::operator new(bytes, std::align_val_t{kAlignment}, std::nothrow));
    if (data == nullptr) {
      const std::scoped_lock lock(state.mutex);
      state.stats.in_use -= bytes;
      state.release_all();
      return fail(ErrorKind::Limit, "[memory] the system has no {} bytes", bytes);
    }
  }
  return std::shared_ptr<std::byte>(data, [owner = state_, held](std::byte* p) { owner->take_back(p, held); });
}

MemoryStats SessionMemory::stats() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->stats;
}

void SessionMemory::end_run() {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  for (auto it = state.free.begin(); it != state.free.end();) {
    const auto next = std::next(it);
    if (it->second.last_run < state.run) state.release(it);
    it = next;
  }
  ++state.run;
}

void SessionMemory::trim() {
  const std::scoped_lock lock(state_->mutex);
  state_->release_all();
}

}  // namespace hearth::runtime
