// Memory that the caller of a session brings: its allocator under the session's budget and counters.
#pragma once

#include <functional>
#include <memory>

#include "runtime/session_memory.h"
#include "tensor/value.h"

namespace hearth::runtime {

// Thread-safe. Tensors may outlive it: their blocks go back to the allocator when they die.
class CallerMemory final : public TensorMemory {
 public:
  // At least `bytes` bytes from a multiple of 64 on; nullptr: there is no more. Called on any thread.
  using Allocator = std::function<Result<std::shared_ptr<std::byte>>(size_t bytes)>;

  CallerMemory(Allocator allocator, size_t limit_bytes);  // 0: no limit

  Result<std::shared_ptr<std::byte>> allocate(size_t bytes) override;
  MemoryStats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the blocks that are out
};

}  // namespace hearth::runtime
