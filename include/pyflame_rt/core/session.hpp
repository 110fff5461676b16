// InferenceSession: a model, loaded, optimised and ready to run from any number of threads. C++17.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pyflame_rt/core/options.hpp"
#include "pyflame_rt/core/tensor.hpp"

namespace pyflame_rt {

// An input or output of a model.
struct PortInfo {
  std::string name;
  DataType dtype = DataType::Undefined;  // of a tensor's elements; Undefined for anything else
  Shape shape;                           // -1 where the model leaves the size open
  std::vector<std::string> symbols;      // per dimension its symbol, "" when it has none
  bool has_shape = false;                // false: not even the rank is known
  std::string type;                      // "tensor(float)", "seq(tensor(int64))" …: ONNX Runtime's spelling
};

struct OperationProfile {
  std::string name;  // the node's, or its operator when it has none
  std::string op_type;
  double duration_us = 0;
  double percentage = 0;  // of the sum over all operations
};
struct Profile {
  std::vector<OperationProfile> operations;  // in the order they ran
  double total_us = 0;                       // wall time of the run
};

struct PassInfo {
  std::string name;
  int64_t changes = 0;
  double time_us = 0;
  bool disabled = false;
};

// What a model says about itself.
struct ModelInfo {
  std::string producer_name, producer_version, domain, description;
  std::string graph_name, graph_description;
  int64_t version = 0;
  std::map<std::string, std::string> metadata;
};

struct MemoryInfo {
  size_t in_use = 0, kept = 0, peak = 0, limit = 0;  // bytes
};

using Feeds = std::vector<std::pair<std::string, Value>>;

class InferenceSession {
 public:
  // A file (.onnx or .pfm, told apart by its content) or the bytes of one. Throws Error.
  explicit InferenceSession(const std::string& path, const SessionOptions& options = {},
                            const CompileOptions& compile = {}, const std::vector<CustomOperator>& operators = {});
  InferenceSession(const void* data, size_t bytes, const SessionOptions& options = {},
                   const CompileOptions& compile = {}, const std::vector<CustomOperator>& operators = {});
  ~InferenceSession();
  InferenceSession(InferenceSession&&) noexcept;
  InferenceSession& operator=(InferenceSession&&) noexcept;

  const std::vector<PortInfo>& inputs() const;
  const std::vector<PortInfo>& overridable_initializers() const;
  const std::vector<PortInfo>& outputs() const;
  const std::map<std::string, std::string>& metadata() const;
  ModelInfo model_info() const;

  // `outputs`: names in the order wanted; empty: all. Thread-safe. After an Error the session is as before.
  std::vector<Value> run(const Feeds& feeds, const std::vector<std::string>& outputs = {},
                         const RunOptions& options = {});
  std::vector<Value> run_with_profiling(const Feeds& feeds, Profile& profile,
                                        const std::vector<std::string>& outputs = {}, const RunOptions& options = {});
  // Runs feeds of one sample each, stacked along the first dimension in groups of at most `max_batch_size`; results in
  // the order of the feeds. Every input's first dimension must be dynamic or the feeds' own. A timeout is for all of
  // them together.
  std::vector<std::vector<Value>> run_batch(const std::vector<Feeds>& feeds, size_t max_batch_size,
                                            const std::vector<std::string>& outputs = {},
                                            const RunOptions& options = {});

  MemoryInfo memory() const;
  void trim_memory();                    // free blocks go back to the system
  std::vector<PassInfo> passes() const;  // what the optimiser did; empty when from_cache()
  bool from_cache() const;               // the compiled model was found in CompileOptions::cache_dir
  std::string profile_json() const;      // a Chrome trace of the runs so far; needs enable_profiling
  std::string optimized_text(int64_t max_elements = 16) const;  // the graph as it runs, in ONNX's text form

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string version();
// Devices that this build and machine serve, best first: {"cpu"}.
std::vector<std::string> available_devices();

}  // namespace pyflame_rt
