#include "import/onnx/write_model.h"

#include <algorithm>
#include <vector>

#include "base/quote_bytes.h"
#include "import/onnx/context.h"
#include "import/onnx/read_node.h"
#include "import/onnx/written_names.h"

namespace hearth::import::onnx {

using graph::Attribute;
using graph::Function;
using graph::Graph;
using graph::kNoValue;
using graph::Model;
using graph::Node;
using graph::SparseTensor;
using graph::Type;
using graph::TypeKind;
using graph::ValueId;
using graph::ValueInfo;

namespace {

struct Writing {
  ExternalPlace* external;  // of initializers
  ExternalPlace* of_attributes;
};

Result<MessageWriter> write_graph(const Graph& graph, const WrittenNames* outer, const Writing& writing);

MessageWriter write_value_info(std::string_view name, const Type& type) {
  MessageWriter message;
  message.text(1, name);
  if (type.kind != TypeKind::Unknown) message.message(2, write_type(type));
  return message;
}

// One alternative of Attribute::Data: its number in AttributeProto.AttributeType and its data. A reference has the
// number alone.
class AttributeWriter {
 public:
  AttributeWriter(MessageWriter& message, const WrittenNames* names, const Writing& writing, bool data)
      : message_(message), names_(names), writing_(writing), data_(data) {}

  Result<> operator()(float value) {
    if (data_) message_.float32(2, value);
    return type(1);
  }
  Result<> operator()(int64_t value) {
    if (data_) message_.integer(3, value);
    return type(2);
  }
  Result<> operator()(const std::string& value) {
    if (data_) message_.text(4, value);
    return type(3);
  }
  Result<> operator()(const Tensor& value) {
    if (data_) TRY(add(5, value));
    return type(4);
  }
  Result<> operator()(const std::unique_ptr<Graph>& value) {
    if (data_) TRY(add(6, *value));
    return type(5);
  }
  Result<> operator()(const std::vector<float>& values) {
    message_.packed_floats(7, values);
    return type(6);
  }
  Result<> operator()(const std::vector<int64_t>& values) {
    message_.packed_integers(8, values);
    return type(7);
  }
  Result<> operator()(const std::vector<std::string>& values) {
    for (const std::string& value : values) message_.text(9, value);
    return type(8);
  }
  Result<> operator()(const std::vector<Tensor>& values) {
    for (const Tensor& value : values) TRY(add(10, value));
    return type(9);
  }
  Result<> operator()(const std::vector<std::unique_ptr<Graph>>& values) {
    for (const auto& value : values) TRY(add(11, *value));
    return type(10);
  }
  Result<> operator()(const SparseTensor& value) {
    if (data_) {
      ASSIGN_OR_RETURN(auto written, write_sparse_tensor(value, {}, writing_.of_attributes));
      message_.message(22, std::move(written));
    }
    return type(11);
  }
  Result<> operator()(const Type& value) {
    if (data_) message_.message(14, write_type(value));
    return type(13);
  }
  Result<> operator()(const std::vector<Type>& values) {
    for (const Type& value : values) message_.message(15, write_type(value));
    return type(14);
  }

 private:
  Result<> type(int64_t number) {
    message_.integer(20, number);
    return {};
  }
  Result<> add(uint32_t field, const Tensor& tensor) {
    ASSIGN_OR_RETURN(auto written, write_tensor(tensor, {}, writing_.of_attributes));
    message_.message(field, std::move(written));
    return {};
  }
  Result<> add(uint32_t field, const Graph& graph) {
    ASSIGN_OR_RETURN(auto written, write_graph(graph, names_, writing_));
    message_.message(field, std::move(written));
    return {};
  }

