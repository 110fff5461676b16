#include "graph/infer/engine.h"

#include <algorithm>

#include "graph/infer/schema_types.h"
#include "graph/infer/table.h"
#include "graph/label.h"
#include "graph/subgraphs.h"
#include "graph/verify_node.h"

namespace hearth::graph::infer {

namespace {

// The types of a graph and of those below it, in the order of a walk.
void save_types(const Graph& graph, std::vector<Type>& saved) {
  for (const ValueInfo& value : graph.values) saved.push_back(value.type);
  for (const Node& node : graph.nodes)
    for_each_subgraph(node, [&](const Attribute&, const Graph& inner) { save_types(inner, saved); });
}
void restore_types(Graph& graph, const std::vector<Type>& saved, size_t& next) {
  for (ValueInfo& value : graph.values) value.type = saved[next++];
  for (Node& node : graph.nodes)
    for_each_subgraph(node, [&](const Attribute&, Graph& inner) { restore_types(inner, saved, next); });
}

class NodeInference final : public InferContext {
 public:
  NodeInference(Engine& engine, GraphFacts& facts, const Node& node, int64_t opset) : engine_(engine), facts_(facts) {
    graph_ = facts.graph;
    node_ = &node;
    opset_ = opset;
    for (const ValueId id : node.inputs) inputs_.push_back(id == kNoValue ? ValueFacts() : Engine::facts_of(facts, id));
    outputs_.resize(node.outputs.size());
  }

  Result<std::vector<ValueFacts>> run_graph(std::string_view attribute, std::span<const ValueFacts> inputs) override {
    Graph* graph = find_graph(attribute);
    if (graph == nullptr) return invalid("attribute '{}' holds no graph", attribute);
    if (graph->inputs.size() != inputs.size())
      return invalid("inputs of '{}'; got {}, need {}", attribute, graph->inputs.size(), inputs.size());
    Run& run = runs_[graph];
    if (run.declared.empty()) save_types(*graph, run.declared);
    auto made = engine_.run(*graph, &facts_, inputs);
    if (!made) return within(quoted_name(attribute), std::move(made).error());
    run.facts = std::move(*made);
    std::vector<ValueFacts> outputs;
    for (const ValueId id : graph->outputs) outputs.push_back(Engine::facts_of(*run.facts, id));
    return outputs;
  }

  void forget_graph(std::string_view attribute) override {
    Graph* graph = find_graph(attribute);
    if (graph == nullptr) return;
    size_t next = 0;
    restore_types(*graph, runs_[graph].declared, next);
  }

  int depth() const override { return facts_.depth; }
  void note_clipped(size_t axis, const std::string& symbol) override { clipped_.emplace_back(axis, symbol); }
  const std::vector<std::pair<size_t, std::string>>& clipped() const { return clipped_; }

  // What the schema says of the element types that the function left open.
  void fill_from_schema() {
    const OperatorSchema* schema = find_schema(node_->domain, node_->op_type, opset_);
    if (schema == nullptr) return;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const Type told =
          output_type(*schema, i, [this](size_t input) -> const Type& { return input_type(input); }, inputs_.size());
      Type& own = outputs_[i].type;
      if (told.kind == TypeKind::Unknown) continue;
      if (own.kind == TypeKind::Unknown) own = told;
      if (own.kind == told.kind && !own.dtype) own.dtype = told.dtype;
      if (own.kind == told.kind && own.inner == nullptr) own.inner = told.inner;
    }
  }

  const Type& inferred(size_t i) const { return outputs_[i].type; }
  std::optional<KnownValue> take_known(size_t i) { return std::move(outputs_[i].known); }

 private:
  struct Run {
    std::vector<Type> declared;         // before the first run
    std::unique_ptr<GraphFacts> facts;  // of the last run: what it returned points into them
  };

  const Type& input_type(size_t i) const { return input(i); }

