// What runs over inputs of the same shapes ask of memory. The first such run is served block by block and records what
// it asks for and how long each block lives; of the record comes the layout of one arena, which the runs after it take
// whole (shape_run.h). A session keeps a few plans: changing shapes never grow its memory.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "runtime/arena_layout.h"
#include "tensor/value.h"

namespace hearth::runtime {

inline constexpr size_t kMostPlans = 8;        // of a session; the one that lay idle the longest goes
inline constexpr size_t kMostRequests = 2048;  // of a plan; what a run asks for after them comes block by block

// Element types and sizes of the graph's inputs, and whether the run has threads: kernels ask for scratch by their
// number.
using ShapeKey = std::vector<int64_t>;
ShapeKey shape_key(std::span<const Value> inputs, bool threads);

// Where the blocks of a run lie in its arena. Immutable.
struct ArenaPlan {
  static constexpr size_t kNoSlice = ~size_t{0};
  struct Slice {
    size_t bytes = kNoSlice;  // as asked for; kNoSlice: comes block by block
    size_t offset = 0;
    // What it covers of the pieces that the bounds of all slices cut the arena into.
    uint32_t first_piece = 0, end_piece = 0;
    uint32_t number = 0;  // among the slices
  };
  std::vector<Slice> requests;  // in the order of a run
  uint32_t slices = 0, pieces = 0;
  size_t bytes = 0;  // of all slices
};

struct RunRecord {
  static constexpr uint32_t kLeft = ~uint32_t{0};  // as the end of a life: it is the run's result
  std::vector<BlockLife> requests;                 // times are indices into it
  std::vector<uint32_t> first;                     // by step of the main graph: its first request
};

// Thread-safe.
class ShapePlan {
 public:
  ShapePlan(ShapeKey key, RunRecord record) : key_(std::move(key)), record_(std::move(record)) {}

  const ShapeKey& key() const { return key_; }
  // The step's requests: [first, second) of ArenaPlan::requests.
  std::pair<uint32_t, uint32_t> requests_of(size_t step) const;
  // nullptr: nothing would lie in it, or it was dropped. shared: a run holds it while another changes the plan.
  std::shared_ptr<const ArenaPlan> arena();
  // These requests were others in a later run (sizes that depend on data): from now on they come block by block.
  void exclude(std::span<const uint32_t> requests);
  // Beside an arena the memory limit leaves no room for what comes block by block.
  void drop_arena();
  // True once: blocks kept from the run that recorded are of no use any more.
  bool first_use() { return !used_.exchange(true, std::memory_order_relaxed); }

 private:
  const ShapeKey key_;
  const RunRecord record_;
  std::atomic<bool> used_ = false;
  std::mutex mutex_;  // of what follows
  std::vector<bool> excluded_;
  std::shared_ptr<const ArenaPlan> arena_;
  bool laid_out_ = false;
};

// The plans of a session. Thread-safe.
class ShapePlans {
 public:
  // nullptr: none yet. shared: a run uses a plan that another may push out.
  std::shared_ptr<ShapePlan> find(const ShapeKey& key);
  void keep(std::shared_ptr<ShapePlan> plan);
  size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ShapePlan>> plans_;  // used last: first
};

}  // namespace hearth::runtime
