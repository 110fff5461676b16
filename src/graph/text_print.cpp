#include <cmath>
#include <iterator>
#include <unordered_set>

#include "graph/subgraphs.h"
#include "graph/text.h"
#include "graph/text_words.h"
#include "tensor/element.h"

namespace hearth::graph {

namespace {

// A number that reads back as a float: "1.0", "1e-05", "inf".
template <class T>
std::string float_text(T value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

// Floats narrower than 32 bits are codes where their values would not do: NaNs, and types of eight bits or fewer.
std::string element_text(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::F32:
      return fmt::format("{}", tensor.data<float>()[i]);
    case DType::F64:
      return fmt::format("{}", tensor.data<double>()[i]);
    case DType::F16:
    case DType::BF16: {
      const uint16_t bits = tensor.data<uint16_t>()[i];
      const float value = tensor.dtype() == DType::F16 ? f16_to_f32(bits) : bf16_to_f32(bits);
      return std::isnan(value) ? fmt::format("{}", bits) : float_text(value);
    }
    case DType::C64:
      return fmt::format("{}, {}", tensor.data<float>()[2 * i], tensor.data<float>()[2 * i + 1]);
    case DType::C128:
      return fmt::format("{}, {}", tensor.data<double>()[2 * i], tensor.data<double>()[2 * i + 1]);
    case DType::String:
      return quoted_text(tensor.strings()[static_cast<size_t>(i)]);
    case DType::I8:
    case DType::I4:
    case DType::I2:
      return fmt::format("{}", static_cast<int>(tensor.data<int8_t>()[i]));
    case DType::I16:
      return fmt::format("{}", tensor.data<int16_t>()[i]);
    case DType::I32:
      return fmt::format("{}", tensor.data<int32_t>()[i]);
    case DType::I64:
      return fmt::format("{}", tensor.data<int64_t>()[i]);
    case DType::U16:
      return fmt::format("{}", tensor.data<uint16_t>()[i]);
    case DType::U32:
      return fmt::format("{}", tensor.data<uint32_t>()[i]);
    case DType::U64:
      return fmt::format("{}", tensor.data<uint64_t>()[i]);
    default:
      return fmt::format("{}", static_cast<unsigned>(tensor.data<uint8_t>()[i]));
  }
}

Type type_of(const Tensor& tensor) {
  return Type::tensor(tensor.dtype(), Shape(tensor.dims().begin(), tensor.dims().end()));
}

class Printer {
 public:
  explicit Printer(const TextOptions& options) : options_(options) {}

  std::string model(const Model& model);

 private:
  using Names = std::vector<std::string>;  // of the values of a graph, as they are written
  struct Writer;

  template <class... Args>
  void write(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
  }
  // write_each(items, ", ", [](item) {…})
  template <class Items, class Write>
  void write_each(const Items& items, Write&& one) {
    const char* separator = "";
    for (const auto& item : items) {
      out_ += separator;
      one(item);
      separator = ", ";
    }
  }
  void line() { out_.append(1, '\n').append(static_cast<size_t>(indent_) * 2, ' '); }

  static Names names_of(const Graph& graph, const Names* outer);
  // Ids that a broken model has nothing for are written, too: somebody is looking for them.
  static std::string name(const Names& names, ValueId id) {
    if (id == kNoValue) return "\"\"";
    return is_valid(names, id) ? identifier_text(names[static_cast<size_t>(id)]) : fmt::format("\"#{}\"", id);
  }
  static bool is_valid(const Names& names, ValueId id) { return id >= 0 && static_cast<size_t>(id) < names.size(); }
  void opsets(const std::map<std::string, int64_t>& imports);
  void function(const Function& function);
  void graph(const Graph& graph, const Names* outer);
  void rest_of_graph(const Graph& graph, const Names& names);
  void declaration(const Graph& graph, const Names& names, ValueId id, bool with_constant);
  void nodes(const Graph& graph, const Names& names);
  void node(const Node& node, const Names& names);
  void attributes(const Node& node, const Names& names);
  void attribute(const Attribute& attribute, const Names* names);
  void elements(const Tensor& tensor);
  void constant(const Tensor& tensor);
  void sparse_elements(const SparseTensor& sparse);

  const TextOptions& options_;
  std::string out_;
  int indent_ = 0;
};

std::string Printer::model(const Model& model) {
  out_ += "<ir_version: ";
  write("{}, ", model.ir_version);
  opsets(model.opsets);
  const auto text = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) write(", {}: {}", key, quoted_text(value));
  };
  text("producer_name", model.producer_name);
  text("producer_version", model.producer_version);
  text("domain", model.domain);
  if (model.model_version != 0) write(", model_version: {}", model.model_version);
  text("doc_string", model.doc);
  if (!model.metadata.empty()) {
    out_ += ", metadata_props: [";
    write_each(model.metadata,
               [&](const auto& entry) { write("{}: {}", quoted_text(entry.first), quoted_text(entry.second)); });
    out_ += ']';
  }
  out_ += ">\n";
  graph(model.graph, nullptr);
  out_ += '\n';
  for (const Function& one : model.functions) function(one);
  return std::move(out_);
}

