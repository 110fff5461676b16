// Models of the tests before and after the passes that recognise patterns, and the operators of the internal domain in
// plain loops, so that both can be run and compared without the kernels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "runtime/session.h"

namespace hearth::passes {

// The model of the text after size and constant folding and then all recognising passes, held against the verifier.
// A failure on the way is a test failure and an empty model.
graph::Model recognised(std::string_view text);

// Its operators in order: "Conv", "hearth.MatMul", "hearth.Pointwise gelu" …
std::vector<std::string> operators(const graph::Model& model);
inline std::vector<std::string> operators(std::string_view text) {
  return operators(recognised(text));
}
using Operators = std::vector<std::string>;

const graph::Node* find_node(const graph::Model& model, std::string_view op_type);

// Runs the model of the text as it is and after the passes on the same random inputs (open sizes: "batch" 2, others 3)
// and expects the same outputs up to rounding.
void expect_same_results(std::string_view text);

// "{0.125, …}": elements of a float constant, in [low, high].
std::string random_numbers(int64_t count, uint32_t seed, double low = -1, double high = 1);

// Scalar versions of MatMul, Pointwise (the steps that these passes make), LayerNormalization and Attention.
runtime::CustomOperators reference_operators();

}  // namespace hearth::passes
