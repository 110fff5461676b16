// What a session and a run are told. Plain data, read once. C++17.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pyflame_rt/core/tensor.hpp"

namespace pyflame_rt {

enum class OptLevel : int {
  None = 0,      // as the model says, node by node
  Basic = 1,     // constants folded, dead and common nodes removed
  Extended = 2,  // and operators fused
  All = 3,       // and layouts chosen over the whole graph
};

// Of the factors in convolutions and matrix products; sums, inputs and outputs are float32 always.
enum class Precision : int {
  Float32 = 0,
  BFloat16 = 1,  // faster where the processor multiplies them, less exact; needs OptLevel::All
};

// Where the tensors of a session's runs lie.
enum class MemoryPool : int {
  Default = 0,  // free blocks serve the next run; what a run did not need goes back to the system when it ends
  Arena = 1,    // free blocks stay until trim_memory() or the session closes
  Custom = 2,   // every block comes from `allocator`, and goes back to it when the last tensor in it dies
};

// At least `bytes` bytes from a multiple of 64 on; null: there is no more, and the run ends with Limit. Called on the
// threads of the runs, several at a time. May throw: the message becomes the run's error.
using Allocator = std::function<std::shared_ptr<void>(size_t bytes)>;

struct SessionOptions {
  // "cpu", or "wse", "wse2", "wse3", "cuda:N": a device that this build or machine lacks is Unsupported, unless
  // `fallback` names one that serves.
  std::string device = "cpu";
  std::vector<std::string> fallback;
  int num_threads = 0;  // 0: one per core that this process may use
  OptLevel optimization_level = OptLevel::All;
  std::vector<std::string> disabled_passes;  // by name: `flame explain` lists them
  bool enable_profiling = false;             // every run is recorded; InferenceSession::profile_json()
  int64_t memory_limit_mb = 0;               // tensors of all runs at one time; 0: no limit
  bool enable_memory_reuse = true;           // keep blocks between runs instead of giving them back after each
  Precision precision = Precision::Float32;
  MemoryPool memory_pool = MemoryPool::Default;
  Allocator allocator;  // with MemoryPool::Custom only
};

// Fixes what the model leaves open, before anything is optimised.
struct CompileOptions {
  std::map<std::string, Shape> input_shapes;  // -1: stays dynamic
  // The first size of every input in input_shapes (of every input when that is empty) stays open.
  bool dynamic_batch = false;
  // Folder where the compiled model is kept: the next session of the same model, options, build and processor maps it
  // instead of compiling. "": none. A file there that is broken or of another build is made again.
  std::string cache_dir;
  // Of all compiled models in cache_dir together; 0: no limit. When a new one makes them more, those that were not used
  // for longest are removed.
  int64_t cache_limit_mb = 4096;
};

// Stops a run from another thread. Copies are the same token.
class CancelToken {
 public:
  void cancel() { flag_->store(true); }
  bool cancelled() const { return flag_->load(); }
  const std::atomic<bool>* flag() const { return flag_.get(); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

struct RunOptions {
  std::optional<CancelToken> cancel;                 // looked at between nodes and in loops
  std::optional<std::chrono::milliseconds> timeout;  // from the call on; past it the run ends with Limit
};

// An operator of the caller's: inputs in, outputs out. Runs on the thread of the run, several at a time when several
// threads run the session. May throw: the message becomes the run's error.
struct CustomOperator {
  std::string domain;  // as the model's nodes name it
  std::string op_type;
  std::function<std::vector<Value>(
      const std::vector<Value>& inputs,
      const std::map<std::string, std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                                               std::vector<std::string>, Tensor>>& attributes)>
      run;
};

}  // namespace pyflame_rt
