// The types of attributes: what an attribute holds, and how the text form calls it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "graph/schema.h"

namespace hearth::graph {

AttributeType type_of(const Attribute::Data& data);
Attribute::Data empty_data(AttributeType type);

std::string_view to_string(AttributeType type);  // "int", "floats", "tensor", "type_protos" …
std::optional<AttributeType> parse_attribute_type(std::string_view name);
std::vector<std::string_view> attribute_type_names();

bool is_list(AttributeType type);
AttributeType element_of(AttributeType list);  // CHECKs is_list

}  // namespace hearth::graph
