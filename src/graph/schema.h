// What models mean: every ONNX operator by version — inputs, outputs, type constraints, attributes. The table is
// generated (tools/generate_onnx_schema.py → graph/schema.inc) from the published operator specification.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "graph/type.h"

namespace hearth::graph {

enum class Occurrence : uint8_t { Required, Optional, Variadic };
enum class AttributeType : uint8_t {
  Int,
  Float,
  String,
  Tensor,
  SparseTensor,
  Graph,
  Type,
  Ints,
  Floats,
  Strings,
  Tensors,
  Graphs,
  Types,
};

struct ParameterSchema {
  std::string_view name;
  std::string_view types;  // a constraint's name ("T") or one type as the text form writes it ("tensor(int64)")
  Occurrence occurrence = Occurrence::Required;
  bool homogeneous = true;  // Variadic: all of one type
  int min_count = 1;        // Variadic
};
struct AttributeSchema {
  std::string_view name;
  AttributeType type;
  bool required = false;
  std::string_view default_text;  // "" when there is none; numbers as in the text form
};
struct TypeConstraint {
  std::string_view name;
  std::span<const std::string_view> allowed;  // "tensor(float)", "seq(tensor(int64))", "optional(...)"
};
struct OperatorSchema {
  std::string_view domain;  // "" is ai.onnx
  std::string_view name;
  int since_version = 1;
  bool deprecated = false;
  int min_inputs = 0, max_inputs = 0, min_outputs = 0, max_outputs = 0;  // INT_MAX: variadic
  std::span<const ParameterSchema> inputs, outputs;
  std::span<const AttributeSchema> attributes;
  std::span<const TypeConstraint> constraints;
};

// The schema that an opset of this domain reads the operator by; nullptr when there is none (yet, or any more).
const OperatorSchema* find_schema(std::string_view domain, std::string_view op_type, int64_t opset);
std::span<const OperatorSchema> all_schemas();  // by domain, name, version
// The newest opset this build knows of a domain; 0 for an unknown domain.
int64_t newest_opset(std::string_view domain);
bool known_domain(std::string_view domain);

}  // namespace hearth::graph
