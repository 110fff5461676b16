#include "import/onnx/read_graph.h"

#include <vector>

#include "base/quote_bytes.h"
#include "import/onnx/context.h"
#include "import/onnx/order_nodes.h"
#include "import/onnx/read_node.h"
#include "import/onnx/read_type.h"
#include "import/onnx/scope.h"
#include "import/onnx/wire.h"

namespace hearth::import::onnx {

using graph::Function;
using graph::Graph;
using graph::kNoValue;
using graph::Type;
using graph::TypeKind;
using graph::ValueId;
using graph::ValueInfo;

namespace {

using Views = std::vector<std::string_view>;

// The parts of a graph or a function, not yet read.
struct Parts {
  Views nodes, inputs, initializers, sparse_initializers, value_infos, outputs;
};

Result<> add_node(Parts& parts, std::string_view bytes, ModelReading& reading) {
  if (++reading.nodes > reading.limits.max_nodes)
    return fail(ErrorKind::Limit, "[onnx] max_nodes; got more, need at most {}", reading.limits.max_nodes);
  parts.nodes.push_back(bytes);
  return {};
}

// `node 3 (Add)` for errors about a node that is not read yet.
std::string label_of(std::string_view bytes, size_t index) {
  std::string_view name, op_type;
  Message message(bytes, "NodeProto");
  while (message.next()) {
    if (message.field() == 3) name = message.bytes();
    if (message.field() == 4) op_type = message.bytes();
  }
  return node_label(name, op_type, index);
}

// Who made the name first: a search, for errors only.
std::string first_producer(const Graph& graph, const Parts& parts, std::string_view wanted) {
  for (const ValueId id : graph.inputs)
    if (graph.value(id).name == wanted) return "an input of the graph";
  for (size_t i = 0; i < parts.nodes.size(); ++i) {
    Message message(parts.nodes[i], "NodeProto");
    while (message.next())
      if (message.field() == 2 && message.bytes() == wanted) return label_of(parts.nodes[i], i);
  }
  return "an initializer";
}

std::unexpected<Error> made_twice(const Graph& graph, const Parts& parts, std::string_view name,
                                  std::string_view again) {
  return fail(ErrorKind::Invalid, "[onnx] value {}; got it from {} and again from {}, need one producer",
              quote_bytes(name), first_producer(graph, parts, name), again);
}

Result<> declare_input(std::string_view name, Type type, const Parts& parts, Scope& scope) {
  auto id = scope.declare(name);
  if (!id) return inside("input", std::move(id).error());
  if (*id == kNoValue) return made_twice(scope.graph(), parts, name, "an input");
  scope.graph().value(*id).type = std::move(type);
  scope.graph().inputs.push_back(*id);
  return {};
}

// The value that an initializer fills: an input that a caller may override, or one of its own.
Result<ValueId> declare_initializer(std::string_view name, const Parts& parts, Scope& scope) {
  Graph& graph = scope.graph();
  if (const ValueId known = scope.find(name); known != kNoValue) {
    const ValueInfo& value = graph.value(known);
    if (value.constant || value.sparse_constant) return made_twice(graph, parts, name, "an initializer");
    return known;  // nodes come later: whatever stands here is an input
  }
  auto id = scope.declare(name);
  if (!id) return inside("initializer", std::move(id).error());
  return id;
}

void set_constant_type(ValueInfo& value, TypeKind kind, DType dtype, const Dims& dims) {
  if (value.type.kind != TypeKind::Unknown) return;  // an input's own type may leave sizes open
  value.type = Type::tensor(dtype, graph::Shape(dims.begin(), dims.end()));
  value.type.kind = kind;
}

Result<> read_initializers(const Parts& parts, Scope& scope) {
  const TensorSource& source = scope.reading().tensors;
  for (const std::string_view bytes : parts.initializers) {
    ASSIGN_OR_RETURN(auto read, read_tensor(bytes, source));
    ASSIGN_OR_RETURN(const ValueId id, declare_initializer(read.name, parts, scope));
    ValueInfo& value = scope.graph().value(id);
    set_constant_type(value, TypeKind::Tensor, read.tensor.dtype(), read.tensor.dims());
    value.constant = std::move(read.tensor);
  }
  for (const std::string_view bytes : parts.sparse_initializers) {
    ASSIGN_OR_RETURN(auto read, read_sparse_tensor(bytes, source));
    ASSIGN_OR_RETURN(const ValueId id, declare_initializer(read.name, parts, scope));
    ValueInfo& value = scope.graph().value(id);
    set_constant_type(value, TypeKind::Tensor, read.tensor.values.dtype(), read.tensor.dims);
    value.sparse_constant = std::move(read.tensor);
  }
  return {};
}

Result<> declare_outputs_of_nodes(const Parts& parts, Scope& scope) {
  for (size_t i = 0; i < parts.nodes.size(); ++i) {
    Message message(parts.nodes[i], "NodeProto");
    while (message.next()) {
      if (message.field() != 2 || message.bytes().empty()) continue;
      auto id = scope.declare(message.bytes());
      if (!id) return inside(label_of(parts.nodes[i], i), std::move(id).error());
      if (*id == kNoValue) return made_twice(scope.graph(), parts, message.bytes(), label_of(parts.nodes[i], i));
    }
    TRY(message.end());
  }
  return {};
}

// The first description of a value counts, unless a later one alone knows the shape.
void describe(ValueInfo& value, Type type) {
  if (value.type.kind == TypeKind::Unknown || (value.type.kind == type.kind && !value.type.shape && type.shape))
    value.type = std::move(type);
}

Result<> read_value_infos(const Parts& parts, Scope& scope) {
  for (const std::string_view bytes : parts.value_infos) {
    ASSIGN_OR_RETURN(auto info, read_value_info(bytes));
    // Optimisers leave descriptions of values behind that are gone.
    if (const ValueId id = scope.find(info.name); id != kNoValue)
      describe(scope.graph().value(id), std::move(info.type));
  }
  return {};
}

Result<> declare_output(std::string_view name, Scope& scope) {
  ASSIGN_OR_RETURN(const ValueId id, scope.resolve(name));
  if (id == kNoValue)
    return fail(ErrorKind::Invalid, "[onnx] output {}; got a name that nothing produces, need a value",
                quote_bytes(name));
  scope.graph().outputs.push_back(id);
  return {};
}

Result<> read_nodes(const Parts& parts, Scope& scope) {
  Graph& graph = scope.graph();
  graph.nodes.reserve(parts.nodes.size());
  for (size_t i = 0; i < parts.nodes.size(); ++i) {
    ASSIGN_OR_RETURN(auto node, read_node(parts.nodes[i], i, scope));
    graph.nodes.push_back(std::move(node));
  }
  return order_nodes(graph);
}

Result<Graph> read_graph_in(std::string_view bytes, Scope* outer, ModelReading& reading, bool in_function) {
  Graph graph;
  Scope scope(graph, outer, reading, in_function);
  if (scope.depth() >= reading.limits.max_graph_depth)
    return fail(ErrorKind::Limit, "[onnx] max_graph_depth; got more, need at most {}", reading.limits.max_graph_depth);
  Parts parts;
  Message message(bytes, "GraphProto");
  while (message.next()) {
    switch (message.field()) {
      case 1:
        TRY(add_node(parts, message.bytes(), reading));
        break;
      case 2:
        TRY(check_text("name of a graph", message.bytes(), reading.limits.max_name_bytes, "max_name_bytes"));
        graph.name = message.bytes();
        break;
      case 5:
        parts.initializers.push_back(message.bytes());
        break;
      case 10:
        TRY(check_text("doc_string", message.bytes(), reading.limits.max_string_bytes, "max_string_bytes"));
        graph.doc = message.bytes();
        break;
      case 11:
        parts.inputs.push_back(message.bytes());
        break;
      case 12:
        parts.outputs.push_back(message.bytes());
        break;
      case 13:
        parts.value_infos.push_back(message.bytes());
        break;
      case 15:
        parts.sparse_initializers.push_back(message.bytes());
        break;
      default:
        break;
    }
  }
  TRY(message.end());
  for (const std::string_view input : parts.inputs) {
    ASSIGN_OR_RETURN(auto info, read_value_info(input));
    TRY(declare_input(info.name, std::move(info.type), parts, scope));
  }
  TRY(read_initializers(parts, scope));
  TRY(declare_outputs_of_nodes(parts, scope));
  TRY(read_value_infos(parts, scope));
  for (const std::string_view output : parts.outputs) {
    ASSIGN_OR_RETURN(auto info, read_value_info(output));
    TRY(declare_output(info.name, scope));
    ValueInfo& value = graph.value(graph.outputs.back());
    if (value.captured == kNoValue) describe(value, std::move(info.type));
  }
  TRY(read_nodes(parts, scope));
  return graph;
}

struct FunctionParts {
  Parts body;
  Views defaults;
};

Result<> scan_function(std::string_view bytes, ModelReading& reading, Function& function, FunctionParts& parts) {
  const OnnxLimits& limits = reading.limits;
  Message message(bytes, "FunctionProto");
  while (message.next()) {
    switch (message.field()) {
      case 1:
        TRY(check_text("name of a function", message.bytes(), limits.max_name_bytes, "max_name_bytes"));
        function.name = message.bytes();
        break;
      case 4:
        parts.body.inputs.push_back(message.bytes());
        break;
      case 5:
        parts.body.outputs.push_back(message.bytes());
        break;
      case 6:
        TRY(check_text("name of an attribute", message.bytes(), limits.max_name_bytes, "max_name_bytes"));
        function.attributes.emplace_back(message.bytes());
        break;
      case 7:
        TRY(add_node(parts.body, message.bytes(), reading));
        break;
      case 8:
        TRY(check_text("doc_string", message.bytes(), limits.max_string_bytes, "max_string_bytes"));
        function.body.doc = message.bytes();
        break;
      case 9:
        TRY(read_opset(message.bytes(), function.opsets));
        break;
      case 10:
        TRY(check_text("domain", message.bytes(), limits.max_name_bytes, "max_name_bytes"));
        function.domain = plain_domain(message.bytes());
        break;
      case 11:
        parts.defaults.push_back(message.bytes());
        break;
      case 12:
        parts.body.value_infos.push_back(message.bytes());
        break;
      case 13:
        TRY(check_text("overload", message.bytes(), limits.max_name_bytes, "max_name_bytes"));
        function.overload = message.bytes();
        break;
      default:
        break;
    }
  }
  return message.end();
}

Result<> read_function_body(const FunctionParts& parts, ModelReading& reading, Function& function) {
  if (function.name.empty()) return fail(ErrorKind::Invalid, "[onnx] name of a function; got none, need one");
  function.body.name = function.name;
  Scope scope(function.body, nullptr, reading, true);
  Graph nowhere;
  Scope outside(nowhere, nullptr, reading, false);  // defaults refer to nothing
  for (const std::string_view bytes : parts.defaults) {
    ASSIGN_OR_RETURN(auto attribute, read_attribute(bytes, outside));
    function.defaults.push_back(std::move(attribute));
  }
  for (const std::string_view name : parts.body.inputs) TRY(declare_input(name, {}, parts.body, scope));
  TRY(declare_outputs_of_nodes(parts.body, scope));
  TRY(read_value_infos(parts.body, scope));
  for (const std::string_view name : parts.body.outputs) TRY(declare_output(name, scope));
  return read_nodes(parts.body, scope);
}

}  // namespace

std::string plain_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string() : std::string(domain);
}

