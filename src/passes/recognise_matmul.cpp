// Products with constant matrices, MatMul and Gemm, as one kind of node with a matrix that can be packed; what scales
// and shifts their columns by constants goes into the matrix and the bias.
#include <algorithm>

#include "passes/channel_map.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

constexpr int64_t kTile = 32;  // of a transposition: a tile of both sides stays in the first cache

// b[k, n] or, transposed, b[n, k], times alpha, as [k, n].
Result<Tensor> as_kn(const Tensor& b, bool transposed, double alpha) {
  const int64_t k = b.dim(transposed ? 1 : 0), n = b.dim(transposed ? 0 : 1);
  ASSIGN_OR_RETURN(Tensor made, Tensor::allocate(DType::F32, {k, n}));
  const int64_t row = transposed ? 1 : n, column = transposed ? k : 1;
  const float* from = b.data<float>();
  float* to = made.mutable_data<float>();
  for (int64_t i0 = 0; i0 < k; i0 += kTile)
    for (int64_t j0 = 0; j0 < n; j0 += kTile)
      for (int64_t i = i0; i < std::min(i0 + kTile, k); ++i)
        for (int64_t j = j0; j < std::min(j0 + kTile, n); ++j)
          to[i * n + j] = static_cast<float>(from[i * row + j * column] * alpha);
  return made;
}

Node product_node(const Node& old, ValueId weights, ValueId bias, int64_t k, int64_t n) {
  Node made = internal_node("MatMul", old.name, {old.inputs[0], weights, bias}, old.outputs[0]);
  made.set("k", k);
  made.set("n", n);
  return made;
}

bool take_matmul(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is(node, "MatMul")) return false;
  const Tensor* b = matcher.float_constant(node.inputs[1]);
  const graph::Shape* shape = matcher.shape(node.inputs[0]);
  if (b == nullptr || b->rank() != 2 || b->size() == 0 || shape == nullptr || shape->size() < 2) return false;
  matcher.replace(at, product_node(node, node.inputs[1], kNoValue, b->dim(0), b->dim(1)));
  return true;
}

Result<bool> take_gemm(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (!matcher.is(node, "Gemm") || node.int_or("transA", 0) != 0) return false;
  const Tensor* b = matcher.float_constant(node.inputs[1]);
  if (b == nullptr || b->rank() != 2 || b->size() == 0) return false;
  const bool transposed = node.int_or("transB", 0) != 0;
  const int64_t k = b->dim(transposed ? 1 : 0), n = b->dim(transposed ? 0 : 1);
  const double alpha = node.float_or("alpha", 1), beta = node.float_or("beta", 1);
  const ValueId c = node.inputs.size() > 2 && beta != 0 ? node.inputs[2] : kNoValue;

  std::optional<Tensor> bias;
  if (c != kNoValue) {
    const Tensor* held = matcher.float_constant(c);
    const bool one = held != nullptr && held->size() == 1 && held->rank() <= 2;
    if (held == nullptr || (!one && matcher.row_constant(c, n, 2) == nullptr)) return false;
    std::vector<double> values(static_cast<size_t>(n));
    for (size_t i = 0; i < values.size(); ++i) values[i] = beta * held->data<float>()[one ? 0 : i];
    ASSIGN_OR_RETURN(bias, float_vector(values));
    if (!bias) return false;
  }
  ValueId weights = node.inputs[1];
  if (transposed || alpha != 1) {
    ASSIGN_OR_RETURN(Tensor made, as_kn(*b, transposed, alpha));
    weights = matcher.add_constant(std::string(matcher.graph().value(weights).name), std::move(made));
  }
  ValueId bias_id = kNoValue;
  if (bias) bias_id = matcher.add_constant(std::string(matcher.graph().value(c).name), std::move(*bias));
  matcher.replace(at, product_node(node, weights, bias_id, k, n));
  return true;
}

Result<bool> recognise_at(Matcher& matcher, int32_t at) {
  const Node& node = matcher.node(at);
  if (node.inputs.size() < 2 || node.outputs.empty() || !matcher.is_float(node.outputs[0])) return false;
  if (matcher.is_float(node.inputs[0])) {
    if (take_matmul(matcher, at)) return true;
    ASSIGN_OR_RETURN(const bool taken, take_gemm(matcher, at));
    if (taken) return true;
  }
  return fold_channel_map(matcher, at);
}

}  // namespace

Result<int64_t> recognise_matmul(graph::Model& model, const Options& options) {
  return for_each_graph(model.graph, [&](Graph& graph) { return match_nodes(model, graph, options, recognise_at); });
}

}  // namespace hearth::passes