  MessageWriter& message_;
  const WrittenNames* names_;
  const Writing& writing_;
  bool data_;
};

Result<MessageWriter> write_attribute(const Attribute& attribute, const WrittenNames* names, const Writing& writing) {
  MessageWriter message;
  message.text(1, attribute.name);
  auto done = std::visit(AttributeWriter(message, names, writing, attribute.reference.empty()), attribute.data);
  if (!done) return inside("attribute " + quote_bytes(attribute.name), std::move(done).error());
  message.text_unless_empty(21, attribute.reference);
  return message;
}

Result<MessageWriter> write_node(const Node& node, size_t index, const WrittenNames& names, const Writing& writing) {
  MessageWriter message;
  for (const ValueId id : node.inputs) message.text(1, names.of_or_none(id));
  for (const ValueId id : node.outputs) message.text(2, names.of_or_none(id));
  message.text_unless_empty(3, node.name);
  message.text(4, node.op_type);
  for (const Attribute& attribute : node.attributes) {
    auto written = write_attribute(attribute, &names, writing);
    if (!written) return inside(node_label(node.name, node.op_type, index), std::move(written).error());
    message.message(5, std::move(*written));
  }
  message.text_unless_empty(7, node.domain);
  message.text_unless_empty(8, node.overload);
  return message;
}

Result<> write_nodes(uint32_t field, const Graph& graph, const WrittenNames& names, const Writing& writing,
                     MessageWriter& message) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    ASSIGN_OR_RETURN(auto node, write_node(graph.nodes[i], i, names, writing));
    message.message(field, std::move(node));
  }
  return {};
}

Result<> write_initializers(const Graph& graph, const WrittenNames& names, const Writing& writing,
                            MessageWriter& message) {
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueInfo& value = graph.values[i];
    const std::string& name = names.of(static_cast<ValueId>(i));
    if (value.constant) {
      ASSIGN_OR_RETURN(auto written, write_tensor(value.constant, name, writing.external));
      message.message(5, std::move(written));
    } else if (value.sparse_constant) {
      ASSIGN_OR_RETURN(auto written, write_sparse_tensor(*value.sparse_constant, name, writing.of_attributes));
      message.message(15, std::move(written));
    }
  }
  return {};
}

// Types of the values that are described nowhere else.
void write_value_infos(uint32_t field, const Graph& graph, const WrittenNames& names, bool ports_too,
                       MessageWriter& message) {
  std::vector<bool> described(graph.values.size(), false);
  if (!ports_too) {
    for (const ValueId id : graph.inputs) described[static_cast<size_t>(id)] = true;
    for (const ValueId id : graph.outputs) described[static_cast<size_t>(id)] = true;
  }
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueInfo& value = graph.values[i];
    const bool itself = value.constant || value.sparse_constant || value.captured != kNoValue;
    if (!described[i] && !itself && value.type.kind != TypeKind::Unknown)
      message.message(field, write_value_info(names.of(static_cast<ValueId>(i)), value.type));
  }
}

Result<MessageWriter> write_graph(const Graph& graph, const WrittenNames* outer, const Writing& writing) {
  const WrittenNames names(graph, outer);
  MessageWriter message;
  TRY(write_nodes(1, graph, names, writing, message));
  message.text_unless_empty(2, graph.name);
  TRY(write_initializers(graph, names, writing, message));
  message.text_unless_empty(10, graph.doc);
  for (const ValueId id : graph.inputs) message.message(11, write_value_info(names.of(id), graph.value(id).type));
  for (const ValueId id : graph.outputs) message.message(12, write_value_info(names.of(id), graph.value(id).type));
  write_value_infos(13, graph, names, false, message);
  return message;
}

MessageWriter write_opset(const std::string& domain, int64_t version) {
  MessageWriter message;
  message.text_unless_empty(1, domain);
  message.integer(2, version);
  return message;
}

