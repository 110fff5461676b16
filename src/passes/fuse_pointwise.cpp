// Elementwise operators become steps: of the convolution or matrix product that makes their input, of the elementwise
// node before them, or of a node of their own.
#include <algorithm>

#include "graph/internal_operators.h"
#include "passes/new_values.h"
#include "passes/passes.h"
#include "passes/pointwise_steps.h"
#include "passes/rewrite.h"

namespace hearth::passes {

namespace {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Shape;
using graph::ValueId;

// Of one node; the kernels allow more.
constexpr size_t kMostSteps = 32, kMostOperands = 16;

class Fuser {
 public:
  Fuser(const graph::Model& model, Graph& graph, const Options& options)
      : model_(model), graph_(graph), options_(options), values_(graph), uses_(graph::find_uses(graph)) {}

  int64_t run() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    made_.reserve(nodes.size());
    producer_.assign(graph_.values.size(), kNone);
    for (Node& node : nodes) {
      if (!is_custom(node)) fuse(node);
      for (const ValueId id : node.outputs)
        if (id != kNoValue) producer_[static_cast<size_t>(id)] = static_cast<ptrdiff_t>(made_.size());
      made_.push_back({std::move(node), true});
    }
    graph_.nodes.clear();
    for (Made& made : made_)
      if (made.alive) graph_.nodes.push_back(std::move(made.node));
    return changes_;
  }

 private:
  static constexpr ptrdiff_t kNone = -1;
  struct Made {
    Node node;
    bool alive;
  };

  bool is_custom(const Node& node) const { return options_.is_custom && options_.is_custom(node.domain, node.op_type); }
  const Shape* shape_of(ValueId id) const {
    const auto& shape = graph_.value(id).type.shape;
    return shape ? &*shape : nullptr;
  }

  // May the steps of this form run over its main input: does the result have its shape, and do the operands lie so?
  bool fits(const Node& node, const PointwiseForm& form) const {
    const bool operands = std::ranges::any_of(form.steps, [](const StepOf& step) { return step.operand != kNoValue; });
    const Shape *result = shape_of(node.outputs[0]), *main = shape_of(form.main);
    if (result != nullptr && result->empty()) return false;  // a lone number has no rows and columns
    if (!operands) return true;
    if (result == nullptr || main == nullptr || !same_shape(*main, *result)) return false;
    return std::ranges::all_of(form.steps, [&](const StepOf& step) {
      if (step.operand == kNoValue) return true;
      const graph::Type& type = graph_.value(step.operand).type;
      return type.dtype == DType::F32 && type.shape && operand_spread(*type.shape, *result) != OperandSpread::None;
    });
  }

  // The node that makes the form's main input, when it can take the steps up.
  ptrdiff_t taker(const PointwiseForm& form) const {
    const auto main = static_cast<size_t>(form.main);
    const ptrdiff_t at = producer_[main];
    if (at == kNone || uses_.is_output[main] || uses_.consumers[main].size() != 1) return kNone;
    // The main input disappears: no step may read it as its operand.
    if (std::ranges::find(form.steps, form.main, &StepOf::operand) != form.steps.end()) return kNone;
    const Node& maker = made_[static_cast<size_t>(at)].node;
    if (maker.domain != graph::kInternalDomain || maker.outputs.size() != 1) return kNone;
    const bool product = maker.op_type == "Conv" || maker.op_type == "MatMul" || is_quantised(maker);
    if (is_quantised(maker) && (maker.has("out_type") || maker.int_or("channels_first", 0) != 0)) return kNone;
    if (!product && maker.op_type != "Pointwise") return kNone;
    const size_t operands = maker.inputs.size() + form.steps.size();
    if (maker.strings("steps").size() + form.steps.size() > kMostSteps || operands > kMostOperands) return kNone;
    return at;
  }

