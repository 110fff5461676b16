#include "runtime/session_memory.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>

namespace hearth::runtime {

namespace {

constexpr size_t kAlignment = 64;

// Sizes are rounded up to an eighth of their power of two, so that a block serves the next run's slightly smaller
// tensor: the first classes are 64 to 512 bytes, eight follow for every doubling.
constexpr size_t kClasses = 8 + 8 * (62 - 9 + 1);
size_t class_of(size_t bytes) {
  if (bytes <= 8 * kAlignment) return bytes == 0 ? 0 : (bytes - 1) / kAlignment;
  const int doublings = std::bit_width(bytes - 1) - 10;  // 513 … 1024: 0
  return 8 + 8 * static_cast<size_t>(doublings) + (((bytes - 1) >> (doublings + 6)) & 7);
}
size_t class_bytes(size_t number) {
  if (number < 8) return (number + 1) * kAlignment;
  return (9 + (number - 8) % 8) << ((number - 8) / 8 + 6);
}
// A block may serve a request of up to this many classes less: a quarter of the size at most goes unused.
constexpr size_t kSlack = 2;

// Tensors of many sizes would leave a free block of each behind. Above so many bytes a session holds at most so many
// times what its tensors needed at one time; the largest free blocks go first.
constexpr size_t kFreely = size_t{4} << 20, kMostTimesInUse = 2;

// What stands in front of a block's bytes. The control block of the pointer that holds the bytes lies here as well, so
// that handing out a kept block takes nothing from the heap.
struct alignas(kAlignment) Block {
  SessionMemory::State* state;
  Block* next;  // of the free ones of its size
  uint64_t last_run;
  size_t number;  // of its class
  alignas(std::max_align_t) std::byte control[64];

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};

void give_to_system(Block* block) {
  ::operator delete(block, std::align_val_t{kAlignment});
}

}  // namespace

// Lives until the session's memory is gone and every block has come back.
struct SessionMemory::State {
  std::mutex mutex;
  MemoryStats stats;
  Block* free[kClasses] = {};
  uint64_t filled[(kClasses + 63) / 64] =
      {};  // a bit for each class that has had free blocks since it was last looked at
  uint64_t run = 0;
  size_t most_in_use = 0;
  size_t out = 0;  // blocks
  bool closed = false;

  void keep(Block* block) {
    stats.kept += class_bytes(block->number);
    block->last_run = run;
    block->next = free[block->number];
    free[block->number] = block;
    filled[block->number / 64] |= uint64_t{1} << block->number % 64;
  }
  void release_idle(uint64_t before) {
    for (size_t word = 0; word < std::size(filled); ++word)
      for (uint64_t bits = filled[word]; bits != 0; bits &= bits - 1) {
        const size_t number = word * 64 + static_cast<size_t>(std::countr_zero(bits));
        release_idle(number, before);
        if (free[number] == nullptr) filled[word] &= ~(bits & -bits);
      }
  }
  void release_idle(size_t number, uint64_t before) {
    for (Block** at = &free[number]; *at != nullptr;) {
      Block* const block = *at;
      if (block->last_run >= before) {
        at = &block->next;
        continue;
      }
      *at = block->next;
      stats.kept -= class_bytes(number);
      give_to_system(block);
    }
  }
  void release_all() { release_idle(~uint64_t{0}); }
  // Before `bytes` more are taken from the system.
  void make_room(size_t bytes) {
    const size_t wanted = stats.in_use + bytes,
                 most = std::max(kFreely, kMostTimesInUse * std::max(most_in_use, wanted));
    for (size_t number = kClasses; wanted + stats.kept > most && number-- > 0;)
      while (free[number] != nullptr && wanted + stats.kept > most) {
        Block* const block = free[number];
        free[number] = block->next;
        stats.kept -= class_bytes(number);
        give_to_system(block);
      }
  }
};

namespace {

// Puts the pointer's control block into the block, and the block back when that dies: nothing touches it afterwards.
template <class T>
struct BlockAllocator {
  using value_type = T;
  Block* block;