// A function has no initializers: its constants become nodes in front.
Result<> write_constants_as_nodes(const Function& function, const WrittenNames& names, const Writing& writing,
                                  MessageWriter& message) {
  for (size_t i = 0; i < function.body.values.size(); ++i) {
    const ValueInfo& value = function.body.values[i];
    if (!value.constant && !value.sparse_constant) continue;
    MessageWriter attribute, node;
    attribute.text(1, value.constant ? "value" : "sparse_value");
    auto written = value.constant ? write_tensor(value.constant, {}, writing.of_attributes)
                                  : write_sparse_tensor(*value.sparse_constant, {}, writing.of_attributes);
    if (!written) return std::unexpected(std::move(written).error());
    attribute.message(value.constant ? 5 : 22, std::move(*written));
    attribute.integer(20, value.constant ? 4 : 11);
    node.text(2, names.of(static_cast<ValueId>(i)));
    node.text(4, "Constant");
    node.message(5, std::move(attribute));
    message.message(7, std::move(node));
  }
  return {};
}

Result<MessageWriter> write_function(const Function& function, const Writing& writing) {
  const WrittenNames names(function.body, nullptr);
  MessageWriter message;
  message.text(1, function.name);
  for (const ValueId id : function.body.inputs) message.text(4, names.of(id));
  for (const ValueId id : function.body.outputs) message.text(5, names.of(id));
  for (const std::string& attribute : function.attributes) message.text(6, attribute);
  TRY(write_constants_as_nodes(function, names, writing, message));
  TRY(write_nodes(7, function.body, names, writing, message));
  message.text_unless_empty(8, function.body.doc);
  for (const auto& [domain, version] : function.opsets) message.message(9, write_opset(domain, version));
  message.text_unless_empty(10, function.domain);
  for (const Attribute& attribute : function.defaults) {
    ASSIGN_OR_RETURN(auto written, write_attribute(attribute, nullptr, writing));
    message.message(11, std::move(written));
  }
  write_value_infos(12, function.body, names, true, message);
  message.text_unless_empty(13, function.overload);
  return message;
}

// Old versions lack what the model may have come to use: initializers that are no inputs, functions.
int64_t written_ir_version(const Model& model) {
  const Graph& graph = model.graph;
  std::vector<bool> is_input(graph.values.size(), false);
  for (const ValueId id : graph.inputs) is_input[static_cast<size_t>(id)] = true;
  bool own_initializers = false;
  for (size_t i = 0; i < graph.values.size(); ++i) own_initializers |= graph.values[i].constant && !is_input[i];
  constexpr int64_t kFirstWithOpsets = 3, kFirstWithOwnInitializers = 4, kFirstWithFunctions = 8;
  const int64_t needed = !model.functions.empty() ? kFirstWithFunctions
                         : own_initializers       ? kFirstWithOwnInitializers
                                                  : kFirstWithOpsets;
  return std::max(model.ir_version, needed);
}

}  // namespace

Result<MessageWriter> write_model(const Model& model, ExternalPlace* external) {
  const Writing writing{external, external != nullptr && external->takes_attributes() ? external : nullptr};
  MessageWriter message;
  message.integer(1, written_ir_version(model));
  message.text_unless_empty(2, model.producer_name);
  message.text_unless_empty(3, model.producer_version);
  message.text_unless_empty(4, model.domain);
  if (model.model_version != 0) message.integer(5, model.model_version);
  message.text_unless_empty(6, model.doc);
  ASSIGN_OR_RETURN(auto graph, write_graph(model.graph, nullptr, writing));
  message.message(7, std::move(graph));
  for (const auto& [domain, version] : model.opsets) message.message(8, write_opset(domain, version));
  for (const auto& [key, value] : model.metadata) {
    MessageWriter entry;
    entry.text(1, key);
    entry.text(2, value);
    message.message(14, std::move(entry));
  }
  for (const Function& function : model.functions) {
    auto written = write_function(function, writing);
    if (!written) return inside("function " + quote_bytes(function.name), std::move(written).error());
    message.message(25, std::move(*written));
  }
  return message;
}

}  // namespace hearth::import::onnx
