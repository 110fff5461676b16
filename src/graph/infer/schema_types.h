// What an operator's schema alone says of the types of its outputs.
#pragma once

#include <functional>

#include "graph/schema.h"
#include "graph/type.h"

namespace hearth::graph::infer {

// The type of output i, without sizes: that of an input bound to the same constraint, or the only one allowed. Unknown
// when the schema leaves it open.
Type output_type(const OperatorSchema& schema, size_t i, const std::function<const Type&(size_t)>& input,
                 size_t input_count);

// "tensor(float)", "seq(tensor(int64))", "map(string,tensor(float))"; Unknown for anything else.
Type parse_ort_type(std::string_view text);

}  // namespace hearth::graph::infer
