// Runs guests: WebAssembly components that import the guest contract of wit/ and export `run`.
// One Runtime per process and engine. Guests run on fibers over a few worker threads; whatever waits costs no thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "llm/chat_template.h"

namespace hearth::inferlet {

struct RuntimeOptions {
  int worker_threads = 2;
  uint32_t max_instances = 1000;                // of the pool; one more launch waits for a place
  uint64_t memory_bytes = uint64_t{256} << 20;  // of one guest's linear memories; growing past it traps
  uint64_t time_ms = 0;                         // wall time of one guest; 0: none
  uint32_t preempt_ms = 1;                      // a guest that computes yields to others after this long
  std::filesystem::path code_cache;  // precompiled code, by content hash, engine settings and version; empty: none
  std::function<Result<std::filesystem::path>(std::string_view name)> resolve_program;  // for runtime.launch
};

struct ModelServices {  // what pie:instruct needs beside the engine, by ModelId
  std::shared_ptr<const llm::ChatTemplate> chat;
};

// A compiled component, ready to instantiate. Shared by its processes; thread-safe.
class Program {
 public:
  virtual ~Program() = default;
  virtual std::string_view name() const = 0;  // package name from its export `pie:<name>/run`
};

// Where a process's words go. Called on worker threads, one call at a time per process; must not block for long.
struct ProcessEvents {
  std::function<void(std::string_view)> on_stdout, on_stderr;
  std::function<void(std::string_view)> on_message;  // session.send
  std::function<void(std::string)> on_file;          // session.send-file
  std::function<void(Result<std::string>)> on_exit;  // last, exactly once: the value of run, or why not
};

class Process {
 public:
  virtual ~Process() = default;  // dropping the handle detaches: the guest goes on
  virtual const std::string& id() const = 0;
  virtual void send(std::string message) = 0;  // for session.receive
  virtual void send_file(std::string bytes) = 0;
  // The client has no more to say: what was sent is still received, then receive() is ready with nothing.
  virtual void close_input() = 0;
  virtual void cancel() = 0;  // idempotent; on_exit gets Cancelled
};

class Runtime {
 public:
  static Result<std::unique_ptr<Runtime>> create(RuntimeOptions options, engine::Engine& engine,
                                                 std::vector<ModelServices> models);
  virtual ~Runtime() = default;  // cancels all processes and waits for their on_exit

  // Not a component, no `run`, an unknown import: each one clear error that names it.
  virtual Result<std::shared_ptr<Program>> load(const std::filesystem::path& wasm) = 0;
  // `input` is the JSON text that run() receives; `arguments` what wasi:cli/environment shows (POSIX form of the same).
  virtual Result<std::unique_ptr<Process>> launch(std::shared_ptr<Program> program, std::string input,
                                                  std::vector<std::string> arguments, std::string user,
                                                  ProcessEvents events) = 0;
};

}  // namespace hearth::inferlet
