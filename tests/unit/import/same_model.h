// Where two models differ first; "" when they are the same. Values are compared by name, constants element by element.
#pragma once

#include <cstring>
#include <map>
#include <string>

#include "graph/graph.h"
#include "graph/type.h"

namespace hearth::import::testing {

std::string difference(const graph::Model& a, const graph::Model& b);
std::string difference(const Tensor& a, const Tensor& b);
std::string difference(const Value& a, const Value& b);

}  // namespace hearth::import::testing
