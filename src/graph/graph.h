// The graph: what a model means. Values are numbered, every value has one producer, nodes stand in topological order
// (verify.h holds a graph against these rules). Plain data; one thread at a time changes it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "graph/type.h"
#include "tensor/value.h"

namespace hearth::graph {

struct Graph;

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an absent optional input or output

struct SparseTensor {
  Tensor values, indices;
  Dims dims;
};

// One attribute of a node. Subgraphs are owned.
struct Attribute {
  using Data = std::variant<int64_t, float, std::string, Tensor, SparseTensor, Type, std::unique_ptr<Graph>,
                            std::vector<int64_t>, std::vector<float>, std::vector<std::string>, std::vector<Tensor>,
                            std::vector<Type>, std::vector<std::unique_ptr<Graph>>>;
  std::string name;
  Data data;
  // Inside a function body: the attribute of the calling node that stands here ("" outside of functions).
  std::string reference;

  Attribute clone() const;  // owned graphs are copied
};

struct Node {
  std::string name;    // may be empty; not unique in the wild
  std::string domain;  // "" is ai.onnx
  std::string op_type;
  std::string overload;
  std::vector<ValueId> inputs, outputs;  // kNoValue where an optional one is left out
  std::vector<Attribute> attributes;

  const Attribute* find(std::string_view attribute) const;
  Attribute* find(std::string_view attribute);
  bool has(std::string_view attribute) const { return find(attribute) != nullptr; }
  // The attribute, or the default when it is absent. An attribute of another type counts as absent: verify() has
  // refused it before anybody asks.
  int64_t int_or(std::string_view attribute, int64_t otherwise) const;
  float float_or(std::string_view attribute, float otherwise) const;
  std::string_view string_or(std::string_view attribute, std::string_view otherwise) const;
  std::span<const int64_t> ints(std::string_view attribute) const;  // empty when absent
  std::span<const float> floats(std::string_view attribute) const;
  std::span<const std::string> strings(std::string_view attribute) const;
  const Tensor* tensor(std::string_view attribute) const;  // nullptr when absent
  const Graph* graph(std::string_view attribute) const;
  void set(std::string_view attribute, Attribute::Data data);  // adds or replaces
  Node clone() const;
};

struct ValueInfo {
  std::string name;  // unique within its graph; never empty
  Type type;
  Tensor constant;  // an initializer (or folded): then it has no producer
  std::optional<SparseTensor> sparse_constant;
  // In a subgraph: the value of the enclosing graph that this one stands for (kNoValue: its own). A value of a graph
  // two levels up is captured by the graph between as well.
  ValueId captured = kNoValue;
};

struct Graph {
  std::string name, doc;
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;      // topological order
  std::vector<ValueId> inputs;  // an input with a constant is an initializer that a caller may override
  std::vector<ValueId> outputs;

  ValueId add_value(std::string name, Type type = {});  // makes the name unique by a suffix when it is taken: O(values)
  const ValueInfo& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  ValueInfo& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  ValueId find_value(std::string_view name) const;  // kNoValue when there is none; O(values)
  Graph clone() const;                              // constants are shared, everything else is copied
};

// A function of the model itself; its body refers to attributes of the call by Attribute::reference.
struct Function {
  std::string domain, name, overload;
  std::vector<std::string> attributes;  // names without default
  std::vector<Attribute> defaults;
  std::map<std::string, int64_t> opsets;
  Graph body;  // inputs and outputs in order
};

struct Model {
  int64_t ir_version = 0;
  std::string producer_name, producer_version, domain, doc;
  int64_t model_version = 0;
  std::map<std::string, int64_t> opsets;  // domain ("" for ai.onnx) → version
  std::map<std::string, std::string> metadata;
  std::vector<Function> functions;
  Graph graph;
  std::vector<std::shared_ptr<const void>> backing;  // keeps mapped files alive that constants borrow from
  std::vector<std::string> external_files;           // paths of files beside the model's that constants come from

  // Version of the opset that a node of this domain is read by; 0 when the model does not import it.
  int64_t opset(std::string_view domain) const;
  Model clone() const;
};

// Who makes and who reads each value of one graph (subgraphs read through captures). Indices into graph.nodes.
struct Uses {
  static constexpr int32_t kNone = -1;
  std::vector<int32_t> producer;  // kNone: input, constant, captured
  std::vector<std::vector<int32_t>>
      consumers;  // nodes, each once, ascending; a node whose subgraph captures the value counts
  std::vector<bool> is_output;
};
Uses find_uses(const Graph& graph);

}  // namespace hearth::graph
