#include "runtime/shape_run.h"

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace hearth::runtime {

namespace {

// Free parts of an arena are as forbidden as freed memory.
void forbid(const std::byte* data, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(data, bytes);
#else
  static_cast<void>(data), static_cast<void>(bytes);
#endif
}
void allow(const std::byte* data, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(data, bytes);
#else
  static_cast<void>(data), static_cast<void>(bytes);
#endif
}

}  // namespace

// What a first run asked for. Handles outlive the run, hence the lock and the end of it all in `done`.
struct ShapeRun::Recorder {
  std::mutex mutex;
  bool done = false;
  RunRecord record;

  void died(uint32_t request) {
    const std::scoped_lock lock(mutex);
    if (!done) record.requests[request].end = static_cast<uint32_t>(record.requests.size());
  }
};

// In front of an arena's bytes: this, a bit for each piece that a block lies on, the control blocks of the handles.
struct ShapeRun::Arena {
  using Word = std::atomic<uint64_t>;
  static constexpr size_t kControl = 64;  // bytes of a handle's control block

  std::shared_ptr<std::byte> memory;      // of this as well
  std::shared_ptr<const ArenaPlan> plan;  // shared: handles outlive the run
  std::atomic<uint32_t> holders = 1;      // the run, and each handle
  std::byte* controls = nullptr;
  std::byte* data = nullptr;

  static size_t words_of(const ArenaPlan& plan) { return (plan.pieces + 63) / 64; }
  static size_t head_bytes(const ArenaPlan& plan) {
    return arena_bytes(sizeof(Arena)) + arena_bytes(words_of(plan) * sizeof(Word)) + plan.slices * kControl;
  }
  Word* words() { return reinterpret_cast<Word*>(reinterpret_cast<std::byte*>(this) + arena_bytes(sizeof(Arena))); }

  static Arena* make(TensorMemory& base, std::shared_ptr<const ArenaPlan> plan) {
    const size_t head = head_bytes(*plan);
    auto memory = base.allocate(head + plan->bytes);
    if (!memory) return nullptr;
    auto* const arena = new (memory->get()) Arena;
    arena->data = memory->get() + head;
    arena->controls = arena->data - plan->slices * kControl;
    const size_t words = words_of(*plan);
    for (size_t i = 0; i < words; ++i) new (arena->words() + i) Word(0);
    forbid(arena->data, plan->bytes);
    arena->plan = std::move(plan);
    arena->memory = std::move(*memory);
    return arena;
  }

  // The bits of pieces [first, end) that lie in the word.
  static uint64_t mask(size_t word, uint32_t first, uint32_t end) {
    uint64_t bits = ~uint64_t{0};
    if (first > word * 64) bits &= ~uint64_t{0} << (first - word * 64);
    if (end < word * 64 + 64) bits &= ~uint64_t{0} >> (word * 64 + 64 - end);
    return bits;
  }

  // False, and nothing is changed, when somebody holds one of the slice's pieces.
  bool occupy(const ArenaPlan::Slice& slice) {
    const size_t first = slice.first_piece / 64, last = (slice.end_piece - 1) / 64;
    for (size_t i = first; i <= last; ++i) {
      const uint64_t bits = mask(i, slice.first_piece, slice.end_piece);
      const uint64_t before = words()[i].fetch_or(bits, std::memory_order_acquire);
      if ((before & bits) == 0) continue;
      words()[i].fetch_and(~(bits & ~before), std::memory_order_release);
      for (size_t j = first; j < i; ++j)
        words()[j].fetch_and(~mask(j, slice.first_piece, slice.end_piece), std::memory_order_release);
      return false;
    }
    holders.fetch_add(1, std::memory_order_relaxed);
    allow(data + slice.offset, arena_bytes(slice.bytes));
    return true;
  }
  void leave(const ArenaPlan::Slice& slice) {
    forbid(data + slice.offset, arena_bytes(slice.bytes));
    const size_t first = slice.first_piece / 64, last = (slice.end_piece - 1) / 64;
    for (size_t i = first; i <= last; ++i)
      words()[i].fetch_and(~mask(i, slice.first_piece, slice.end_piece), std::memory_order_release);
    let_go();
  }
  void let_go() {
    if (holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    allow(data, plan->bytes);
    const auto last = std::move(memory);  // what follows lies in it
    this->~Arena();
  }
};

// Puts a handle's control block into the arena, and frees the slice when that dies: nothing touches it afterwards.
template <class T>
struct ShapeRun::SliceAllocator {
  using value_type = T;
  Arena* arena;
  const ArenaPlan::Slice* slice;

  SliceAllocator(Arena* of, const ArenaPlan::Slice* at) : arena(of), slice(at) {}
  template <class Other>
  SliceAllocator(const SliceAllocator<Other>& other) : arena(other.arena), slice(other.slice) {}  // NOLINT: converts

  T* allocate(size_t count) {
    static_assert(sizeof(T) <= Arena::kControl && alignof(T) <= Arena::kControl);
    CHECK(count == 1);
    return reinterpret_cast<T*>(arena->controls + slice->number * Arena::kControl);
  }
  void deallocate(T*, size_t) { arena->leave(*slice); }
  template <class Other>
  bool operator==(const SliceAllocator<Other>& other) const {
    return slice == other.slice;
  }
};

ShapeRun::ShapeRun(TensorMemory& base, size_t steps) : base_(base), recorder_(std::make_shared<Recorder>()) {
  recorder_->record.first.reserve(steps);
}

ShapeRun::ShapeRun(TensorMemory& base, std::shared_ptr<ShapePlan> plan) : base_(base), plan_(std::move(plan)) {
  if (auto arena = plan_->arena()) arena_ = Arena::make(base_, std::move(arena));
}

ShapeRun::~ShapeRun() {
  if (arena_ != nullptr) arena_->let_go();
}

Result<std::shared_ptr<std::byte>> ShapeRun::allocate(size_t bytes) {
  if (recorder_ != nullptr) return record(bytes);
  if (arena_ == nullptr) return base_.allocate(bytes);
  // Two threads that read the same number both ask for the same slice, and one gets it.
  const uint32_t request = next_.load(std::memory_order_relaxed);
  if (request < end_.load(std::memory_order_relaxed)) {
    next_.store(request + 1, std::memory_order_relaxed);
    if (auto placed = place(request, bytes)) return placed;
  }
  auto made = base_.allocate(bytes);
  if (!made) crowded_.store(true, std::memory_order_relaxed);
  return made;
}

std::shared_ptr<std::byte> ShapeRun::place(uint32_t request, size_t bytes) {
  const ArenaPlan::Slice& slice = arena_->plan->requests[request];
  if (slice.bytes == ArenaPlan::kNoSlice) return nullptr;
  if (slice.bytes == bytes && arena_->occupy(slice))
    return std::shared_ptr<std::byte>(
        arena_->data + slice.offset, [](std::byte*) {}, SliceAllocator<std::byte>(arena_, &slice));
  const std::scoped_lock lock(mutex_);
  wrong_.push_back(request);
  return nullptr;
}

Result<std::shared_ptr<std::byte>> ShapeRun::record(size_t bytes) {
  ASSIGN_OR_RETURN(auto block, base_.allocate(bytes));
  uint32_t request = 0;
  {
    const std::scoped_lock lock(recorder_->mutex);
    auto& requests = recorder_->record.requests;
    if (requests.size() == kMostRequests) return block;
    request = static_cast<uint32_t>(requests.size());
    requests.push_back({.bytes = bytes, .begin = request, .end = RunRecord::kLeft});
  }
  std::byte* const data = block.get();
  return std::shared_ptr<std::byte>(data,
                                    [recorder = recorder_, block = std::move(block), request](std::byte*) mutable {
                                      block.reset();
                                      recorder->died(request);
                                    });
}

void ShapeRun::begin_step(size_t step) {
  if (recorder_ != nullptr) {
    const std::scoped_lock lock(recorder_->mutex);
    recorder_->record.first.push_back(static_cast<uint32_t>(recorder_->record.requests.size()));
  } else if (arena_ != nullptr) {
    end_step();
    const auto [first, end] = plan_->requests_of(step);
    next_.store(first, std::memory_order_relaxed);
    end_.store(end, std::memory_order_relaxed);
  }
}

std::span<const std::byte> ShapeRun::arena() const {
  if (arena_ == nullptr) return {};
  return {arena_->data, arena_->plan->bytes};
}

RunRecord ShapeRun::take_record() {
  CHECK(recorder_ != nullptr);
  const std::scoped_lock lock(recorder_->mutex);
  recorder_->done = true;
  return std::move(recorder_->record);
}

// What the step did not ask for need not lie in the arena.
void ShapeRun::end_step() {
  const uint32_t end = end_.load(std::memory_order_relaxed);
  for (uint32_t request = next_.load(std::memory_order_relaxed); request < end; ++request)
    if (arena_->plan->requests[request].bytes != ArenaPlan::kNoSlice) {
      const std::scoped_lock lock(mutex_);
      wrong_.push_back(request);
    }
}

void ShapeRun::correct_plan(bool complete) {
  if (arena_ == nullptr) return;
  if (complete) end_step();
  const std::scoped_lock lock(mutex_);
  plan_->exclude(wrong_);
}

}  // namespace hearth::runtime
