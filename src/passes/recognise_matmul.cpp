// Products with constant matrices, MatMul and Gemm, as one kind of node with a matrix that can be packed; what scales
// and shifts their columns by constants goes into the matrix and the bias.
#include <array>
#include <cmath>

#include "passes/channel_map.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

// b[k, n] or, transposed, b[n, k], times alpha, as [k, n].
Result<Tensor> as_kn(const Tensor& b, bool transposed, double alpha) {
  const int64_t rows = b.dim(0), columns = b.dim(1);
  const int64_t k = transposed ? columns : rows, n = transposed ? rows : columns;
  StridedFloats made = StridedFloats::of(b);
  const std::vector<double> factors(static_cast<size_t>(n), alpha);
  const auto turned = [&] {
    if (alpha != 1 && !made.scale_channels(n, transposed ? k : 1, factors)) return false;
    constexpr int64_t kSwapped[] = {1, 0};
    return !transposed || made.permute(1, std::array{rows, columns}, kSwapped);
  };
  if (!turned()) {  // what it was made of cannot be seen so: its elements can
    ASSIGN_OR_RETURN(const Tensor written, b.clone());
    made = StridedFloats::of(written);
    CHECK(turned());
  }
  return Tensor::defer(std::move(made), {k, n});
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
  if (!std::isfinite(alpha)) return false;
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
