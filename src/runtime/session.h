// InferenceSession inside: a model verified, shaped, optimised, compiled; then run any number of times from any number
// of threads.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <span>

#include "passes/pipeline.h"
#include "runtime/caller_memory.h"
#include "runtime/program.h"
#include "runtime/session_memory.h"
#include "runtime/shape_plan.h"

namespace hearth::runtime {

using passes::OptLevel;

// Of the factors in convolutions and matrix products; sums, inputs and outputs are float32.
enum class Precision : uint8_t { F32, BF16 };

class CompiledCache;

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
  // The first size of every input in input_shapes (of every input when that is empty) stays open.
  bool dynamic_batch = false;
  Precision precision = Precision::F32;      // BF16 needs level All with the pass pack_weights
  std::filesystem::path cache_dir;           // where compiled models are kept (compiled_cache.h); empty: nowhere
  uint64_t cache_bytes = uint64_t{4} << 30;  // of all compiled models in cache_dir; 0: no limit
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
  // The bytes of a model file; `owner` keeps them alive.
  static Result<std::unique_ptr<Session>> open(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                                               SessionOptions options = {});
  // Not with cache_dir: there is nothing to tell the model by.
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

  const graph::Model& model() const { return model_; }      // as it runs; see keep_weights
  const passes::Report& report() const { return report_; }  // without passes when the model came from the cache
  bool from_cache() const { return from_cache_; }
  const GraphProgram& program() const { return *program_; }
  MemoryStats memory() const { return caller_memory_ ? caller_memory_->stats() : memory_.stats(); }
  void trim_memory() { memory_.trim(); }
  size_t shape_plans() const { return plans_.count(); }  // at most kMostPlans

 private:
  Session(graph::Model model, SessionOptions options);
  template <class Read>
  static Result<std::unique_ptr<Session>> open_cached(const CompiledCache& cache, Read&& read, SessionOptions options);
  static Result<std::unique_ptr<Session>> make(graph::Model model, SessionOptions options, const CompiledCache* cache);
  Result<> check_options() const;
  bool knows(std::string_view domain, std::string_view op_type) const;
  Result<> prepare(const CompiledCache* cache);
  Result<> adopt();  // a model from the cache
  void open_batch();
  void find_ports();
  void store(const CompiledCache& cache) const;
  TensorMemory& tensor_memory();
  Result<std::vector<Value>> bind(std::span<const Feed> feeds) const;
  // `order`: indices of outputs; empty: all.
  Result<std::vector<Value>> run_once(std::span<const Feed> feeds, std::span<const size_t> order, RunContext context,
                                      bool by_shape, bool& crowded);

  SessionOptions options_;
  graph::Model model_;
  passes::Report report_;
  std::vector<Port> inputs_, overridable_, outputs_;
  std::vector<graph::Type> input_types_;  // in the order of the graph's inputs
  bool from_cache_ = false;
  std::unique_ptr<GraphProgram> program_;
  SessionMemory memory_;
  std::unique_ptr<CallerMemory> caller_memory_;  // nullptr: memory_
  ShapePlans plans_;
  ops::cpu::ThreadPool pool_;
  std::mutex pool_lock_;  // a run that finds the threads busy does without them
};

}  // namespace hearth::runtime
