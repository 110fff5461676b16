#include "import/onnx/written_names.h"

#include <fmt/format.h>

namespace hearth::import::onnx {

using graph::Graph;
using graph::kNoValue;
using graph::ValueInfo;

WrittenNames::WrittenNames(const Graph& graph, const WrittenNames* outer) : outer_(outer), names_(graph.values.size()) {
  std::vector<size_t> renamed;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueInfo& value = graph.values[i];
    if (value.captured != kNoValue && outer != nullptr)
      names_[i] = outer->of(value.captured);
    else if (seen_outside(value.name))
      renamed.push_back(i);
    else
      own_.insert(names_[i] = value.name);
  }
  for (const size_t i : renamed)
    for (int suffix = 1; names_[i].empty(); ++suffix) {
      std::string name = fmt::format("{}_{}", graph.values[i].name, suffix);
      if (!seen_outside(name) && own_.insert(name).second) names_[i] = std::move(name);
    }
}

bool WrittenNames::seen_outside(const std::string& name) const {
  for (const WrittenNames* level = outer_; level != nullptr; level = level->outer_)
    if (level->own_.contains(name)) return true;
  return false;
}

}  // namespace hearth::import::onnx
