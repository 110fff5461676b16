#include "graph/text_parse.h"

#include <algorithm>
#include <array>

#include "base/nearest_word.h"
#include "graph/label.h"
#include "graph/subgraphs.h"
#include "graph/text.h"

namespace hearth::graph {

namespace {

std::string canonical(std::string domain) {
  return domain == "ai.onnx" ? std::string() : std::move(domain);
}

// The word is no key of a header.
template <size_t kCount>
std::string unknown_key(const std::string& key, const std::array<std::string_view, kCount>& known) {
  return fmt::format("key {}; need {}{}", quote_bytes(key, 24), fmt::join(known, ", "), suggestion(key, known));
}

}  // namespace

ValueId TextParser::Scope::find_or_add(const std::string& name) {
  const auto [at, added] = ids.emplace(name, static_cast<ValueId>(graph->values.size()));
  if (added) {
    graph->values.emplace_back().name = name;
    defined.push_back(false);
  }
  return at->second;
}

ValueId TextParser::Scope::capture(const std::string& name) {
  if (const auto at = ids.find(name); at != ids.end()) return at->second;
  const ValueId found = outer != nullptr ? outer->capture(name) : kNoValue;
  if (found == kNoValue) return kNoValue;
  const ValueId id = find_or_add(name);
  graph->value(id).captured = found;
  define(id);
  return id;
}

void TextParser::Scope::close() {
  if (outer == nullptr) return;
  for (size_t i = 0; i < graph->values.size(); ++i)
    if (!defined[i]) graph->values[i].captured = outer->capture(graph->values[i].name);
}

Result<Model> TextParser::model() {
  Model model;
  if (reader_.accept('<')) TRY(model_header(model));
  TRY(graph(model.graph, nullptr));
  while (!reader_.at_end()) {
    ASSIGN_OR_RETURN(Function made, function());
    model.functions.push_back(std::move(made));
  }
  return model;
}

Result<> TextParser::model_header(Model& model) {
  static constexpr std::array<std::string_view, 8> kKeys = {"ir_version",       "opset_import",  "producer_name",
                                                            "producer_version", "domain",        "model_version",
                                                            "doc_string",       "metadata_props"};
  do {
    ASSIGN_OR_RETURN(const std::string key, reader_.identifier());
    if (std::ranges::find(kKeys, key) == kKeys.end()) return reader_.invalid("{}", unknown_key(key, kKeys));
    TRY(reader_.expect(':'));
    if (key == "ir_version" || key == "model_version") {
      ASSIGN_OR_RETURN((key == "ir_version" ? model.ir_version : model.model_version), reader_.integer());
    } else if (key == "opset_import") {
      ASSIGN_OR_RETURN(model.opsets, opset_import());
    } else if (key == "metadata_props") {
      TRY(metadata(model));
    } else {
      ASSIGN_OR_RETURN((key == "producer_name"      ? model.producer_name
                        : key == "producer_version" ? model.producer_version
                        : key == "domain"           ? model.domain
                                                    : model.doc),
                       reader_.quoted());
    }
  } while (reader_.accept(','));
  return reader_.expect('>');
}

Result<> TextParser::function_header(Function& function) {
  static constexpr std::array<std::string_view, 4> kKeys = {"domain", "opset_import", "doc_string", "overload"};
  do {
    ASSIGN_OR_RETURN(const std::string key, reader_.identifier());
    if (std::ranges::find(kKeys, key) == kKeys.end()) return reader_.invalid("{}", unknown_key(key, kKeys));
    TRY(reader_.expect(':'));
    if (key == "opset_import") {
      ASSIGN_OR_RETURN(function.opsets, opset_import());
    } else {
      ASSIGN_OR_RETURN((key == "domain"     ? function.domain
                        : key == "overload" ? function.overload
                                            : function.body.doc),
                       reader_.quoted());
    }
  } while (reader_.accept(','));
  function.domain = canonical(std::move(function.domain));
  return reader_.expect('>');
}

Result<std::map<std::string, int64_t>> TextParser::opset_import() {
  std::map<std::string, int64_t> opsets;
  TRY(reader_.expect('['));
  if (reader_.accept(']')) return opsets;
  do {
    ASSIGN_OR_RETURN(std::string domain, reader_.quoted());
    TRY(reader_.expect(':'));
    ASSIGN_OR_RETURN(const int64_t version, reader_.integer());
    if (!opsets.emplace(canonical(domain), version).second)
      return reader_.invalid("domain {} is imported twice", quote_bytes(domain));
  } while (reader_.accept(','));
  TRY(reader_.expect(']'));
  return opsets;
}

Result<> TextParser::metadata(Model& model) {
  TRY(reader_.expect('['));
  if (reader_.accept(']')) return {};
  do {
    ASSIGN_OR_RETURN(const std::string key, reader_.quoted());
    TRY(reader_.expect(':'));
    ASSIGN_OR_RETURN(model.metadata[key], reader_.quoted());
  } while (reader_.accept(','));
  return reader_.expect(']');
}

Result<> TextParser::graph(Graph& graph, Scope* outer) {
  if (++depth_ > kMaxGraphDepth) return reader_.limit("graphs within each other; need at most {}", kMaxGraphDepth);
  ASSIGN_OR_RETURN(graph.name, reader_.name());
  Scope scope{&graph, outer, {}, {}};
  ASSIGN_OR_RETURN(graph.inputs, parameters(scope, true));
  TRY(reader_.expect_arrow());
  ASSIGN_OR_RETURN(graph.outputs, parameters(scope, false));
  TRY(value_infos(scope));
  TRY(graph_body(scope));
  --depth_;
  return {};
}

Result<> TextParser::graph_body(Scope& scope) {
  TRY(reader_.expect('{'));
  while (!reader_.accept('}')) {
    ASSIGN_OR_RETURN(Node made, node(scope));
    scope.graph->nodes.push_back(std::move(made));
  }
  scope.close();
  return {};
}

Result<> TextParser::value_infos(Scope& scope) {
  if (!reader_.accept('<') || reader_.accept('>')) return {};
  do {
    ASSIGN_OR_RETURN(const ValueId id, declaration(scope));
    if (reader_.accept('=')) TRY(initializer(scope, id));
  } while (reader_.accept(','));
  return reader_.expect('>');
}

Result<std::vector<ValueId>> TextParser::parameters(Scope& scope, bool inputs) {
  std::vector<ValueId> ids;
  TRY(reader_.expect('('));
  if (reader_.accept(')')) return ids;
  do {
    ASSIGN_OR_RETURN(const ValueId id, declaration(scope));
    ids.push_back(id);
    if (!inputs) continue;
    scope.define(id);
    if (reader_.accept('=')) TRY(initializer(scope, id));
  } while (reader_.accept(','));
  TRY(reader_.expect(')'));
  return ids;
}

Result<ValueId> TextParser::declaration(Scope& scope) {
  Type declared;
  if (next_is_type()) {
    ASSIGN_OR_RETURN(declared, type());
  }
  ASSIGN_OR_RETURN(const std::string name, reader_.name());
  if (name.empty()) return reader_.invalid("value without a name");
  const ValueId id = scope.find_or_add(name);
  auto merged = merge(scope.graph->value(id).type, declared);
  if (!merged)
    return reader_.invalid("value {} is declared twice; got {} and {}, need agreement", quoted_name(name),
                           to_string(scope.graph->value(id).type), to_string(declared));
  scope.graph->value(id).type = std::move(*merged);
  return id;
}

Result<> TextParser::initializer(Scope& scope, ValueId id) {
  ValueInfo& value = scope.graph->value(id);
  if (value.constant || value.sparse_constant)
    return reader_.invalid("value {} has a constant already", quoted_name(value.name));
  if (value.type.kind == TypeKind::SparseTensor) {
    ASSIGN_OR_RETURN(value.sparse_constant, sparse_constant(value.type));
  } else {
    ASSIGN_OR_RETURN(value.constant, constant(value.type));
  }
  scope.define(id);
  return {};
}

Result<Function> TextParser::function() {
  Function made;
  if (reader_.accept('<')) TRY(function_header(made));
  ASSIGN_OR_RETURN(made.name, reader_.name());
  if (reader_.accept('<') && !reader_.accept('>')) {
    do {
      ASSIGN_OR_RETURN(std::string name, reader_.name());
      if (const char next = reader_.peek(); next == ':' || next == '=') {
        ASSIGN_OR_RETURN(Attribute fallback, attribute(std::move(name), nullptr, nullptr));
        made.defaults.push_back(std::move(fallback));
      } else {
        made.attributes.push_back(std::move(name));
      }
    } while (reader_.accept(','));
    TRY(reader_.expect('>'));
  }
  Scope scope{&made.body, nullptr, {}, {}};
  made.body.name = made.name;
  ASSIGN_OR_RETURN(made.body.inputs, parameters(scope, true));
  TRY(reader_.expect_arrow());
  ASSIGN_OR_RETURN(made.body.outputs, parameters(scope, false));
  TRY(value_infos(scope));
  TRY(graph_body(scope));
  return made;
}

Result<Node> TextParser::node(Scope& scope) {
  Node made;
  if (reader_.accept('[')) {
    if (reader_.peek() != ']') {
      ASSIGN_OR_RETURN(made.name, reader_.name());
    }
    TRY(reader_.expect(']'));
  }
  ASSIGN_OR_RETURN(made.outputs, value_list(scope));
  for (const ValueId id : made.outputs)
    if (id != kNoValue) scope.define(id);
  TRY(reader_.expect('='));
  ASSIGN_OR_RETURN(made.op_type, reader_.name());
  bool has_domain = false;
  while (reader_.accept('.')) {
    if (has_domain) made.domain += '.';
    has_domain = true;
    made.domain += made.op_type;
    ASSIGN_OR_RETURN(made.op_type, reader_.name());
  }
  made.domain = canonical(std::move(made.domain));
  if (reader_.accept(':')) {
    ASSIGN_OR_RETURN(made.overload, reader_.name());
  }
  ASSIGN_OR_RETURN(made.attributes, attributes(made, &scope));
  TRY(reader_.expect('('));
  ASSIGN_OR_RETURN(made.inputs, value_list(scope));
  TRY(reader_.expect(')'));
  if (made.attributes.empty()) {
    ASSIGN_OR_RETURN(made.attributes, attributes(made, &scope));
  }
  return made;
}

// "a, b": two values; ", b" and "\"\", b": an absent one and b; a comma at the end adds nothing.
Result<std::vector<ValueId>> TextParser::value_list(Scope& scope) {
  std::vector<ValueId> ids;
  for (;;) {
    const bool written = reader_.peek() == '"' || !reader_.peek_identifier().empty();
    if (!written && reader_.peek() != ',') break;
    std::string name;
    if (written) {
      ASSIGN_OR_RETURN(name, reader_.name());
    }
    ids.push_back(name.empty() ? kNoValue : scope.find_or_add(name));
    if (!reader_.accept(',')) break;
  }
  return ids;
}

Result<Model> parse_text(std::string_view text) {
  if (text.size() > kMaxTextBytes)
    return fail(ErrorKind::Limit, "[text] bytes; got {}, need at most {}", text.size(), kMaxTextBytes);
  return TextParser(text).model();
}

}  // namespace hearth::graph
