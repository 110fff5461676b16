// The inferlets that come with the build: std/NAME is NAME.wasm in $PIE_SHARE/inferlets, else in
// ../share/hearth/inferlets beside the folder of the running program.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::pie {

std::filesystem::path inferlet_folder();
std::vector<std::string> shipped_inferlets();  // names, sorted

// What `pie run` takes: a path of a .wasm file, or [std/]NAME[@VERSION]. A word with a '/' (other than std/) or ending
// in .wasm is a path. NotFound names what there is.
Result<std::filesystem::path> find_inferlet(std::string_view word);

}  // namespace hearth::pie
