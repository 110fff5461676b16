// Holds a model against the rules of graph.h and the operator schema. Every breach is one error that names node,
// operator and value. Operators of domains that nobody knows are an error unless `custom` knows them.
#pragma once

#include <functional>

#include "graph/graph.h"

namespace hearth::graph {

struct VerifyOptions {
  // Answers whether somebody serves an operator outside of the schema (a registered custom operator).
  std::function<bool(std::string_view domain, std::string_view op_type)> custom;
  bool types = true;  // also check element types against the schema's constraints, where they are known
};
Result<> verify(const Model& model, const VerifyOptions& options = {});

}  // namespace hearth::graph
