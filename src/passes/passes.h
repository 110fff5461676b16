// The passes themselves, one a file; pipeline.cpp is their order. Each returns how much it changed.
#pragma once

#include "passes/pipeline.h"

namespace hearth::passes {

Result<int64_t> fold_constants(graph::Model& model, const Options& options);
Result<int64_t> remove_identities(graph::Model& model, const Options& options);
Result<int64_t> remove_dead_nodes(graph::Model& model, const Options& options);
Result<int64_t> merge_common_nodes(graph::Model& model, const Options& options);
Result<int64_t> fold_sizes(graph::Model& model, const Options& options);

// What fold_constants leaves for fold_quantisation where that runs: DequantizeLinear of constants, and what depends on
// them.
Result<int64_t> fold_dequantised_constants(graph::Model& model, const Options& options);

// What these make of a model may hold nodes of the internal domain (graph/internal_operators.h).
Result<int64_t> fold_quantisation(graph::Model& model, const Options& options);
Result<int64_t> fold_batch_norm(graph::Model& model, const Options& options);
Result<int64_t> recognise_activations(graph::Model& model, const Options& options);
Result<int64_t> recognise_layer_norm(graph::Model& model, const Options& options);
Result<int64_t> recognise_matmul(graph::Model& model, const Options& options);
Result<int64_t> recognise_attention(graph::Model& model, const Options& options);
Result<int64_t> channels_last(graph::Model& model, const Options& options);
Result<int64_t> fuse_pointwise(graph::Model& model, const Options& options);
Result<int64_t> fuse_conv_chains(graph::Model& model, const Options& options);
Result<int64_t> pack_weights(graph::Model& model, const Options& options);

}  // namespace hearth::passes