void Printer::opsets(const std::map<std::string, int64_t>& imports) {
  out_ += "opset_import: [";
  write_each(imports, [&](const auto& import) { write("{}: {}", quoted_text(import.first), import.second); });
  out_ += ']';
}

void Printer::function(const Function& function) {
  write("<domain: {}, ", quoted_text(function.domain));
  if (!function.overload.empty()) write("overload: {}, ", quoted_text(function.overload));
  opsets(function.opsets);
  if (!function.body.doc.empty()) write(", doc_string: {}", quoted_text(function.body.doc));
  write(">\n{} ", identifier_text(function.name));
  if (!function.attributes.empty() || !function.defaults.empty()) {
    out_ += '<';
    write_each(function.attributes, [&](const std::string& one) { out_ += identifier_text(one); });
    if (!function.attributes.empty() && !function.defaults.empty()) out_ += ", ";
    write_each(function.defaults, [&](const Attribute& one) { attribute(one, nullptr); });
    out_ += "> ";
  }
  rest_of_graph(function.body, names_of(function.body, nullptr));
  out_ += '\n';
}

// A captured value is written by the name it has outside; a value of the graph itself that has this name, too, gets
// another one.
Printer::Names Printer::names_of(const Graph& graph, const Names* outer) {
  Names names(graph.values.size());
  std::unordered_set<std::string> taken;
  for (size_t i = 0; i < names.size(); ++i) {
    const ValueInfo& value = graph.values[i];
    if (value.captured == kNoValue || outer == nullptr || !is_valid(*outer, value.captured)) continue;
    names[i] = (*outer)[static_cast<size_t>(value.captured)];
    taken.insert(names[i]);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (!names[i].empty()) continue;
    names[i] = graph.values[i].name;
    for (int suffix = 1; !taken.insert(names[i]).second; ++suffix)
      names[i] = fmt::format("{}_{}", graph.values[i].name, suffix);
  }
  return names;
}

void Printer::graph(const Graph& graph, const Names* outer) {
  write("{} ", identifier_text(graph.name));
  rest_of_graph(graph, names_of(graph, outer));
}

void Printer::rest_of_graph(const Graph& graph, const Names& names) {
  std::vector<bool> declared(graph.values.size(), false);
  const auto list = [&](const std::vector<ValueId>& ids, bool with_constants) {
    out_ += '(';
    write_each(ids, [&](ValueId id) {
      if (!is_valid(names, id)) {
        out_ += name(names, id);
        return;
      }
      declaration(graph, names, id, with_constants);
      // A constant that is an output, but no input, is still to be written.
      if (with_constants || (!graph.value(id).constant && !graph.value(id).sparse_constant))
        declared[static_cast<size_t>(id)] = true;
    });
    out_ += ')';
  };
  list(graph.inputs, true);
  out_ += " => ";
  list(graph.outputs, false);
  std::vector<ValueId> rest;
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const ValueInfo& value = graph.values[i];
    const bool constant = value.constant || value.sparse_constant;
    if (!declared[i] && value.captured == kNoValue && (constant || value.type.kind != TypeKind::Unknown))
      rest.push_back(static_cast<ValueId>(i));
  }
  if (!rest.empty()) {
    ++indent_;
    line();
    out_ += '<';
    write_each(rest, [&](ValueId id) { declaration(graph, names, id, true); });
    out_ += '>';
    --indent_;
    line();
  } else {
    out_ += ' ';
  }
  nodes(graph, names);
}

void Printer::declaration(const Graph& graph, const Names& names, ValueId id, bool with_constant) {
  const ValueInfo& value = graph.value(id);
  if (with_constant && value.constant) {
    write("{} {} = ", to_string(type_of(value.constant)), name(names, id));
    elements(value.constant);
  } else if (with_constant && value.sparse_constant) {
    Type type = type_of(value.sparse_constant->values);
    type.kind = TypeKind::SparseTensor;
    type.shape = Shape(value.sparse_constant->dims.begin(), value.sparse_constant->dims.end());
    write("{} {} = ", to_string(type), name(names, id));
    sparse_elements(*value.sparse_constant);
  } else if (value.type.kind != TypeKind::Unknown) {
    write("{} {}", to_string(value.type), name(names, id));
  } else {
    out_ += name(names, id);
  }
}

void Printer::nodes(const Graph& graph, const Names& names) {
  out_ += '{';
  ++indent_;
  for (const Node& one : graph.nodes) {
    line();
    node(one, names);
  }
  --indent_;
  line();
  out_ += '}';
}

