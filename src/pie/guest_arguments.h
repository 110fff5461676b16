// The words after `--` of `pie run`, in the two forms in which a guest gets them (docs/inferlets.md has the rules).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::pie {

struct GuestArguments {
  std::vector<std::string> argv;  // the program's name, then the words as they are: wasi:cli/environment
  std::string json;               // one object: what `run` receives
};

// Usage when a word is no UTF-8, or of no known form.
Result<GuestArguments> guest_arguments(std::string_view program, std::span<const std::string> words);

}  // namespace hearth::pie