Result<> check_text(std::string_view what, std::string_view text, size_t limit, std::string_view limit_name) {
  if (text.size() > limit)
    return fail(ErrorKind::Limit, "[onnx] {}; got {} bytes, need at most {} ({})", what, text.size(), limit,
                limit_name);
  return {};
}

Result<> read_opset(std::string_view bytes, std::map<std::string, int64_t>& opsets) {
  std::string_view domain;
  int64_t version = 0;
  Message message(bytes, "OperatorSetIdProto");
  while (message.next()) {
    if (message.field() == 1) domain = message.bytes();
    if (message.field() == 2) version = message.integer();
  }
  TRY(message.end());
  TRY(check_text("domain", domain, OnnxLimits().max_name_bytes, "max_name_bytes"));
  const auto [at, added] = opsets.emplace(plain_domain(domain), version);
  if (!added && at->second != version)
    return fail(ErrorKind::Invalid, "[onnx] opset_import of domain {}; got versions {} and {}, need one",
                quote_bytes(domain), at->second, version);
  return {};
}

Result<Graph> read_graph(std::string_view bytes, ModelReading& reading) {
  return read_graph_in(bytes, nullptr, reading, false);
}

Result<Graph> read_subgraph(std::string_view bytes, Scope& outer) {
  return read_graph_in(bytes, &outer, outer.reading(), outer.in_function());
}

Result<Function> read_function(std::string_view bytes, ModelReading& reading) {
  Function function;
  FunctionParts parts;
  Result<> done = scan_function(bytes, reading, function, parts);
  if (done) done = read_function_body(parts, reading, function);
  if (!done) return inside("function " + quote_bytes(function.name), std::move(done).error());
  return function;
}

}  // namespace hearth::import::onnx
