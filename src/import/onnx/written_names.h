// The names under which the values of one graph are written. A file resolves names from the inside out and allows none
// to hide another, while values here are numbers: captured values take the name of what they stand for, and own names
// that an enclosing graph has as well get a suffix.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"

namespace hearth::import::onnx {

class WrittenNames {
 public:
  WrittenNames(const graph::Graph& graph, const WrittenNames* outer);
  const std::string& of(graph::ValueId id) const { return names_[static_cast<size_t>(id)]; }
  std::string_view of_or_none(graph::ValueId id) const { return id == graph::kNoValue ? std::string_view() : of(id); }

 private:
  bool seen_outside(const std::string& name) const;

  const WrittenNames* outer_;
  std::vector<std::string> names_;
  std::unordered_set<std::string> own_;  // without captured ones
};

}  // namespace hearth::import::onnx
