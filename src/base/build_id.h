// Which build of this code runs: for files that only the build that wrote them may read.
#pragma once

#include <string>

namespace hearth {

// The linker's hash over the program or library that this code is in, in hex; "" when it has none.
std::string build_id();

}  // namespace hearth
