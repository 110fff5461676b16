// The one Wasmtime adapter: the engine that compiles, caches, links and runs components.
#pragma once

#include <hearth_wasm.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "inferlet/wasm/bind.h"

namespace hearth::inferlet {

struct WasmOptions {
  uint32_t worker_threads, max_instances, preempt_ms;
  uint64_t memory_bytes;
  std::filesystem::path code_cache;  // empty: none
};

struct FailureClear {
  hearth_wasm_failure value{};
  ~FailureClear() { hearth_wasm_failure_clear(&value); }
};
// The error that a failure stands for; texts of the guest's own run() stay as they are.
Error to_error(const hearth_wasm_failure& failure);

struct DeleteProgram {
  void operator()(hearth_wasm_program* program) const { hearth_wasm_program_delete(program); }
};
using WasmProgram = std::unique_ptr<hearth_wasm_program, DeleteProgram>;

// Thread-safe after create(). Every guest must have ended before it goes.
class WasmEngine {
 public:
  static Result<std::unique_ptr<WasmEngine>> create(const WasmOptions& options,
                                                    const std::function<void(Binder&)>& bind);
  ~WasmEngine();
  WasmEngine(const WasmEngine&) = delete;

  // Compiles, or takes the code from the cache, and links. `digest`: sha256 of `wasm` in hex.
  Result<WasmProgram> load(std::string_view wasm, const std::string& digest) const;
  hearth_wasm_engine* get() const { return engine_; }

 private:
  explicit WasmEngine(hearth_wasm_engine* engine, std::filesystem::path code_cache);
  hearth_wasm_engine* engine_;
  std::filesystem::path code_cache_;
  std::string key_;  // what precompiled code depends on beside the component
};

}  // namespace hearth::inferlet