void Printer::node(const Node& node, const Names& names) {
  if (!node.name.empty()) write("[{}] ", identifier_text(node.name));
  const auto list = [&](const std::vector<ValueId>& ids) {
    write_each(ids, [&](ValueId id) { out_ += name(names, id); });
  };
  list(node.outputs);
  out_ += " = ";
  for (std::string_view rest = node.domain; !node.domain.empty();) {
    const size_t dot = rest.find('.');
    write("{}.", identifier_text(rest.substr(0, dot)));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  out_ += identifier_text(node.op_type);
  if (!node.overload.empty()) write(":{}", identifier_text(node.overload));
  bool has_graphs = false;
  for_each_subgraph(node, [&](const Attribute&, const Graph&) { has_graphs = true; });
  if (!has_graphs) attributes(node, names);
  out_ += " (";
  list(node.inputs);
  out_ += ')';
  if (has_graphs) attributes(node, names);
}

void Printer::attributes(const Node& node, const Names& names) {
  if (node.attributes.empty()) return;
  out_ += " <";
  write_each(node.attributes, [&](const Attribute& one) { attribute(one, &names); });
  out_ += '>';
}

// Writes what an attribute holds: `: type = value`.
struct Printer::Writer {
  Printer& printer;
  const Names* names;
  const std::string& reference;

  void begin(std::string_view type) const { printer.write(": {} = ", type); }
  // References have a type and no data.
  bool referred() const {
    if (!reference.empty()) printer.write("@{}", identifier_text(reference));
    return !reference.empty();
  }
  template <class Items, class Write>
  void list(std::string_view type, const Items& items, Write&& one) const {
    begin(type);
    if (referred()) return;
    printer.out_ += '[';
    printer.write_each(items, one);
    printer.out_ += ']';
  }
  template <class Write>
  void one(std::string_view type, Write&& write) const {
    begin(type);
    if (!referred()) write();
  }
  void operator()(int64_t value) const {
    one("int", [&] { printer.write("{}", value); });
  }
  void operator()(float value) const {
    one("float", [&] { printer.out_ += float_text(value); });
  }
  void operator()(const std::string& value) const {
    one("string", [&] { printer.out_ += quoted_text(value); });
  }
  void operator()(const Tensor& value) const {
    one("tensor", [&] { printer.constant(value); });
  }
  void operator()(const SparseTensor& value) const {
    one("sparse_tensor", [&] {
      Type type = type_of(value.values);
      type.kind = TypeKind::SparseTensor;
      type.shape = Shape(value.dims.begin(), value.dims.end());
      printer.write("{} ", to_string(type));
      printer.sparse_elements(value);
    });
  }
  void operator()(const Type& value) const {
    one("type_proto", [&] { printer.out_ += to_string(value); });
  }
  void operator()(const std::unique_ptr<Graph>& value) const {
    one("graph", [&] { nested(*value); });
  }
  void operator()(const std::vector<int64_t>& values) const {
    list("ints", values, [&](int64_t value) { printer.write("{}", value); });
  }
  void operator()(const std::vector<float>& values) const {
    list("floats", values, [&](float value) { printer.out_ += float_text(value); });
  }
  void operator()(const std::vector<std::string>& values) const {
    list("strings", values, [&](const std::string& value) { printer.out_ += quoted_text(value); });
  }
  void operator()(const std::vector<Tensor>& values) const {
    list("tensors", values, [&](const Tensor& value) { printer.constant(value); });
  }
  void operator()(const std::vector<Type>& values) const {
    list("type_protos", values, [&](const Type& value) { printer.out_ += to_string(value); });
  }
  void operator()(const std::vector<std::unique_ptr<Graph>>& values) const {
    list("graphs", values, [&](const std::unique_ptr<Graph>& value) { nested(*value); });
  }
  void nested(const Graph& graph) const {
    ++printer.indent_;
    printer.graph(graph, names);
    --printer.indent_;
  }
};

void Printer::attribute(const Attribute& attribute, const Names* names) {
  out_ += identifier_text(attribute.name);
  std::visit(Writer{*this, names, attribute.reference}, attribute.data);
}

void Printer::elements(const Tensor& tensor) {
  if (tensor.size() > options_.max_elements) {
    out_ += "…";
    return;
  }
  out_ += '{';
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (i > 0) out_ += ", ";
    out_ += element_text(tensor, i);
  }
  out_ += '}';
}

void Printer::constant(const Tensor& tensor) {
  if (!tensor) return;  // a reference's placeholder
  write("{} ", to_string(type_of(tensor)));
  elements(tensor);
}

void Printer::sparse_elements(const SparseTensor& sparse) {
  out_ += '{';
  constant(sparse.values);
  out_ += ", ";
  constant(sparse.indices);
  out_ += '}';
}

}  // namespace

std::string to_text(const Model& model, const TextOptions& options) {
  return Printer(options).model(model);
}

}  // namespace hearth::graph
