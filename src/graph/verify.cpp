#include "graph/verify.h"

#include <algorithm>
#include <unordered_set>

#include "graph/label.h"
#include "graph/schema.h"
#include "graph/subgraphs.h"
#include "graph/verify_node.h"

namespace hearth::graph {

namespace {

template <class... Args>
std::unexpected<Error> invalid(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorKind::Invalid, text, std::forward<Args>(args)...);
}

// What one graph is held against: the graph around it and what of that is there when the node runs.
struct Outside {
  const Graph* graph = nullptr;
  const std::vector<bool>* available = nullptr;
};

class Verifier {
 public:
  Verifier(const Model& model, const VerifyOptions& options) : model_(model), options_(options) {}

  Result<> model() {
    TRY(opsets(model_.opsets));
    for (const Function& function : model_.functions) {
      const std::string_view domain = function.domain == "ai.onnx" ? std::string_view() : function.domain;
      if (!functions_.emplace(FunctionKey(domain, function.name, function.overload), &function).second)
        return invalid("[verify] function {}; got two, need one",
                       quoted_name(operator_name(function.domain, function.name)));
    }
    for (const Function& function : model_.functions) {
      const std::string name = operator_name(function.domain, function.name);
      if (auto held = this->function(function); !held)
        return within(fmt::format("function {}", quoted_name(name)), std::move(held).error());
    }
    function_ = nullptr;
    return graph(model_.graph, {}, 1);
  }

 private:
  Result<> opsets(const std::map<std::string, int64_t>& imports) {
    for (const auto& [domain, version] : imports) {
      const std::string_view shown = domain.empty() ? "ai.onnx" : std::string_view(domain);
      if (version < 1) return invalid("[verify] opset of {}; got {}, need at least 1", quoted_name(shown), version);
      const int64_t newest = newest_opset(domain);
      if (newest > 0 && version > newest)
        return fail(ErrorKind::Unsupported, "[verify] opset of {}; got {}, need 1 to {}", shown, version, newest);
    }
    return {};
  }

  Result<> function(const Function& function) {
    TRY(opsets(function.opsets));
    function_ = &function;
    return graph(function.body, {}, 1);
  }

  Result<> graph(const Graph& graph, const Outside& outside, int depth) {
    if (depth > kMaxGraphDepth)
      return fail(ErrorKind::Limit, "[verify] graphs within each other; need at most {}", kMaxGraphDepth);
    std::vector<bool> available(graph.values.size(), false);
    TRY(values(graph, outside, available));
    TRY(inputs(graph, available));
    ASSIGN_OR_RETURN(const auto producers, find_producers(graph, available));
    for (const Node& node : graph.nodes) {
      if (auto held = this->node(graph, node, producers, available, depth); !held)
        return within(label(node, graph), std::move(held).error());
      for (const ValueId id : node.outputs)
        if (id != kNoValue) available[static_cast<size_t>(id)] = true;
    }
    for (const ValueId id : graph.outputs) {
      if (!is_valid(id, graph)) return invalid("[verify] output of the graph; got {}", label(id, graph));
      if (!available[static_cast<size_t>(id)])
        return invalid("[verify] output {} of graph {} has no producer", label(id, graph), quoted_name(graph.name));
    }
    return {};
  }

  static bool is_valid(ValueId id, const Graph& graph) {
    return id >= 0 && static_cast<size_t>(id) < graph.values.size();
  }

