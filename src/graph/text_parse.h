// The parser of the text form: one class, its values (types, constants, attributes) and its structure (models, graphs,
// nodes) in a file each.
#pragma once

#include <unordered_map>

#include "graph/graph.h"
#include "graph/schema.h"
#include "graph/text_reader.h"

namespace hearth::graph {

class TextParser {
 public:
  explicit TextParser(std::string_view text) : reader_(text) {}
  Result<Model> model();

 private:
  // One graph while it is read. A name that is mentioned before it is defined stands for a value of this graph until
  // the graph ends; then it is looked for in the graphs around it.
  struct Scope {
    Graph* graph;
    Scope* outer;
    std::unordered_map<std::string, ValueId> ids;
    std::vector<bool> defined;

    ValueId find_or_add(const std::string& name);
    ValueId capture(const std::string& name);  // from the graphs around; kNoValue: nobody knows it
    void define(ValueId id) { defined[static_cast<size_t>(id)] = true; }
    void close();
  };

  // text_parse.cpp
  Result<> model_header(Model& model);
  Result<> function_header(Function& function);
  Result<std::map<std::string, int64_t>> opset_import();
  Result<> metadata(Model& model);
  Result<> graph(Graph& graph, Scope* outer);
  Result<> graph_body(Scope& scope);
  Result<> value_infos(Scope& scope);
  Result<std::vector<ValueId>> parameters(Scope& scope, bool inputs);
  Result<ValueId> declaration(Scope& scope);  // [type] name
  Result<> initializer(Scope& scope, ValueId id);
  Result<Function> function();
  Result<Node> node(Scope& scope);
  Result<std::vector<ValueId>> value_list(Scope& scope);

  // text_parse_values.cpp
  bool next_is_type();
  Result<Type> type(int depth = 0);
  Result<std::optional<Shape>> shape();
  Result<Tensor> constant(const Type& type);
  Result<SparseTensor> sparse_constant(const Type& type);
  Result<std::vector<Attribute>> attributes(const Node& node, Scope* scope);
  Result<Attribute> attribute(std::string name, const Node* node, Scope* scope);
  Result<Attribute::Data> single(std::optional<AttributeType> expected, Scope* scope);
  Result<Attribute::Data> list(std::optional<AttributeType> expected, Scope* scope);
  Result<Attribute::Data> nested_graph(Scope* scope);

  TextReader reader_;
  int depth_ = 0;  // of graphs
};

}  // namespace hearth::graph
