// The memory of a session: a budget, and blocks kept for the next run. Runs over the same shapes ask for the same arena
// and results (shape_run.h), so that soon no memory is taken from the system. What a run did not need is given back
// when it ends: memory follows the shapes now in use and does not grow with every new one.
#pragma once

#include <memory>

#include "tensor/value.h"

namespace hearth::runtime {

struct MemoryStats {
  size_t in_use = 0;  // bytes held by tensors, outputs that the caller still holds included
  size_t kept = 0;    // bytes of free blocks
  size_t peak = 0;    // most that in_use + kept ever was
  size_t limit = 0;   // 0: none
};

// Thread-safe. Tensors may outlive it: their blocks go back to the system when they die.
class SessionMemory final : public TensorMemory {
 public:
  explicit SessionMemory(size_t limit_bytes);  // 0: no limit
  ~SessionMemory() override;
  SessionMemory(const SessionMemory&) = delete;
  SessionMemory& operator=(const SessionMemory&) = delete;

  Result<std::shared_ptr<std::byte>> allocate(size_t bytes) override;
  MemoryStats stats() const;
  // Frees kept blocks that lay idle since the last call: between runs.
  void end_run();
  void trim();  // frees every kept block

  struct State;
  static void take_back(void* block);  // of allocate()'s pointers

 private:
  State* state_;  // ours and that of the blocks that are out: the last one deletes it
};

}  // namespace hearth::runtime