  Graph* find_graph(std::string_view attribute) const {
    // The engine owns the right to change the types in the model that it was given; a context hands out nodes as const.
    const Attribute* held = node_->find(attribute);
    const auto* graph = held != nullptr ? std::get_if<std::unique_ptr<Graph>>(&held->data) : nullptr;
    return graph != nullptr ? graph->get() : nullptr;
  }

  Engine& engine_;
  GraphFacts& facts_;
  std::map<const Graph*, Run> runs_;
  std::vector<std::pair<size_t, std::string>> clipped_;
};

}  // namespace

ValueFacts Engine::facts_of(GraphFacts& facts, ValueId id) {
  const auto i = static_cast<size_t>(id);
  const ValueInfo& value = facts.graph->values[i];
  if (!facts.examined[i]) {
    facts.examined[i] = true;
    if (facts.constants[i] != nullptr && !facts.known[i]) facts.known[i] = known_value(*facts.constants[i]);
    if (value.captured != kNoValue && facts.outside != nullptr) {
      const ValueFacts outer = facts_of(*facts.outside, value.captured);
      if (outer.known != nullptr) facts.known[i] = *outer.known;
      facts.constants[i] = outer.constant;
    }
  }
  return {value.type, facts.known[i] ? &*facts.known[i] : nullptr, facts.constants[i]};
}

Result<std::unique_ptr<GraphFacts>> Engine::run(Graph& graph, GraphFacts* outside, std::span<const ValueFacts> inputs) {
  auto facts = std::make_unique<GraphFacts>();
  facts->graph = &graph;
  facts->outside = outside;
  facts->depth = outside != nullptr ? outside->depth + 1 : 0;
  if (facts->depth > kMaxGraphDepth)
    return fail(ErrorKind::Limit, "[infer] graphs within each other; need at most {}", kMaxGraphDepth);
  facts->known.resize(graph.values.size());
  facts->constants.resize(graph.values.size(), nullptr);
  facts->examined.resize(graph.values.size(), false);
  facts->is_output.resize(graph.values.size(), false);
  for (const ValueId id : graph.outputs) facts->is_output[static_cast<size_t>(id)] = true;

  for (size_t i = 0; i < graph.values.size(); ++i) {
    ValueInfo& value = graph.values[i];
    const bool constant = value.constant || value.sparse_constant;
    if (!constant && (value.captured == kNoValue || outside == nullptr)) continue;
    const Type told = constant ? constant_type(value) : outside->graph->value(value.captured).type;
    if (value.type.kind == TypeKind::SparseTensor) value.type = Type();  // to operators it is as dense as any
    auto merged = merge(told, value.type);
    if (!merged)
      return fail(ErrorKind::Invalid, "[infer] value {}; got {}, need {} as declared", quoted_name(value.name),
                  to_string(told), to_string(value.type));
    value.type = std::move(*merged);
    if (value.constant) facts->constants[i] = &value.constant;
  }
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const ValueId id = graph.inputs[i];
    const auto at = static_cast<size_t>(id);
    facts->constants[at] = nullptr;  // a caller may give another value
    name_open_sizes(*facts, graph.value(id).type);
    if (i >= inputs.size()) continue;
    ValueInfo& value = graph.value(id);
    auto merged = merge(inputs[i].type, value.type);
    if (!merged)
      return fail(ErrorKind::Invalid, "input {}; got {}, need {} as declared", quoted_name(value.name),
                  to_string(inputs[i].type), to_string(value.type));
    value.type = std::move(*merged);
    if (inputs[i].known != nullptr) facts->known[at] = *inputs[i].known;
  }
  for (const Node& node : graph.nodes)
    if (auto done = infer_node(*facts, node); !done) return within(label(node, graph), std::move(done).error());
  return facts;
}