  explicit BlockAllocator(Block* of) : block(of) {}
  template <class Other>
  BlockAllocator(const BlockAllocator<Other>& other) : block(other.block) {}  // NOLINT: as allocators convert

  T* allocate(size_t count) {
    static_assert(sizeof(T) <= sizeof(Block::control) && alignof(T) <= alignof(std::max_align_t));
    CHECK(count == 1);
    return reinterpret_cast<T*>(block->control);
  }
  void deallocate(T*, size_t) { SessionMemory::take_back(block); }
  template <class Other>
  bool operator==(const BlockAllocator<Other>& other) const {
    return block == other.block;
  }
};

}  // namespace

void SessionMemory::take_back(void* returned) {
  auto* const block = static_cast<Block*>(returned);
  State* const state = block->state;
  bool last = false;
  {
    const std::scoped_lock lock(state->mutex);
    state->stats.in_use -= class_bytes(block->number);
    --state->out;
    if (state->closed) {
      give_to_system(block);
      last = state->out == 0;
    } else {
      state->keep(block);
    }
  }
  if (last) delete state;
}

SessionMemory::SessionMemory(size_t limit_bytes) : state_(new State) {
  state_->stats.limit = limit_bytes;
}

SessionMemory::~SessionMemory() {
  bool last = false;
  {
    const std::scoped_lock lock(state_->mutex);
    state_->closed = true;
    state_->release_all();
    last = state_->out == 0;
  }
  if (last) delete state_;
}

Result<std::shared_ptr<std::byte>> SessionMemory::allocate(size_t wanted) {
  if (wanted > (size_t{1} << 61)) return fail(ErrorKind::Limit, "[memory] bytes; got {}, need at most 2^61", wanted);
  const size_t number = class_of(wanted), bytes = class_bytes(number);
  State& state = *state_;
  Block* block = nullptr;
  {
    const std::scoped_lock lock(state.mutex);
    MemoryStats& stats = state.stats;
    for (size_t n = number; n <= number + kSlack && block == nullptr; ++n)
      if ((block = state.free[n]) != nullptr) {
        state.free[n] = block->next;
        stats.kept -= class_bytes(n);
        stats.in_use += class_bytes(n);
      }
    if (block == nullptr) {
      state.make_room(bytes);
      if (stats.limit != 0 && stats.in_use + stats.kept + bytes > stats.limit) state.release_all();
      if (stats.limit != 0 && stats.in_use + bytes > stats.limit)
        return fail(ErrorKind::Limit,
                    "[memory] memory_limit_mb; got {} bytes in use and {} more asked for, need at most {}",
                    stats.in_use, bytes, stats.limit);
      stats.in_use += bytes;
    }
    ++state.out;
    state.most_in_use = std::max(state.most_in_use, stats.in_use);
    stats.peak = std::max(stats.peak, stats.in_use + stats.kept);
  }
  if (block == nullptr) {
    void* const room = ::operator new(sizeof(Block) + bytes, std::align_val_t{kAlignment}, std::nothrow);
    if (room == nullptr) {
      const std::scoped_lock lock(state.mutex);
      state.stats.in_use -= bytes;
      --state.out;
      state.release_all();
      return fail(ErrorKind::Limit, "[memory] the system has no {} bytes", bytes);
    }
    block = new (room) Block{.state = state_, .next = nullptr, .last_run = 0, .number = number, .control = {}};
  }
  return std::shared_ptr<std::byte>(block->data(), [](std::byte*) {}, BlockAllocator<std::byte>(block));
}

MemoryStats SessionMemory::stats() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->stats;
}

void SessionMemory::end_run() {
  const std::scoped_lock lock(state_->mutex);
  state_->release_idle(state_->run);
  ++state_->run;
}

void SessionMemory::trim() {
  const std::scoped_lock lock(state_->mutex);
  state_->release_all();
}

}  // namespace hearth::runtime
