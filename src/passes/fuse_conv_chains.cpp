// A depthwise convolution over a large image moves much and computes little: with the convolution that makes its input
// and the pointwise one that reads its result it becomes one node, whose kernel goes through them a few rows at a time.
#include <algorithm>

#include "graph/internal_operators.h"
#include "passes/new_values.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::ValueId;

// What a second-level cache holds beside weights and input anyway needs no strips.
constexpr int64_t kLargeImage = 300 << 10;  // bytes

bool is_packed_conv(const Graph& graph, const Node& node) {
  if (node.domain != graph::kInternalDomain || node.op_type != "Conv" || node.inputs.size() < 2) return false;
  const Tensor* weights = plain_constant(graph, node.inputs[1]);
  return weights != nullptr && weights->dtype() == DType::U8 && node.ints("kernel_shape").size() == 2;
}

// Bytes of one image of the batch; 0 where a size is unknown.
int64_t image_bytes(const Graph& graph, ValueId id) {
  const auto& shape = graph.value(id).type.shape;
  if (!shape || shape->size() != 4) return 0;
  int64_t bytes = sizeof(float);
  for (size_t i = 1; i < 4; ++i)
    if (!(*shape)[i].known() || __builtin_mul_overflow(bytes, (*shape)[i].size, &bytes)) return 0;
  return bytes;
}

bool small_pads(const Node& node) {
  const auto pads = node.ints("pads"), kernel = node.ints("kernel_shape"), dilations = node.ints("dilations");
  if (pads.size() != 4 || dilations.size() != 2) return false;
  const int64_t extent = (kernel[0] - 1) * dilations[0] + 1;
  return pads[0] < extent && pads[2] < extent;
}

// Steps of a stage that is not the last read numbers and columns of constants only.
bool has_plain_operands(const Graph& graph, const Node& node) {
  for (size_t i = 3; i < node.inputs.size(); ++i) {
    const Tensor* operand = plain_constant(graph, node.inputs[i]);
    if (operand == nullptr || operand->rank() > 1) return false;
  }
  return true;
}

class Chains {
 public:
  explicit Chains(Graph& graph) : graph_(graph), uses_(graph::find_uses(graph)), doomed_(graph.nodes.size()) {}

  int64_t run() {
    int64_t changes = 0;
    for (size_t at = 0; at < graph_.nodes.size(); ++at)
      if (const auto chain = find(static_cast<int32_t>(at)); chain.size() > 1) {
        join(chain);
        ++changes;
      }
    remove_nodes(graph_, doomed_);
    return changes;
  }

 private:
  const Node& node(int32_t at) const { return graph_.nodes[static_cast<size_t>(at)]; }
  bool passes_on(ValueId id) const {  // one reader, and nobody outside sees it
    return !uses_.is_output[static_cast<size_t>(id)] && uses_.consumers[static_cast<size_t>(id)].size() == 1;
  }
  bool direct(int32_t at) const {
    return !doomed_[static_cast<size_t>(at)] && is_packed_conv(graph_, node(at)) &&
           node(at).string_or("algorithm", "") == "direct" && small_pads(node(at));
  }

  // Whether another chain wants this convolution as its first: it widens what a depthwise one reads.
  bool begins_another(int32_t at) const {
    const ValueId out = node(at).outputs[0];
    if (!passes_on(out) || !has_plain_operands(graph_, node(at)) || image_bytes(graph_, out) < kLargeImage)
      return false;
    const Node& reader = node(uses_.consumers[static_cast<size_t>(out)][0]);
    return is_packed_conv(graph_, reader) && reader.string_or("algorithm", "") == "depthwise" && small_pads(reader) &&
           reader.inputs[0] == out && std::ranges::count(reader.inputs, out) == 1;
  }

  // Nodes of the chain around the depthwise convolution `at`, in order; empty when there is none.
  std::vector<int32_t> find(int32_t at) const {
    const Node& middle = node(at);
    if (doomed_[static_cast<size_t>(at)] || !is_packed_conv(graph_, middle) ||
        middle.string_or("algorithm", "") != "depthwise" || !small_pads(middle))
      return {};
    std::vector<int32_t> chain{at};
    const ValueId in = middle.inputs[0], out = middle.outputs[0];
    int64_t largest = 0;
    if (const int32_t maker = uses_.producer[static_cast<size_t>(in)];
        maker != graph::Uses::kNone && passes_on(in) && direct(maker) && has_plain_operands(graph_, node(maker)) &&
        std::ranges::count(middle.inputs, in) == 1) {
      chain.insert(chain.begin(), maker);
      largest = image_bytes(graph_, in);
    }
    if (passes_on(out) && has_plain_operands(graph_, middle)) {
      const int32_t reader = uses_.consumers[static_cast<size_t>(out)][0];
      if (direct(reader) && node(reader).inputs[0] == out && std::ranges::count(node(reader).inputs, out) == 1 &&
          std::ranges::all_of(node(reader).ints("kernel_shape"), [](int64_t k) { return k == 1; }) &&
          !begins_another(reader)) {
        chain.push_back(reader);
        largest = std::max(largest, image_bytes(graph_, out));
      }
    }
    if (largest < kLargeImage) return {};
    return chain;
  }

  void join(const std::vector<int32_t>& chain) {
    Node made;
    made.name = node(chain.back()).name;
    made.domain = graph::kInternalDomain;
    made.op_type = "ConvChain";
    made.outputs = node(chain.back()).outputs;
    auto body = std::make_unique<Graph>();
    body->name = "chain";
    std::vector<ValueId> inside;  // by input of `made`
    ValueId before = kNoValue;
    const auto input = [&](ValueId outer) {
      const auto known = std::ranges::find(made.inputs, outer);
      if (known != made.inputs.end()) return inside[static_cast<size_t>(known - made.inputs.begin())];
      made.inputs.push_back(outer);
      inside.push_back(body->add_value(fmt::format("input_{}", inside.size()), graph_.value(outer).type));
      return inside.back();
    };
    for (const int32_t at : chain) {
      Node inner = node(at).clone();
      for (size_t i = 0; i < inner.inputs.size(); ++i)
        if (inner.inputs[i] != kNoValue)
          inner.inputs[i] = i == 0 && before != kNoValue ? before : input(inner.inputs[i]);
      before = body->add_value(fmt::format("stage_{}", body->nodes.size()), graph_.value(inner.outputs[0]).type);
      inner.outputs = {before};
      body->nodes.push_back(std::move(inner));
    }
    body->inputs = inside;
    body->outputs = {before};
    made.set("body", std::move(body));
    for (const int32_t at : chain) doomed_[static_cast<size_t>(at)] = true;
    // The last node's place: everything that any of them reads is made before it.
    graph_.nodes[static_cast<size_t>(chain.back())] = std::move(made);
    doomed_[static_cast<size_t>(chain.back())] = false;
  }

  Graph& graph_;
  graph::Uses uses_;
  std::vector<bool> doomed_;
};

}  // namespace

Result<int64_t> fuse_conv_chains(graph::Model& model, const Options&) {
  return for_each_graph(model.graph, [&](Graph& graph) -> Result<int64_t> { return Chains(graph).run(); });
}

}  // namespace hearth::passes
