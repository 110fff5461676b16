// The names of one graph while it is read, within those of the graphs around it. Internal to read_graph.
#pragma once

#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "graph/graph.h"
#include "import/onnx/read_graph.h"
#include "tensor/checksum.h"

namespace hearth::import::onnx {

class Scope {
 public:
  // `outer` is null for the model's graph and for functions.
  Scope(graph::Graph& graph, Scope* outer, ModelReading& reading, bool in_function)
      : graph_(graph),
        outer_(outer),
        reading_(reading),
        in_function_(in_function),
        depth_(outer == nullptr ? 0 : outer->depth_ + 1),
        ids_(0, Hash{reading.hash_seed}) {}

  // A value of this graph. `name` must outlive the scope. Invalid when the name is empty or too long; kNoValue when it
  // is taken.
  Result<graph::ValueId> declare(std::string_view name);
  graph::ValueId find(std::string_view name) const;  // of this graph alone
  // The value that a name means here, captured from the graphs around when it is none of ours; kNoValue: nobody's.
  Result<graph::ValueId> resolve(std::string_view name);

  graph::Graph& graph() { return graph_; }
  ModelReading& reading() { return reading_; }
  bool in_function() const { return in_function_; }
  size_t depth() const { return depth_; }

 private:
  struct Hash {
    uint64_t seed;
    size_t operator()(std::string_view name) const { return checksum(name, seed); }
  };
  graph::Graph& graph_;
  Scope* outer_;
  ModelReading& reading_;
  bool in_function_;
  size_t depth_;
  std::unordered_map<std::string_view, graph::ValueId, Hash> ids_;
};

}  // namespace hearth::import::onnx
