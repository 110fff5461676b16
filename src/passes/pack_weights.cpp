// Constant weights of convolutions and matrix products become what their kernels read, once, before the model runs (or
// is written to the cache), and attention, which has none, learns the type of its factors. How is the business of
// whoever knows the kernels: Options::pack.
#include "graph/internal_operators.h"
#include "passes/new_values.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

Result<int64_t> pack_weights(graph::Model& model, const Options& options) {
  if (!options.pack) return 0;
  return for_each_graph(model.graph, [&](graph::Graph& graph) -> Result<int64_t> {
    int64_t changes = 0;
    for (graph::Node& node : graph.nodes) {
      if (node.domain != graph::kInternalDomain) continue;
      if (node.op_type == "Attention") {
        ASSIGN_OR_RETURN(const bool set, options.pack(node, graph));
        changes += set ? 1 : 0;
        continue;
      }
      const bool quantised = node.op_type == "QuantisedConv" || node.op_type == "QuantisedMatMul";
      if (!quantised && node.op_type != "Conv" && node.op_type != "MatMul") continue;
      const Tensor* weights = node.inputs.size() > 1 ? plain_constant(graph, node.inputs[1]) : nullptr;
      if (weights == nullptr || weights->dtype() != (quantised ? DType::I8 : DType::F32)) continue;
      ASSIGN_OR_RETURN(const bool packed, options.pack(node, graph));
      changes += packed ? 1 : 0;
    }
    return changes;
  });
}

}  // namespace hearth::passes
