// Questions to the person at the terminal.
#pragma once

#include <string_view>

namespace hearth::cli {

// Asks on stderr, reads a line from stdin. Without a terminal on both, nobody is asked and `otherwise` is the answer;
// an empty line answers `by_default`.
bool ask_yes_no(std::string_view question, bool by_default, bool otherwise);

}  // namespace hearth::cli
