// A forward request on its way through the engine.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/context.h"
#include "engine/engine.h"

namespace hearth::engine {

struct Pass {
  RequestId id = 0;
  ForwardRequest request;
  ForwardDone done;
  Context* context = nullptr;         // outlives the pass
  std::vector<uint32_t> slot_order;   // of request.slots, by token index; equal ones as they came
  std::vector<bool> own_mask;         // per token: has a mask other than the default; empty: none has
  uint64_t masked_from = UINT64_MAX;  // first index in the context of a token with a mask of its own, here or before
  uint32_t skippable = 0;             // leading tokens that nobody wants logits of and whose masks are the default
  uint32_t matched = 0;               // leading tokens whose pages came from the prefix tree
  uint32_t computed = 0;              // leading tokens whose keys and values are there, matched ones included
  size_t next_slot = 0;               // into slot_order: the first whose token is not computed
  std::vector<SlotOutput> outputs;    // by slot
  uint64_t seed = 0;                  // fresh seeds of draws come from it
  int64_t waiting_since_ms = 0;
  bool in_step = false;  // the engine thread computes with it, without the lock
  bool running = false;  // was part of a step and goes on
  bool cancelled = false;

  uint32_t token_count() const { return static_cast<uint32_t>(request.tokens.size()); }
  uint32_t remaining() const { return token_count() - computed; }
};

}  // namespace hearth::engine
