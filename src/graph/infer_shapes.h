// Shape and type inference over a whole model, subgraphs included: symbolic sizes, values of small integer tensors
// (shape arithmetic) propagated. Fills ValueInfo::type; what cannot be known stays open. Contradictions are errors that
// name the node; after an error the types are partly filled. Expects a model that verify() accepts, functions inlined.
#pragma once

#include <set>

#include "graph/graph.h"

namespace hearth::graph {

struct InferOptions {
  // Overrides of graph inputs, by name. A size for one of the model's symbols stands for it everywhere. Where a size
  // takes back one that the model states, what the model states of the shapes of its other values is forgotten, too.
  std::map<std::string, Shape> input_shapes;
  // When given: sizes of the model's graph (not of those within it) that stay open get symbols of their own, which flow
  // on like any other, so that equal sizes can be told from different ones. Receives those symbols.
  std::set<std::string>* named = nullptr;
};
Result<> infer_shapes(Model& model, const InferOptions& options = {});

}  // namespace hearth::graph