  static Result<> values(const Graph& graph, const Outside& outside, std::vector<bool>& available) {
    std::unordered_set<std::string_view> names;
    for (size_t i = 0; i < graph.values.size(); ++i) {
      const ValueInfo& value = graph.values[i];
      const std::string shown = quoted_name(value.name);
      if (value.name.empty()) return invalid("[verify] value {} of graph {} has no name", i, quoted_name(graph.name));
      if (!names.insert(value.name).second)
        return invalid("[verify] values named {} in graph {}; got two, need one", shown, quoted_name(graph.name));
      const bool constant = value.constant || value.sparse_constant.has_value();
      if (value.sparse_constant && (!value.sparse_constant->values || !value.sparse_constant->indices))
        return invalid("[verify] constant {} holds nothing", shown);
      if (constant) {
        if (auto agreed = merge(value.type, constant_type(value)); !agreed)
          return invalid("[verify] constant {}; got {}, need {} as declared", shown, to_string(constant_type(value)),
                         to_string(value.type));
      }
      available[i] = constant;
      if (value.captured == kNoValue) continue;
      if (outside.graph == nullptr) return invalid("[verify] value {} is captured, but no graph is around", shown);
      if (!is_valid(value.captured, *outside.graph))
        return invalid("[verify] value {} captures {}, which the graph around does not have", shown,
                       label(value.captured, *outside.graph));
      if (constant) return invalid("[verify] value {} is both captured and a constant", shown);
      if (!(*outside.available)[static_cast<size_t>(value.captured)])
        return invalid("[verify] value {} captures {}, which has no producer before this node", shown,
                       label(value.captured, *outside.graph));
      available[i] = true;
    }
    return {};
  }

  static Result<> inputs(const Graph& graph, std::vector<bool>& available) {
    std::vector<bool> seen(graph.values.size(), false);
    for (const ValueId id : graph.inputs) {
      if (!is_valid(id, graph)) return invalid("[verify] input of the graph; got {}", label(id, graph));
      if (seen[static_cast<size_t>(id)])
        return invalid("[verify] input {} of graph {}; got it twice", label(id, graph), quoted_name(graph.name));
      if (graph.value(id).captured != kNoValue)
        return invalid("[verify] value {} is both captured and an input", label(id, graph));
      seen[static_cast<size_t>(id)] = available[static_cast<size_t>(id)] = true;
    }
    return {};
  }

  // `available` holds inputs, constants and captured values: none of them may be made by a node.
  static Result<std::vector<const Node*>> find_producers(const Graph& graph, const std::vector<bool>& available) {
    std::vector<const Node*> producers(graph.values.size(), nullptr);
    for (const Node& node : graph.nodes)
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        if (!is_valid(id, graph)) return invalid("[{}] output; got value {}", label(node, graph), label(id, graph));
        const Node*& producer = producers[static_cast<size_t>(id)];
        if (producer != nullptr)
          return invalid("[{}] output {} is made by {} already", label(node, graph), label(id, graph),
                         producer == &node ? "this node" : label(*producer, graph));
        if (available[static_cast<size_t>(id)]) {
          const ValueInfo& value = graph.value(id);
          return invalid("[{}] output {} is {} already", label(node, graph), label(id, graph),
                         value.captured != kNoValue                ? "a captured value"
                         : value.constant || value.sparse_constant ? "a constant"
                                                                   : "an input of the graph");
        }
        producer = &node;
      }
    return producers;
  }

  Result<> node(const Graph& graph, const Node& node, const std::vector<const Node*>& producers,
                const std::vector<bool>& available, int depth) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == kNoValue) continue;
      if (!is_valid(id, graph)) return invalid("input {}; got value {}", i, label(id, graph));
      if (available[static_cast<size_t>(id)]) continue;
      const Node* producer = producers[static_cast<size_t>(id)];
      if (producer == nullptr)
        return invalid("input {} {} has no producer: it is no input, constant or output of a node", i,
                       label(id, graph));
      if (producer == &node) return invalid("input {} {} is an output of this very node", i, label(id, graph));
      return invalid("input {} {} is made by {} only later; need nodes in topological order", i, label(id, graph),
                     label(*producer, graph));
    }
    const NodeContext context{model_, functions_, function_, options_, graph};
    TRY(verify_node(context, node));
    return try_each_subgraph(node, [&](const Attribute& attribute, const Graph& inner) -> Result<> {
      auto held = this->graph(inner, {&graph, &available}, depth + 1);
      if (!held) return within(quoted_name(attribute.name), std::move(held).error());
      return held;
    });
  }

  const Model& model_;
  const VerifyOptions& options_;
  FunctionTable functions_;
  const Function* function_ = nullptr;  // whose body is being checked
};

}  // namespace

Result<> verify(const Model& model, const VerifyOptions& options) {
  return Verifier(model, options).model();
}

}  // namespace hearth::graph
