#include "import/onnx/read_node.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/quote_bytes.h"
#include "import/onnx/context.h"
#include "import/onnx/read_type.h"
#include "import/onnx/wire.h"

namespace hearth::import::onnx {

using graph::Attribute;
using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::SparseTensor;
using graph::Type;
using graph::ValueId;

namespace {

// AttributeProto.AttributeType.
enum AttributeKind : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
  kSparseTensor = 11,
  kSparseTensors = 12,
  kTypeProto = 13,
  kTypeProtos = 14,
};
struct KindOfAttribute {
  std::string_view name;
  uint32_t field;  // of AttributeProto that holds the data
};
constexpr KindOfAttribute kKinds[] = {
    {"UNDEFINED", 0},       {"FLOAT", 2},       {"INT", 3},          {"STRING", 4},
    {"TENSOR", 5},          {"GRAPH", 6},       {"FLOATS", 7},       {"INTS", 8},
    {"STRINGS", 9},         {"TENSORS", 10},    {"GRAPHS", 11},      {"SPARSE_TENSOR", 22},
    {"SPARSE_TENSORS", 23}, {"TYPE_PROTO", 14}, {"TYPE_PROTOS", 15},
};
constexpr int kKindCount = static_cast<int>(std::size(kKinds));
constexpr uint32_t kNameField = 1, kReferenceField = 21, kTypeField = 20;

struct AttributeHead {
  std::string_view name, reference;
  int32_t kind = kUndefined;
  uint32_t present = 0;  // bit n: field n, of those that hold data
};

Result<> read_head(std::string_view bytes, AttributeHead& head) {
  uint32_t data_fields = 0;
  for (const KindOfAttribute& kind : kKinds) data_fields |= 1u << kind.field;
  data_fields &= ~1u;
  Message message(bytes, "AttributeProto");
  while (message.next()) {
    if (message.field() == kNameField) head.name = message.bytes();
    if (message.field() == kReferenceField) head.reference = message.bytes();
    if (message.field() == kTypeField) head.kind = message.integer32();
    if (message.field() < 32) head.present |= (1u << message.field()) & data_fields;
  }
  return message.end();
}

// The kind and the data agree; models of the first IR version give the kind by the data alone.
Result<> settle_kind(AttributeHead& head) {
  if (head.kind == kUndefined && std::has_single_bit(head.present))
    for (int kind = 1; kind < kKindCount; ++kind)
      if (head.present == 1u << kKinds[kind].field) head.kind = kind;
  if (head.kind <= kUndefined || head.kind >= kKindCount)
    return fail(ErrorKind::Invalid, "[onnx] type; got {}, need one from 1 to {}", head.kind, kKindCount - 1);
  const KindOfAttribute& kind = kKinds[head.kind];
  if (head.kind == kSparseTensors)
    return fail(ErrorKind::Unsupported, "[onnx] type; got SPARSE_TENSORS, which no operator has");
  if ((head.present & ~(1u << kind.field)) != 0)
    return fail(ErrorKind::Invalid, "[onnx] data; got that of another type, need that of {} alone", kind.name);
  const bool single =
      head.kind == kTensor || head.kind == kGraph || head.kind == kSparseTensor || head.kind == kTypeProto;
  if (single && head.present == 0 && head.reference.empty())
    return fail(ErrorKind::Invalid, "[onnx] data; got none, need a {}", kind.name);
  return {};
}

Attribute::Data empty_data(int32_t kind) {
  switch (kind) {
    case kFloat:
      return 0.0f;
    case kString:
      return std::string();
    case kTensor:
      return Tensor();
    case kGraph:
      return std::make_unique<Graph>();
    case kFloats:
      return std::vector<float>();
    case kInts:
      return std::vector<int64_t>();
    case kStrings:
      return std::vector<std::string>();
    case kTensors:
      return std::vector<Tensor>();
    case kGraphs:
      return std::vector<std::unique_ptr<Graph>>();
    case kSparseTensor:
      return SparseTensor();
    case kTypeProto:
      return Type();
    case kTypeProtos:
      return std::vector<Type>();
    default:
      return int64_t{0};
  }
}

Result<std::string> read_string(Message& message, const OnnxLimits& limits) {
  const std::string_view text = message.bytes();
  TRY(check_text("string", text, limits.max_string_bytes, "max_string_bytes"));
  return std::string(text);
}

// Adds what the current field holds; repeated fields are called once an element or once a packed chunk.
Result<> add_data(Message& message, int32_t kind, Scope& scope, Attribute::Data& data) {
  ModelReading& reading = scope.reading();
  switch (kind) {
    case kFloat:
      data = message.float32();
      break;
    case kInt:
      data = message.integer();
      break;
    case kString: {
      ASSIGN_OR_RETURN(data, read_string(message, reading.limits));
      break;
    }
    case kTensor: {
      ASSIGN_OR_RETURN(auto read, read_tensor(message.bytes(), reading.tensors));
      data = std::move(read.tensor);
      break;
    }
    case kGraph: {
      ASSIGN_OR_RETURN(auto read, read_subgraph(message.bytes(), scope));
      data = std::make_unique<Graph>(std::move(read));
      break;
    }
    case kSparseTensor: {
      ASSIGN_OR_RETURN(auto read, read_sparse_tensor(message.bytes(), reading.tensors));
      data = std::move(read.tensor);
      break;
    }
    case kTypeProto: {
      ASSIGN_OR_RETURN(data, read_type(message.bytes()));
      break;
    }
    case kFloats: {
      const std::string_view chunk = message.fixed(sizeof(float));
      auto& floats = std::get<std::vector<float>>(data);
      const size_t before = floats.size();
      floats.resize(before + chunk.size() / sizeof(float));
      std::ranges::copy(chunk, reinterpret_cast<char*>(floats.data() + before));
      break;
    }
    case kInts:
      message.varints(
          [&](uint64_t number) { std::get<std::vector<int64_t>>(data).push_back(static_cast<int64_t>(number)); });
      break;
    case kStrings: {
      ASSIGN_OR_RETURN(auto text, read_string(message, reading.limits));
      std::get<std::vector<std::string>>(data).push_back(std::move(text));
      break;
    }
    case kTensors: {
      ASSIGN_OR_RETURN(auto read, read_tensor(message.bytes(), reading.tensors));
      std::get<std::vector<Tensor>>(data).push_back(std::move(read.tensor));
      break;
    }
    case kGraphs: {
      ASSIGN_OR_RETURN(auto read, read_subgraph(message.bytes(), scope));
      std::get<std::vector<std::unique_ptr<Graph>>>(data).push_back(std::make_unique<Graph>(std::move(read)));
      break;
    }
    case kTypeProtos: {
      ASSIGN_OR_RETURN(auto read, read_type(message.bytes()));
      std::get<std::vector<Type>>(data).push_back(std::move(read));
      break;
    }
    default:
      break;
  }
  return {};
}

Result<> fill(std::string_view bytes, const AttributeHead& head, Scope& scope, Attribute& attribute) {
  const OnnxLimits& limits = scope.reading().limits;
  TRY(check_text("name of an attribute", head.name, limits.max_name_bytes, "max_name_bytes"));
  TRY(check_text("ref_attr_name", head.reference, limits.max_name_bytes, "max_name_bytes"));
  if (head.name.empty()) return fail(ErrorKind::Invalid, "[onnx] name; got none, need one");
  attribute.name = head.name;
  attribute.reference = head.reference;
  attribute.data = empty_data(head.kind);
  if (!head.reference.empty()) {
    if (!scope.in_function())
      return fail(ErrorKind::Invalid, "[onnx] ref_attr_name; got {} outside of a function, need a value",
                  quote_bytes(head.reference));
    if (head.present != 0)
      return fail(ErrorKind::Invalid, "[onnx] ref_attr_name; got {} and data, need one of them",
                  quote_bytes(head.reference));
    return {};
  }
  Message message(bytes, "AttributeProto");
  while (message.next())
    if (message.field() == kKinds[head.kind].field) TRY(add_data(message, head.kind, scope, attribute.data));
  return message.end();
}

struct NodeHead {
  std::string_view name, op_type, domain, overload;
  size_t inputs = 0, outputs = 0, attributes = 0;
};

Result<> read_head(std::string_view bytes, NodeHead& head) {
  Message message(bytes, "NodeProto");
  while (message.next()) {
    switch (message.field()) {
      case 1:
        ++head.inputs;
        break;
      case 2:
        ++head.outputs;
        break;
      case 3:
        head.name = message.bytes();
        break;
      case 4:
        head.op_type = message.bytes();
        break;
      case 5:
        ++head.attributes;
        break;
      case 7:
        head.domain = message.bytes();
        break;
      case 8:
        head.overload = message.bytes();
        break;
      default:
        break;
    }
  }
  return message.end();
}

Result<> check(const NodeHead& head, const OnnxLimits& limits) {
  if (head.op_type.empty()) return fail(ErrorKind::Invalid, "[onnx] op_type; got none, need one");
  for (const std::string_view text : {head.name, head.op_type, head.domain, head.overload})
    TRY(check_text("name", text, limits.max_name_bytes, "max_name_bytes"));
  if (head.attributes > limits.max_attributes_per_node)
    return fail(ErrorKind::Limit, "[onnx] max_attributes_per_node; got {}, need at most {}", head.attributes,
                limits.max_attributes_per_node);
  return {};
}

Result<> check_distinct(const std::vector<Attribute>& attributes) {
  std::vector<std::string_view> names;
  names.reserve(attributes.size());
  for (const Attribute& attribute : attributes) names.push_back(attribute.name);
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
    return fail(ErrorKind::Invalid, "[onnx] attribute {}; got it twice, need it once", quote_bytes(*twice));
  return {};
}

Result<> fill(std::string_view bytes, const NodeHead& head, Scope& scope, Node& node) {
  TRY(check(head, scope.reading().limits));
  node.name = head.name;
  node.op_type = head.op_type;
  node.domain = plain_domain(head.domain);
  node.overload = head.overload;
  node.inputs.reserve(head.inputs);
  node.outputs.reserve(head.outputs);
  node.attributes.reserve(head.attributes);
  Message message(bytes, "NodeProto");
  while (message.next()) {
    switch (message.field()) {
      case 1: {
        const std::string_view name = message.bytes();
        ValueId& input = node.inputs.emplace_back(kNoValue);
        if (name.empty()) break;
        ASSIGN_OR_RETURN(input, scope.resolve(name));
        if (input == kNoValue)
          return fail(ErrorKind::Invalid, "[onnx] input {}; got a name that nothing produces, need a value",
                      quote_bytes(name));
        break;
      }
      case 2:
        node.outputs.push_back(message.bytes().empty() ? kNoValue : scope.find(message.bytes()));
        break;
      case 5: {
        ASSIGN_OR_RETURN(auto attribute, read_attribute(message.bytes(), scope));
        node.attributes.push_back(std::move(attribute));
        break;
      }
      default:
        break;
    }
  }
  TRY(message.end());
  return check_distinct(node.attributes);
}

}  // namespace

std::string node_label(std::string_view name, std::string_view op_type, size_t index) {
  return fmt::format("node {} ({})", name.empty() ? fmt::format("{}", index) : quote_bytes(name),
                     op_type.empty() ? "?" : quote_bytes(op_type).substr(1, quote_bytes(op_type).size() - 2));
}

Result<Attribute> read_attribute(std::string_view bytes, Scope& scope) {
  AttributeHead head;
  Attribute attribute;
  Result<> done = read_head(bytes, head);
  if (done) done = settle_kind(head);
  if (done) done = fill(bytes, head, scope, attribute);
  if (!done) return inside("attribute " + quote_bytes(head.name), std::move(done).error());
  return attribute;
}

Result<Node> read_node(std::string_view bytes, size_t index, Scope& scope) {
  NodeHead head;
  Node node;
  Result<> done = read_head(bytes, head);
  if (done) done = fill(bytes, head, scope, node);
  if (!done) return inside(node_label(head.name, head.op_type, index), std::move(done).error());
  return node;
}

}  // namespace hearth::import::onnx
