// A graph while a pass looks for patterns in it and replaces them: who makes and who reads a value stays right through
// every replacement. Patterns are matched from their last node backwards; only float32 counts.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"
#include "passes/pipeline.h"

namespace hearth::passes {

class Matcher {
 public:
  // All three outlive it. Nobody else changes the graph meanwhile.
  Matcher(graph::Model& model, graph::Graph& graph, const Options& options);

  // ---- questions. Nodes are called by their index in graph().nodes.
  graph::Graph& graph() { return graph_; }
  const graph::Graph& graph() const { return graph_; }
  int64_t opset() const { return model_.opset(""); }
  int32_t size() const { return static_cast<int32_t>(graph_.nodes.size()); }
  const graph::Node& node(int32_t at) const { return graph_.nodes[static_cast<size_t>(at)]; }
  // The node was replaced away: its inputs and outputs mean nothing any more.
  bool dead(int32_t at) const { return dead_[static_cast<size_t>(at)]; }
  // The operator of ONNX of this name, not one that a caller registered under it.
  bool is(const graph::Node& node, std::string_view op_type) const;
  static bool is_internal(const graph::Node& node, std::string_view op_type);
  // An elementwise operator of two inputs that broadcasts as ONNX does since opset 7.
  bool is_binary(const graph::Node& node, std::string_view op_type) const;
  // Index of the node that makes the value, Uses::kNone where none does.
  int32_t producer(graph::ValueId id) const;
  // The node that makes the value, when it is this operator; else nullptr.
  const graph::Node* maker(graph::ValueId id, std::string_view op_type) const;
  // One node alone reads the value (as often as it likes), and it is no output of the graph.
  bool sole(graph::ValueId id) const;
  const std::vector<int32_t>& readers(graph::ValueId id) const { return uses_.consumers[static_cast<size_t>(id)]; }
  bool is_output(graph::ValueId id) const { return uses_.is_output[static_cast<size_t>(id)]; }
  // As `maker`, and the value is read by one node only.
  const graph::Node* sole_maker(graph::ValueId id, std::string_view op_type) const;

  bool is_float(graph::ValueId id) const;                     // known to be a float32 tensor
  const graph::Shape* shape(graph::ValueId id) const;         // nullptr: not even the rank is known
  std::optional<int64_t> last_size(graph::ValueId id) const;  // the last dimension, where it is known
  // Constants that no caller may override.
  const Tensor* constant(graph::ValueId id) const;        // of any type
  const Tensor* float_constant(graph::ValueId id) const;  // of float32
  std::optional<double> number(graph::ValueId id) const;  // of one element: float32, float64, int32 or int64
  std::optional<std::vector<int64_t>> integers(graph::ValueId id) const;  // int64, at most one dimension
  // A float32 constant that lies along the last dimension, [n] or [1…, n], beside a value of `rank` dimensions.
  const Tensor* row_constant(graph::ValueId id, int64_t n, size_t rank) const;

  // value * number or value + number, whichever of the two stands first. Division and subtraction by a number count.
  struct WithNumber {
    graph::ValueId value;
    double number;
  };
  std::optional<WithNumber> times_number(const graph::Node& node) const;
  std::optional<WithNumber> plus_number(const graph::Node& node) const;

  // A value as factor * values[0] * values[1] …: through Mul, Div by a number, and Pow by 2 or 3, as far as nobody else
  // reads what lies between (`id` itself may have any readers). At most kMaxFactors values; else it is one value.
  static constexpr size_t kMaxFactors = 4;
  struct Product {
    double factor = 1;
    std::vector<graph::ValueId> values;
  };
  Product product(graph::ValueId id) const;

  // Two dimensions that have the same size in every run: the same number, the same symbol, or the same rows all along.
  bool same_size(graph::ValueId a, size_t axis_a, graph::ValueId b, size_t axis_b) const;

  // In every run the one dimension is 1 or as large as the other: known from the sizes, or because the second value is
  // made from values that have it by operators that broadcast.
  bool spreads_over(graph::ValueId small, size_t axis_small, graph::ValueId large, size_t axis_large) const;

  // ---- changes
  graph::ValueId add_constant(std::string_view name, Tensor value);
  graph::ValueId add_value(std::string_view name, graph::Type type);
  // Puts `made` where the node `at` was; it may read whatever is made before that place. Nodes that nobody needs any
  // more die with it.
  void replace(int32_t at, graph::Node made);
  // The one output of the node is this constant; the node dies.
  void make_constant(int32_t at, Tensor value);
  // As replace, for one input alone.
  void set_input(int32_t at, size_t input, graph::ValueId id);
  // Ends the work: takes dead nodes out of the graph. Nothing may be asked afterwards.
  void finish();

 private:
  bool beside(graph::ValueId number, graph::ValueId value) const;
  bool multiply_in(graph::ValueId id, bool inner, int depth, Product& product) const;
  graph::ValueId above(graph::ValueId id, size_t axis) const;
  graph::ValueId origin(graph::ValueId id, size_t axis) const;
  void drop_reader(graph::ValueId id, int32_t reader);
  void add_reader(graph::ValueId id, int32_t reader);
  std::string unused_name(std::string_view wanted);

  graph::Model& model_;
  graph::Graph& graph_;
  const Options& options_;
  graph::Uses uses_;
  std::vector<bool> dead_, overridable_;
  std::unordered_set<std::string> names_;
  int64_t next_name_ = 0;
};

// Calls `visit` for every node of the graph that no replacement has taken away yet, in order; it tells whether it
// changed something. How often it did.
Result<int64_t> match_nodes(graph::Model& model, graph::Graph& graph, const Options& options,
                            Result<bool> (*visit)(Matcher& matcher, int32_t at));

// A node of the internal domain with one output. Empty inputs at the end are left out.
graph::Node internal_node(std::string_view op_type, std::string_view name, std::vector<graph::ValueId> inputs,
                          graph::ValueId output);

// Equal up to the digits that exporters write of a constant.
bool near(double got, double wanted);

// [n] float32 from doubles, each rounded once; nullopt when one of them is not finite in float32.
Result<std::optional<Tensor>> float_vector(const std::vector<double>& values);

}  // namespace hearth::passes
