// The rewriter behind the pass channels_last: walks a graph once in order, making it anew. A value that is the
// transposed form of another one is remembered as such (Source) and only written out as a Transpose when a node reads
// it that cannot take the other one: so transposes sink down to where they are needed, and two that cancel never
// appear.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "passes/axis_order.h"
#include "passes/new_values.h"
#include "passes/pipeline.h"

namespace hearth::passes {

class LayoutRewriter {
 public:
  LayoutRewriter(const graph::Model& model, graph::Graph& graph, const Options& options);

  int64_t run();  // convolutions and pools rewritten, transposes moved

 private:
  // A value is Transpose<perm = order>(value).
  struct Source {
    graph::ValueId value;
    Order order;
    bool image;  // it comes from a convolution or pool: moving its transpose on is worth more than one transpose
  };

  // ---- channels_last.cpp: the walk
  bool is_custom(const graph::Node& node) const;
  void find_wanted();
  void rewrite(graph::Node& node);
  bool remember_transpose(const graph::Node& node);
  void finish_outputs();
  const graph::Shape* shape_of(graph::ValueId id) const;  // nullptr: not even the rank is known
  Source* source_of(graph::ValueId id);
  bool read_once(graph::ValueId id) const;
  void emit(graph::Node node) { made_.push_back(std::move(node)); }
  // The value as the model has it, for a node that needs it so.
  graph::ValueId plain(graph::ValueId id);
  // Transpose<perm = order>(id), by the shortest way.
  graph::ValueId in_order(graph::ValueId id, const Order& order);
  graph::ValueId emit_transpose(graph::ValueId from, const Order& order, graph::ValueId to);
  // `node` makes `was` in another order: as Transpose<perm = order>(its output).
  void emit_as_source(graph::Node node, size_t output, graph::ValueId was, const Order& order, bool image);

  // ---- channels_last_windows.cpp: convolution and pooling
  bool rewrite_window(graph::Node& node);
  bool turn_quantised(graph::Node& node);
  std::optional<graph::Node> conv_of(const graph::Node& node) const;
  std::optional<graph::Node> pool_of(const graph::Node& node) const;

  // ---- channels_last_rules.cpp: what follows the order of its input
  bool follow(graph::Node& node);
  struct Operands;
  std::optional<Operands> gather_operands(const graph::Node& node, bool broadcast);
  bool may_follow(const Source& source, graph::ValueId id) const;
  bool follow_elementwise(graph::Node& node);
  bool follow_first(graph::Node& node);
  bool follow_concat(graph::Node& node);
  bool follow_axis(graph::Node& node);
  bool follow_axes(graph::Node& node);
  bool follow_pad(graph::Node& node);
  bool follow_resize(graph::Node& node);
  bool follow_slice(graph::Node& node);
  bool follow_shape(graph::Node& node);
  bool follow_quantise(graph::Node& node);
  bool follow_reshape(graph::Node& node);
  bool mix_weights(const graph::Node& reshape, const ReshapeOfSource& how, const Order& order);
  // Input i, a list of integers or floats: entry j of the result is entry index[j]. kNoValue: it cannot be made.
  graph::ValueId picked(graph::ValueId list, std::span<const int64_t> index);
  // Axes given by an attribute or by input 1 (constant), not negative. nullopt: absent or not known.
  std::optional<std::vector<int64_t>> axes_of(const graph::Node& node, size_t rank) const;
  void set_axes(graph::Node& node, std::vector<int64_t> axes);

  const graph::Model& model_;
  graph::Graph& graph_;
  const Options& options_;
  NewValues values_;
  graph::Uses uses_;                // of the graph as it was
  std::vector<graph::Node> nodes_;  // as it was
  std::vector<graph::Node> made_;
  std::map<graph::ValueId, Source> sources_;
  std::map<graph::ValueId, bool> written_;  // values with a source that have been written out as well
  std::map<std::pair<graph::ValueId, Order>, graph::ValueId> transposes_;
  std::vector<bool> wanted_;  // a convolution or pool reads it, perhaps through nodes that keep the order
  int64_t changes_ = 0;
};

}  // namespace hearth::passes
