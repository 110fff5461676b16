// Values that a pass adds to a graph: named uniquely without a search through all of them, constants from numbers.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "graph/graph.h"

namespace hearth::passes {

class NewValues {
 public:
  explicit NewValues(graph::Graph& graph);

  // Named `near` + `suffix`, and a number when that is taken.
  graph::ValueId add(std::string_view near, std::string_view suffix, graph::Type type);
  graph::ValueId constant(std::string_view near, std::string_view suffix, Tensor tensor);
  graph::ValueId integers(std::string_view near, std::string_view suffix, std::span<const int64_t> numbers);  // rank 1

 private:
  graph::Graph& graph_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, size_t> next_;  // the number to try for a name that was taken
};

// The value's elements when no caller may replace them (it is no input of the graph); else nullptr.
const Tensor* plain_constant(const graph::Graph& graph, graph::ValueId id);

// The type of a tensor with these elements.
graph::Type type_of(const Tensor& tensor);

// The model imports the domain of the operators that passes make.
void import_internal_operators(graph::Model& model);

}  // namespace hearth::passes
