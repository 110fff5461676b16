// Walks a model's graphs and asks each operator's function for the types of its outputs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "graph/graph.h"
#include "graph/infer/context.h"

namespace hearth::graph::infer {

// Nodes inferred, those of loop bodies each time: bounds what loops within loops can cost.
inline constexpr int64_t kMaxInferredNodes = int64_t{1} << 26;

// What is known of one graph's values while it is inferred. Types are kept in the graph itself.
struct GraphFacts {
  Graph* graph = nullptr;
  GraphFacts* outside = nullptr;  // the graph around
  int depth = 0;
  std::vector<std::optional<KnownValue>> known;
  std::vector<const Tensor*> constants;  // initializers and Constant nodes
  std::vector<bool> examined;            // constants that `known` has been filled from
  std::vector<bool> is_output;
};

class Engine {
 public:
  // `named`: see InferOptions; `taken` are the symbols that the model has.
  explicit Engine(const Model& model, std::set<std::string>* named = nullptr, std::set<std::string> taken = {})
      : model_(model), named_(named), taken_(std::move(taken)) {}

  // Fills the types of the graph's values; returns what is known beside. `inputs` hold what is known of the graph's
  // inputs, in their order; those of type Unknown add nothing.
  Result<std::unique_ptr<GraphFacts>> run(Graph& graph, GraphFacts* outside, std::span<const ValueFacts> inputs);
  static ValueFacts facts_of(GraphFacts& facts, ValueId id);

 private:
  Result<> infer_node(GraphFacts& facts, const Node& node);
  void name_open_sizes(const GraphFacts& facts, Type& type);
  void name_broadcast(const GraphFacts& facts, const Node& node, Type& type);

  const Model& model_;
  std::set<std::string>* named_;
  std::set<std::string> taken_;
  // Names given to sizes that are the smaller one of a symbol and a known size: that symbol. Positions are cut out of a
  // table in this way, and then added to what has as many rows as the symbol says.
  std::map<std::string, std::string> clipped_;
  int64_t next_name_ = 1;
  int64_t visited_ = 0;
};

}  // namespace hearth::graph::infer
