#include "graph/inline_functions.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "graph/label.h"
#include "graph/schema.h"
#include "graph/subgraphs.h"

namespace hearth::graph {

namespace {

// An Attribute's data is copied with every call: long lists count for more than one node.
constexpr size_t kElementsPerUnit = 64;

std::string_view canonical(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

int64_t opset_of(const Function& function, std::string_view domain) {
  for (const auto& [name, version] : function.opsets)
    if (canonical(name) == canonical(domain)) return version;
  return 0;
}

const Attribute* find_attribute(const std::vector<Attribute>& attributes, std::string_view name) {
  const auto at = std::ranges::find(attributes, name, &Attribute::name);
  return at != attributes.end() ? &*at : nullptr;
}

size_t weight_of(const Node& node);

size_t weight_of(const Graph& graph) {
  size_t weight = graph.values.size();
  for (const Node& node : graph.nodes) weight += weight_of(node);
  return weight;
}

size_t weight_of(const Node& node) {
  size_t weight = 1 + (node.inputs.size() + node.outputs.size()) / kElementsPerUnit;
  for (const Attribute& attribute : node.attributes)
    std::visit(
        [&](const auto& data) {
          if constexpr (requires { data.size(); }) weight += static_cast<size_t>(data.size()) / kElementsPerUnit;
        },
        attribute.data);
  for_each_subgraph(node, [&](const Attribute&, const Graph& graph) { weight += weight_of(graph); });
  return weight;
}

// Whoever reads value `id` of a subgraph reads nothing: the function's optional input that it stands for is absent.
Result<> make_absent(Graph& graph, ValueId id) {
  if (std::ranges::find(graph.outputs, id) != graph.outputs.end())
    return fail(ErrorKind::Invalid, "output {} is an input that the call leaves out", label(id, graph));
  graph.value(id).captured = kNoValue;
  for (Node& node : graph.nodes) {
    std::ranges::replace(node.inputs, id, kNoValue);
    const auto done = try_each_subgraph(node, [&](const Attribute&, Graph& inner) -> Result<> {
      for (size_t i = 0; i < inner.values.size(); ++i)
        if (inner.values[i].captured == id) TRY(make_absent(inner, static_cast<ValueId>(i)));
      return {};
    });
    if (!done) return done;
  }
  return {};
}

// References to the function's attributes become the call's attributes or the defaults; a reference to an attribute
// that has neither leaves the attribute out.
void bind_attributes(Node& node, const Node& call, const Function& function) {
  std::vector<Attribute> bound;
  for (Attribute& attribute : node.attributes) {
    if (attribute.reference.empty()) {
      bound.push_back(std::move(attribute));
      continue;
    }
    const Attribute* given = find_attribute(call.attributes, attribute.reference);
    if (given == nullptr) given = find_attribute(function.defaults, attribute.reference);
    if (given == nullptr) continue;
    Attribute copy = given->clone();
    copy.name = std::move(attribute.name);
    bound.push_back(std::move(copy));
  }
  node.attributes = std::move(bound);
  for_each_subgraph(node, [&](const Attribute&, Graph& graph) {
    for (Node& inner : graph.nodes) bind_attributes(inner, call, function);
  });
}

class Inliner {
 public:
  explicit Inliner(Model& model) : model_(model) {
    for (const Function& function : model.functions)
      functions_.emplace(
          std::tuple(canonical(function.domain), std::string_view(function.name), std::string_view(function.overload)),
          &function);
  }

  Result<> expand(Graph& graph) {
    Scope scope{&graph, {}, {}};
    std::vector<Node> before = std::move(graph.nodes);
    for (Node& node : before) TRY(emit(scope, std::move(node)));
    graph.nodes = std::move(scope.nodes);
    return {};
  }

 private:
  // The graph that calls are expanded in. Names are collected when the first call needs new ones.
  struct Scope {
    Graph* graph;
    std::vector<Node> nodes;
    std::unordered_set<std::string> names;

    ValueId add(const std::string& wanted, Type type) {
      if (names.empty())
        for (const ValueInfo& value : graph->values) names.insert(value.name);
      std::string name = wanted;
      for (int suffix = 1; !names.insert(name).second; ++suffix) name = fmt::format("{}_{}", wanted, suffix);
      ValueInfo& added = graph->values.emplace_back();
      added.name = std::move(name);
      added.type = std::move(type);
      return static_cast<ValueId>(graph->values.size() - 1);
    }
  };

  // One call while its body is copied.
  struct Expansion {
    const Function* function;
    std::string prefix;                       // of the names of new values
    std::vector<std::optional<ValueId>> ids;  // of the body's values in the caller; nullopt: not needed so far
  };

  const Function* callee(const Node& node) const {
    const auto at = functions_.find(
        std::tuple(canonical(node.domain), std::string_view(node.op_type), std::string_view(node.overload)));
    return at != functions_.end() ? at->second : nullptr;
  }

  Result<> emit(Scope& scope, Node node) {
    if (const Function* function = callee(node)) {
      auto done = expand_call(scope, node, *function);
      if (!done) return within(label(node, *scope.graph), std::move(done).error());
      return {};
    }
    TRY(try_each_subgraph(node, [&](const Attribute&, Graph& inner) { return expand(inner); }));
    scope.nodes.push_back(std::move(node));
    return {};
  }

  Result<> expand_call(Scope& scope, const Node& call, const Function& function) {
    const Graph& body = function.body;
    if (std::ranges::find(active_, &function) != active_.end())
      return fail(ErrorKind::Invalid, "function {} calls itself",
                  quoted_name(operator_name(function.domain, function.name)));
    if (active_.size() >= static_cast<size_t>(kMaxFunctionDepth))
      return fail(ErrorKind::Limit, "functions that call each other; need at most {} levels", kMaxFunctionDepth);
    if (call.inputs.size() > body.inputs.size() || call.outputs.size() > body.outputs.size())
      return fail(ErrorKind::Invalid, "call of a function; got {} inputs and {} outputs, need at most {} and {}",
                  call.inputs.size(), call.outputs.size(), body.inputs.size(), body.outputs.size());
    TRY(adopt_opsets(function));
    TRY(spend(body.values.size() / kElementsPerUnit));

    Expansion expansion{&function, {}, std::vector<std::optional<ValueId>>(body.values.size())};
    expansion.prefix = call.name.empty() ? fmt::format("{}_{}", function.name, ++calls_) : call.name;
    for (size_t i = 0; i < body.inputs.size(); ++i) {
      TRY(check_id(body.inputs[i], body));
      expansion.ids[static_cast<size_t>(body.inputs[i])] = i < call.inputs.size() ? call.inputs[i] : kNoValue;
    }
    // What the body makes for an output is the call's output; all else that leaves it passes through an Identity.
    std::vector<bool> made(body.values.size(), false);
    for (const Node& node : body.nodes)
      for (const ValueId id : node.outputs)
        if (id != kNoValue) {
          TRY(check_id(id, body));
          made[static_cast<size_t>(id)] = true;
        }
    std::vector<size_t> passed;
    for (size_t i = 0; i < call.outputs.size(); ++i) {
      TRY(check_id(body.outputs[i], body));
      if (call.outputs[i] == kNoValue) continue;
      auto& id = expansion.ids[static_cast<size_t>(body.outputs[i])];
      if (made[static_cast<size_t>(body.outputs[i])] && !id)
        id = call.outputs[i];
      else
        passed.push_back(i);
    }
    active_.push_back(&function);
    for (const Node& node : body.nodes) {
      ASSIGN_OR_RETURN(Node copy, instantiate(scope, expansion, node, call));
      TRY(emit(scope, std::move(copy)));
    }
    active_.pop_back();
    for (const size_t i : passed) {
      ASSIGN_OR_RETURN(const ValueId source, map_value(scope, expansion, body.outputs[i]));
      if (source == kNoValue)
        return fail(ErrorKind::Invalid, "output {} is the input {}, which the call leaves out",
                    label(call.outputs[i], *scope.graph), label(body.outputs[i], body));
      if (model_.opset("") == 0) model_.opsets[""] = newest_opset("");
      Node& identity = scope.nodes.emplace_back();
      identity.op_type = "Identity";
      identity.inputs = {source};
      identity.outputs = {call.outputs[i]};
    }
    return {};
  }

  static Result<> check_id(ValueId id, const Graph& graph) {
    if (id < 0 || static_cast<size_t>(id) >= graph.values.size())
      return fail(ErrorKind::Invalid, "value of a function body; got {}, need 0..{}", id,
                  static_cast<int64_t>(graph.values.size()) - 1);
    return {};
  }

  Result<ValueId> map_value(Scope& scope, Expansion& expansion, ValueId id) {
    if (id == kNoValue) return kNoValue;
    const Graph& body = expansion.function->body;
    TRY(check_id(id, body));
    auto& mapped = expansion.ids[static_cast<size_t>(id)];
    if (!mapped) {
      const ValueInfo& source = body.value(id);
      // Symbols of a function have nothing to do with those of its caller.
      mapped = scope.add(fmt::format("{}/{}", expansion.prefix, source.name), without_symbols(source.type));
      ValueInfo& added = scope.graph->value(*mapped);
      added.constant = source.constant;
      added.sparse_constant = source.sparse_constant;
    }
    return *mapped;
  }

  static Type without_symbols(Type type) {
    if (type.shape)
      for (Dimension& dim : *type.shape) dim.symbol.clear();
    if (type.inner != nullptr) type.inner = std::make_shared<const Type>(without_symbols(*type.inner));
    return type;
  }

  Result<> spend(size_t weight) {
    work_ += weight;
    if (work_ <= kMaxInlinedNodes) return {};
    return fail(ErrorKind::Limit, "nodes and values of function bodies; need at most {} in a model", kMaxInlinedNodes);
  }

  Result<Node> instantiate(Scope& scope, Expansion& expansion, const Node& source, const Node& call) {
    Node copy = source.clone();
    bind_attributes(copy, call, *expansion.function);
    TRY(spend(weight_of(copy)));
    if (!copy.name.empty()) copy.name = fmt::format("{}/{}", expansion.prefix, copy.name);
    for (ValueId& id : copy.inputs) {
      ASSIGN_OR_RETURN(id, map_value(scope, expansion, id));
    }
    for (ValueId& id : copy.outputs) {
      ASSIGN_OR_RETURN(id, map_value(scope, expansion, id));
    }
    const auto bound = try_each_subgraph(copy, [&](const Attribute&, Graph& inner) -> Result<> {
      for (size_t i = 0; i < inner.values.size(); ++i) {
        if (inner.values[i].captured == kNoValue) continue;
        ASSIGN_OR_RETURN(const ValueId outer, map_value(scope, expansion, inner.values[i].captured));
        if (outer == kNoValue)
          TRY(make_absent(inner, static_cast<ValueId>(i)));
        else
          inner.values[i].captured = outer;
      }
      return {};
    });
    if (!bound) return std::unexpected(bound.error());
    return copy;
  }

  // The body is read by the function's own opsets, but from here on by the model's: allowed where both mean the same.
  Result<> adopt_opsets(const Function& function) {
    if (!adopted_.insert(&function).second) return {};
    return adopt_opsets(function, function.body);
  }
  Result<> adopt_opsets(const Function& function, const Graph& graph) {
    for (const Node& node : graph.nodes) {
      if (callee(node) == nullptr) TRY(adopt_opset(function, node));
      TRY(try_each_subgraph(node, [&](const Attribute&, const Graph& inner) { return adopt_opsets(function, inner); }));
    }
    return {};
  }
  Result<> adopt_opset(const Function& function, const Node& node) {
    const int64_t theirs = opset_of(function, node.domain), ours = model_.opset(node.domain);
    if (theirs == 0)
      return fail(ErrorKind::Invalid, "function {} uses {} and does not import its domain",
                  quoted_name(operator_name(function.domain, function.name)), operator_name(node.domain, node.op_type));
    if (ours == 0) {
      model_.opsets[std::string(canonical(node.domain))] = theirs;
      return {};
    }
    if (theirs == ours) return {};
    const OperatorSchema* schema = find_schema(node.domain, node.op_type, ours);
    if (schema != nullptr && schema == find_schema(node.domain, node.op_type, theirs)) return {};
    return fail(ErrorKind::Unsupported,
                "function {} is written for opset {} of {}, the model for {}, and {} is not the same in both",
                quoted_name(operator_name(function.domain, function.name)), theirs,
                canonical(node.domain).empty() ? "ai.onnx" : quoted_name(node.domain), ours,
                operator_name(node.domain, node.op_type));
  }

  Model& model_;
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, const Function*> functions_;
  std::vector<const Function*> active_;  // the calls that are being expanded, outermost first
  std::unordered_set<const Function*> adopted_;
  size_t work_ = 0;
  int64_t calls_ = 0;
};

}  // namespace

Result<> inline_functions(Model& model) {
  if (model.functions.empty()) return {};
  Inliner inliner(model);
  TRY(inliner.expand(model.graph));
  model.functions.clear();
  return {};
}

}  // namespace hearth::graph
