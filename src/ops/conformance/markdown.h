// docs/ops.md, made from the inventory and the case tables.
#pragma once

#include <string>

namespace hearth::ops::conformance {

std::string inventory_markdown();

}  // namespace hearth::ops::conformance
