// Which function infers which operator: one explicit table a family, in the file of its name.
#pragma once

#include <span>
#include <string_view>

#include "graph/infer/context.h"

namespace hearth::graph::infer {

struct InferEntry {
  std::string_view op_type;
  InferFunction infer = nullptr;
  std::string_view domain = {};
};

std::span<const InferEntry> elementwise_inference();  // one output element for each input element
std::span<const InferEntry> array_inference();        // reshaping, cutting, joining
std::span<const InferEntry> indexing_inference();     // gather, scatter, selection
std::span<const InferEntry> reduction_inference();    // Reduce*, ArgMax, TopK, normalisations, losses
std::span<const InferEntry> matrix_inference();       // products
std::span<const InferEntry> window_inference();       // convolution, pooling
std::span<const InferEntry> image_inference();        // resizing, sampling, regions
std::span<const InferEntry> network_inference();      // recurrent layers, attention
std::span<const InferEntry> generator_inference();    // constants, ranges, random values, windows of signals
std::span<const InferEntry> control_inference();      // If, Loop, Scan, SequenceMap
std::span<const InferEntry> sequence_inference();     // sequences and optionals
std::span<const InferEntry> text_inference();         // strings
std::span<const InferEntry> ml_inference();           // ai.onnx.ml
std::span<const InferEntry> training_inference();     // ai.onnx.preview.training

// nullptr when nothing here knows the operator.
InferFunction find_inference(std::string_view domain, std::string_view op_type);

// Operators of ai.onnx that compute small values from small values: called after the operator's inference, they set
// what is known of the outputs.
using PropagateFunction = void (*)(InferContext& context);
struct PropagateEntry {
  std::string_view op_type;
  PropagateFunction propagate = nullptr;
};
std::span<const PropagateEntry> array_propagation();
std::span<const PropagateEntry> arithmetic_propagation();
PropagateFunction find_propagation(std::string_view domain, std::string_view op_type);

}  // namespace hearth::graph::infer