  // A column of constants that is added first of all is the bias.
  bool set_bias(Node& maker, const PointwiseForm& form, ValueId result) {
    if (maker.op_type == "Pointwise" || form.steps.size() != 1 || form.steps[0].text != "add") return false;
    if (maker.has("between_type") || maker.has("added_type")) return false;  // the bias comes before them
    if (!maker.strings("steps").empty() || (maker.inputs.size() > 2 && maker.inputs[2] != kNoValue)) return false;
    const Tensor* bias = plain_constant(graph_, form.steps[0].operand);
    const Shape* shape = shape_of(result);
    if (bias == nullptr || shape == nullptr ||
        operand_spread(*shape_of(form.steps[0].operand), *shape) != OperandSpread::Column)
      return false;
    ValueId id = form.steps[0].operand;
    if (bias->rank() != 1) {
      const std::string name = graph_.value(id).name;
      id = values_.constant(name, "_bias", bias->reshaped({bias->size()}));
    }
    if (maker.inputs.size() < 3) maker.inputs.resize(3, kNoValue);
    maker.inputs[2] = id;
    return true;
  }

  static bool is_quantised(const Node& node) {
    return node.op_type == "QuantisedConv" || node.op_type == "QuantisedMatMul";
  }

  static void add_steps(Node& node, const PointwiseForm& form) {
    const auto before = node.strings("steps");
    std::vector<std::string> steps(before.begin(), before.end());
    const size_t first = node.op_type == "Pointwise" ? graph::kPointwiseOperands
                         : is_quantised(node)        ? graph::kQuantisedOperands
                                                     : graph::kProductOperands;
    if (node.inputs.size() < first) node.inputs.resize(first, kNoValue);
    for (const StepOf& step : form.steps) {
      size_t input = 0;
      if (step.operand != kNoValue) {
        const auto known =
            std::find(node.inputs.begin() + static_cast<ptrdiff_t>(first), node.inputs.end(), step.operand);
        input = static_cast<size_t>(known - node.inputs.begin());
        if (known == node.inputs.end()) node.inputs.push_back(step.operand);
      }
      steps.push_back(step_text(step, input));
    }
    node.set("steps", std::move(steps));
  }

  void fuse(Node& node) {
    auto forms = pointwise_forms(graph_, node, model_.opset(""));
    std::erase_if(forms, [&](const PointwiseForm& form) { return !fits(node, form); });
    if (forms.empty()) return;
    const PointwiseForm* best = &forms[0];
    ptrdiff_t best_at = kNone;
    bool best_product = false;
    for (const PointwiseForm& form : forms) {
      const ptrdiff_t at = taker(form);
      if (at == kNone) continue;
      const bool product = made_[static_cast<size_t>(at)].node.op_type != "Pointwise";
      // A product's epilogue saves a pass over memory that the chain would make anyway; of two products the later one
      // has its result in the cache.
      if (best_at != kNone && (best_product != product ? best_product : best_at > at)) continue;
      best = &form;
      best_at = at;
      best_product = product;
    }
    const ValueId result = node.outputs[0];
    if (best_at == kNone) {
      if (node.domain == graph::kInternalDomain) return;
      Node made;
      made.name = node.name;
      made.domain = graph::kInternalDomain;
      made.op_type = "Pointwise";
      made.inputs = {best->main};
      made.outputs = {result};
      add_steps(made, *best);
      node = std::move(made);
    } else {
      // It moves to where the elementwise node stood: its only reader, and what that reads exists there.
      Made& taken = made_[static_cast<size_t>(best_at)];
      Node made = std::move(taken.node);
      taken.alive = false;
      made.outputs[0] = result;
      if (!set_bias(made, *best, result)) add_steps(made, *best);
      node = std::move(made);
    }
    ++changes_;
  }

  const graph::Model& model_;
  Graph& graph_;
  const Options& options_;
  NewValues values_;
  graph::Uses uses_;
  std::vector<Made> made_;
  std::vector<ptrdiff_t> producer_;  // index into made_
  int64_t changes_ = 0;
};

}  // namespace

Result<int64_t> fuse_pointwise(graph::Model& model, const Options& options) {
  ASSIGN_OR_RETURN(const int64_t changes, for_each_graph(model.graph, [&](Graph& graph) -> Result<int64_t> {
                     return Fuser(model, graph, options).run();
                   }));
  if (changes > 0) import_internal_operators(model);
  return changes;
}

}  // namespace hearth::passes
