// How many pages of keys and values a model gets.
#pragma once

#include "base/result.h"
#include "engine/engine.h"

namespace hearth::engine {

// Bytes that may be taken without pushing others out: the system's figure, or what a memory cgroup leaves if that is
// less.
Result<size_t> available_memory();

// By EngineOptions::kv_bytes, or by the rule stated there. Limit when not even one page fits.
Result<int64_t> kv_page_count(const EngineOptions& options, int64_t context_length, size_t page_bytes,
                              size_t available);

}  // namespace hearth::engine
