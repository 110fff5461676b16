// InferenceSession inside: a model verified, shaped, optimised, compiled; then run any number of times from any number
// of threads.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "passes/pipeline.h"
#include "runtime/caller_memory.h"
#include "runtime/program.h"
#include "runtime/session_memory.h"

namespace hearth::runtime {

using passes::OptLevel;

struct SessionOptions {
  OptLevel level = OptLevel::All;
  std::vector<std::string> disabled_passes;
  int threads = 0;                    // 0: one per core this process may use
  size_t memory_limit = 0;            // bytes of tensors at one time; 0: none
  bool keep_memory = true;            // free blocks stay for the next run
  bool shrink_memory = true;          // but those that a run did not need go when it ends
  CallerMemory::Allocator allocator;  // instead of the session's own memory; empty: none
  // Weights that kernels hold in a form of their own stay in model() as well: for writing the model to a file.
  bool keep_weights = false;
  CustomOperators custom;
  std::map<std::string, graph::Shape> input_shapes;  // sizes fixed at creation
};

struct RunOptions {
  const std::atomic<bool>* cancelled = nullptr;  // looked at between nodes and in loops
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::vector<OpTiming>* timings = nullptr;
  trace::Trace* trace = nullptr;
};

struct Feed {
  std::string name;
  Value value;
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> open(const std::filesystem::path& path, SessionOptions options = {});
  static Result<std::unique_ptr<Session>> open(graph::Model model, SessionOptions options = {});

  struct Port {
    std::string name;
    graph::Type type;
  };
  const std::vector<Port>& inputs() const { return inputs_; }            // those a caller must give
  const std::vector<Port>& overridable() const { return overridable_; }  // initializers that a caller may replace
  const std::vector<Port>& outputs() const { return outputs_; }

  // `outputs`: names, in the order wanted; empty: all. Thread-safe. After any error the session is as before.
  Result<std::vector<Value>> run(std::span<const Feed> feeds, std::span<const std::string> outputs = {},
                                 const RunOptions& options = {});

  const graph::Model& model() const { return model_; }  // as it runs; see keep_weights
  const passes::Report& report() const { return report_; }
  const GraphProgram& program() const { return *program_; }
  MemoryStats memory() const { return caller_memory_ ? caller_memory_->stats() : memory_.stats(); }
  void trim_memory() { memory_.trim(); }

 private:
  Session(graph::Model model, SessionOptions options);
  TensorMemory& tensor_memory();
  Result<> prepare();
  Result<std::vector<Value>> bind(std::span<const Feed> feeds) const;

  SessionOptions options_;
  graph::Model model_;
  passes::Report report_;
  std::vector<Port> inputs_, overridable_, outputs_;
  std::unique_ptr<GraphProgram> program_;
  SessionMemory memory_;
  std::unique_ptr<CallerMemory> caller_memory_;  // nullptr: memory_
  ops::cpu::ThreadPool pool_;
  std::mutex pool_lock_;  // a run that finds the threads busy does without them
};

}  // namespace hearth::runtime
