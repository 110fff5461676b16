// The memory of one run: it records the first run over new shapes, and serves the others from the arena of their plan.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/shape_plan.h"
#include "tensor/value.h"

namespace hearth::runtime {

// A request is met from the arena when it is what the plan expects and nobody holds a byte of its slice; else from
// `base`, block by block. A plan that guessed wrong so costs time, never a tensor. Blocks may outlive it: an arena goes
// back when its last block is dead. allocate() may be called on any thread, the rest on the run's.
class ShapeRun final : public TensorMemory {
 public:
  // Records. `base` outlives it.
  ShapeRun(TensorMemory& base, size_t steps);
  // Takes the arena of `plan` from `base`; when there is none, or `base` refuses it, all comes block by block.
  ShapeRun(TensorMemory& base, std::shared_ptr<ShapePlan> plan);
  // Block by block.
  explicit ShapeRun(TensorMemory& base) : base_(base) {}
  ~ShapeRun() override;
  ShapeRun(const ShapeRun&) = delete;
  ShapeRun& operator=(const ShapeRun&) = delete;

  Result<std::shared_ptr<std::byte>> allocate(size_t bytes) override;
  // Before each step of the main graph, in order.
  void begin_step(size_t step);

  // The bytes of its blocks; empty: none was taken.
  std::span<const std::byte> arena() const;
  // `base` refused a block while the arena was out: without it there may be room.
  bool crowded() const { return crowded_.load(std::memory_order_relaxed); }
  // Of a run that recorded, while its results are alive and all its other values dead.
  RunRecord take_record();
  // Tells the plan where it was wrong. `complete`: every step was done.
  void correct_plan(bool complete);

 private:
  struct Recorder;
  struct Arena;
  template <class T>
  struct SliceAllocator;

  Result<std::shared_ptr<std::byte>> record(size_t bytes);
  std::shared_ptr<std::byte> place(uint32_t request, size_t bytes);
  void end_step();

  TensorMemory& base_;
  std::shared_ptr<Recorder> recorder_;        // shared with the blocks that are out
  std::shared_ptr<ShapePlan> plan_;           // shared with the session
  Arena* arena_ = nullptr;                    // its handles and this run free it together
  std::atomic<uint32_t> next_ = 0, end_ = 0;  // requests of the step at hand
  std::atomic<bool> crowded_ = false;
  std::mutex mutex_;
  std::vector<uint32_t> wrong_;  // requests that the plan did not foresee
};

}  // namespace hearth::runtime