void Engine::name_open_sizes(const GraphFacts& facts, Type& type) {
  // A value within a loop may have another size each time round: names are for what has one in a run.
  if (named_ == nullptr || facts.outside != nullptr || type.kind != TypeKind::Tensor || !type.shape) return;
  for (Dimension& size : *type.shape) {
    if (size.known() || !size.symbol.empty()) continue;
    do size.symbol = fmt::format("size_{}", next_name_++);
    while (!taken_.insert(size.symbol).second);
    named_->insert(size.symbol);
  }
}

// A symbol's size beside the smaller one of that and of another: either they are equal, or the operator fails.
void Engine::name_broadcast(const GraphFacts& facts, const Node& node, Type& type) {
  static constexpr std::string_view kOperators[] = {"Add", "Div", "Mul", "Sub"};
  if (clipped_.empty() || facts.outside != nullptr || !type.shape || !node.domain.empty() ||
      std::ranges::find(kOperators, node.op_type) == std::end(kOperators))
    return;
  for (size_t i = 0; i < type.shape->size(); ++i) {
    Dimension& size = (*type.shape)[i];
    if (size.known() || !size.symbol.empty()) continue;
    std::string whole;
    bool direct = false, same = true;
    for (const ValueId id : node.inputs) {
      const auto& shape = facts.graph->value(id).type.shape;
      if (!shape) return;
      const size_t missing = type.shape->size() - shape->size();
      if (i < missing || (*shape)[i - missing].size == 1) continue;
      const std::string& name = (*shape)[i - missing].symbol;
      const auto at = clipped_.find(name);
      direct = direct || at == clipped_.end();
      const std::string& meant = at != clipped_.end() ? at->second : name;
      same = same && !meant.empty() && (whole.empty() || whole == meant);
      whole = meant;
    }
    if (same && direct) size.symbol = whole;
  }
}

Result<> Engine::infer_node(GraphFacts& facts, const Node& node) {
  if (++visited_ > kMaxInferredNodes)
    return fail(ErrorKind::Limit, "nodes to infer, loops counted several times; need at most {}", kMaxInferredNodes);
  const InferFunction infer = find_inference(node.domain, node.op_type);
  if (infer == nullptr) return {};  // nobody here knows what a custom operator makes
  NodeInference context(*this, facts, node, model_.opset(node.domain));
  TRY(infer(context));
  context.fill_from_schema();
  if (const PropagateFunction propagate = find_propagation(node.domain, node.op_type)) propagate(context);

  Graph& graph = *facts.graph;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId id = node.outputs[i];
    if (id == kNoValue) continue;
    ValueInfo& value = graph.value(id);
    const Type& inferred = context.inferred(i);
    // Names that flow through the graph say more than those that somebody gave to a value in the middle of it; those of
    // the graph's outputs are for whoever calls it.
    auto merged = facts.is_output[static_cast<size_t>(id)] ? merge(value.type, inferred) : merge(inferred, value.type);
    if (!merged)
      return fail(ErrorKind::Invalid, "output {} {}; inferred {}, declared {}", i, quoted_name(value.name),
                  to_string(inferred), to_string(value.type));
    value.type = std::move(*merged);
    if (i == 0) name_broadcast(facts, node, value.type);
    name_open_sizes(facts, value.type);
    if (i == 0 && named_ != nullptr && value.type.shape)
      for (const auto& [axis, symbol] : context.clipped())
        if (const std::string& name = (*value.type.shape)[axis].symbol; named_->contains(name))
          clipped_.emplace(name, symbol);
    auto known = context.take_known(i);
    if (known && value.type.shape && known->dims.size() == value.type.shape->size() && known->dtype == value.type.dtype)
      facts.known[static_cast<size_t>(id)] = std::move(known);
  }
  // Types that nobody declared are known only now.
  if (const OperatorSchema* schema = find_schema(node.domain, node.op_type, context.opset()))
    TRY(verify_types(graph, node, *schema));
  if (node.op_type == "Constant" && node.outputs.size() == 1 && node.outputs[0] != kNoValue)
    facts.constants[static_cast<size_t>(node.outputs[0])] = node.tensor("value");
  return {};
}

}  // namespace hearth::graph::infer
